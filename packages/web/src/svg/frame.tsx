/** A picture as a file of its own: its colors inside, for light and dark. */
import type { ComponentChildren } from "preact";
import { render } from "preact-render-to-string";
import { visible } from "../view/text.ts";

const STYLE = `
svg { --paper: #fff; --ink: #1c2024; --soft: #565e66; --line: #d9d6ce; --accent: #0b5cad;
  --good: #d5ece1; --good-ink: #0d4b34; --warn: #fbe3b5; --warn-ink: #5f3c00;
  --bad: #f6cbc2; --bad-ink: #7c160a; --dim: #e2e3ea; --dim-ink: #3c4257;
  font-family: system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
@media (prefers-color-scheme: dark) {
  svg { --paper: #14171a; --ink: #e4e6e8; --soft: #a3abb3; --line: #343a41; --accent: #7fb8f2;
    --good: #17402f; --good-ink: #a9e3c7; --warn: #4b3708; --warn-ink: #f6d48a;
    --bad: #58201a; --bad-ink: #ffbfb4; --dim: #30343f; --dim-ink: #c6cbdb; } }
text { fill: var(--ink); font-size: 13px; }
.mono { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 12px; }
.soft, .worst { fill: var(--soft); font-size: 11.5px; }
.title { font-weight: 600; font-size: 14px; }
.paper { fill: var(--paper); }
.compatible rect { fill: var(--good); } .compatible text { fill: var(--good-ink); }
.unknown rect { fill: var(--dim); } .unknown text { fill: var(--dim-ink); }
.insecure rect { fill: var(--warn); } .insecure text { fill: var(--warn-ink); }
.incompatible rect { fill: var(--bad); } .incompatible text { fill: var(--bad-ink); }
.cell text { text-anchor: middle; font-weight: 600; }
.given-up { fill: var(--bad-ink); } .lacking { fill: var(--soft); }
.set, .added { fill: var(--warn-ink); }
.state { text-anchor: middle; font-weight: 700; }
.joint path, .leaf path { fill: none; stroke: var(--ink); stroke-width: 2; }
.apart path { stroke: var(--soft); stroke-width: 1.2; stroke-dasharray: 3 4; }
.joint circle { fill: var(--ink); } .apart circle { fill: var(--paper); stroke: var(--soft); }
.leaf .pool { font-weight: 600; fill: var(--accent); }
.leaf .class { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 12px; }
.cut path { stroke: var(--accent); stroke-width: 2; stroke-dasharray: 7 5; }
.cut text { fill: var(--accent); font-weight: 600; }
`;

export interface FrameProps {
  readonly title: string;
  readonly width: number;
  readonly height: number;
  readonly children: ComponentChildren;
}

/** SVG as text; `title` is what a screen reader says. */
export function svgText({ title, width, height, children }: FrameProps): string {
  const drawn = render(
    <svg
      xmlns="http://www.w3.org/2000/svg"
      role="img"
      aria-label={title}
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
    >
      <title>{title}</title>
      <style dangerouslySetInnerHTML={{ __html: STYLE }} />
      <rect class="paper" width={width} height={height} />
      {children}
    </svg>,
  );
  return `${visible(drawn)}\n`;
}
