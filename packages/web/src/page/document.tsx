/** A whole HTML page around its parts. */
import { createHash } from "node:crypto";
import type { ComponentChildren } from "preact";
import { render } from "preact-render-to-string";
import { visible } from "../view/text.ts";
import { assetText } from "./assets.ts";

function hashSource(text: string): string {
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}

/** Nothing is loaded, nothing is sent, and only the page's own style and script run. */
function inlinePolicy(): string {
  return [
    "default-src 'none'",
    `style-src ${hashSource(assetText("css"))}`,
    `script-src ${hashSource(assetText("js"))}`,
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
}

export interface Link {
  readonly href: string;
  readonly text: string;
  readonly current?: boolean;
}

export interface PageProps {
  readonly title: string;
  readonly nav: readonly Link[];
  readonly body: ComponentChildren;
  readonly footer?: ComponentChildren;
  /** Beside the button that changes the theme. */
  readonly tools?: ComponentChildren;
  /**
   * `inline`: everything is in the file. Otherwise the addresses of the style sheet and script, and
   * of the events on which the page is read again.
   */
  readonly assets:
    | "inline"
    | { readonly css: string; readonly js: string; readonly events?: string };
}

function Head({ title, assets }: Pick<PageProps, "title" | "assets">) {
  return (
    <head>
      <meta charset="utf-8" />
      {assets === "inline" && (
        <meta http-equiv="Content-Security-Policy" content={inlinePolicy()} />
      )}
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <meta name="referrer" content="no-referrer" />
      <link rel="icon" href="data:," />
      <title>{title}</title>
      {assets === "inline" ? (
        <style dangerouslySetInnerHTML={{ __html: assetText("css") }} />
      ) : (
        <link rel="stylesheet" href={assets.css} />
      )}
    </head>
  );
}

function Page({ title, nav, body, footer, tools, assets }: PageProps) {
  const events = assets === "inline" ? undefined : assets.events;
  return (
    <html lang="en">
      <Head title={title} assets={assets} />
      <body data-events={events}>
        <a class="skip" href="#content">
          Skip to content
        </a>
        <header>
          <a class="brand" href={assets === "inline" ? "#content" : (nav[0]?.href ?? "/")}>
            evenkeel
          </a>
          <nav aria-label="Pages">
            <ul>
              {nav.map(({ href, text, current }) => (
                <li key={href}>
                  <a href={href} aria-current={current === true ? "page" : undefined}>
                    {text}
                  </a>
                </li>
              ))}
            </ul>
          </nav>
          <div class="tools">
            {tools}
            <button id="theme" type="button" hidden>
              Dark
            </button>
          </div>
        </header>
        <main id="content" tabIndex={-1}>
          {body}
        </main>
        <footer>{footer}</footer>
        {assets === "inline" ? (
          <script dangerouslySetInnerHTML={{ __html: assetText("js") }} />
        ) : (
          <script src={assets.js} defer />
        )}
      </body>
    </html>
  );
}

/**
 * The page as text. Marks that nobody sees are shown as escapes, whoever wrote them: nothing of the
 * page's own has any.
 */
export function renderPage(props: PageProps): string {
  return `<!doctype html>\n${visible(render(<Page {...props} />))}\n`;
}
