/** A page of the docs: a text that is markup already, and the list of the others. */
import { renderPage } from "./document.tsx";

interface GuideLink {
  readonly href: string;
  readonly text: string;
  readonly current: boolean;
}

export interface GuidePage {
  readonly title: string;
  /** The project's own text, rendered. */
  readonly html: string;
  readonly nav: readonly GuideLink[];
  readonly pages: readonly GuideLink[];
  readonly assets: { readonly css: string; readonly js: string };
}

export function renderGuide({ title, html, nav, pages, assets }: GuidePage): string {
  const body = (
    <div class="guide">
      <article dangerouslySetInnerHTML={{ __html: html }} />
      <nav aria-label="All pages">
        <ul>
          {pages.map(({ href, text, current }) => (
            <li key={href}>
              <a href={href} aria-current={current ? "page" : undefined}>
                {text}
              </a>
            </li>
          ))}
        </ul>
      </nav>
    </div>
  );
  return renderPage({ title: `${title} · evenkeel`, nav, body, assets });
}
