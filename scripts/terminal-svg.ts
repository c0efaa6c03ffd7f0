/**
 * Draws what a command printed, with its colours, as an SVG:
 * `FORCE_COLOR=1 evenkeel lab | tsx scripts/terminal-svg.ts "evenkeel lab" > docs/lab.svg`
 */
import { readFileSync } from "node:fs";

const LINE = 18;
const COLUMN = 8.43;
const MARGIN = 16;

const COLOURS: Readonly<Record<string, string>> = {
  "31": "#ff7b72",
  "32": "#7ee787",
  "33": "#e3b341",
};
const PLAIN = "#d0d7de";
const DIM = "#8b949e";

interface Style {
  readonly fill: string;
  readonly bold: boolean;
}

/** The style after an escape sequence's number; unknown ones change nothing. */
function restyled(style: Style, code: string): Style {
  if (code === "1") return { ...style, bold: true };
  if (code === "2") return { ...style, fill: DIM };
  if (code === "22") return { fill: style.fill === DIM ? PLAIN : style.fill, bold: false };
  if (code === "39" || code === "0") return { ...style, fill: PLAIN };
  return { ...style, fill: COLOURS[code] ?? style.fill };
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** One line as spans, each with the style that holds there. */
function spans(line: string): string {
  let style: Style = { fill: PLAIN, bold: false };
  return line
    .split("\u001b[")
    .map((part, i) => {
      const [, code, text] =
        i === 0 ? ["", "", part] : (/^(\d*)m([\s\S]*)$/.exec(part) ?? ["", "", part]);
      if (i > 0) style = restyled(style, code ?? "");
      if (text === undefined || text === "") return "";
      const weight = style.bold ? ' font-weight="bold"' : "";
      return `<tspan fill="${style.fill}"${weight}>${escaped(text)}</tspan>`;
    })
    .join("");
}

// oxlint-disable-next-line no-control-regex -- escape sequences take no room
const visible = (line: string) => line.replaceAll(/\u001b\[\d*m/g, "");

const command = process.argv[2] ?? "";
const output = readFileSync(0, "utf8").trimEnd();
const lines = [`$ ${command}`, ...output.split("\n")];
const width = Math.ceil(
  2 * MARGIN + COLUMN * Math.max(...lines.map((line) => visible(line).length)),
);
const height = 2 * MARGIN + LINE * lines.length;
const rows = lines.map(
  (line, i) => `<text x="${MARGIN}" y="${MARGIN + LINE * (i + 0.75)}">${spans(line)}</text>`,
);
process.stdout.write(
  [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<rect width="100%" height="100%" rx="8" fill="#0d1117"/>`,
    `<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14" xml:space="preserve">`,
    ...rows,
    "</g>",
    "</svg>",
    "",
  ].join("\n"),
);
