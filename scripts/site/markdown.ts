/** Markdown to HTML, with anchors as GitHub makes them and links to the site's own pages. */
import MarkdownIt from "markdown-it";

export interface Rendered {
  readonly title: string;
  readonly html: string;
}

/** As GitHub does: lower case, punctuation dropped, spaces to hyphens; repeated ones are numbered. */
function slugger(): (heading: string) => string {
  const seen = new Map<string, number>();
  return (heading) => {
    const slug = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(/\s/g, "-");
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    return times === 0 ? slug : `${slug}-${times}`;
  };
}

/** `linkOf` says where a link of the source leads on the site. */
export function renderMarkdown(text: string, linkOf: (href: string) => string): Rendered {
  const markdown = new MarkdownIt({ html: false, linkify: false });
  const tokens = markdown.parse(text, {});
  const slug = slugger();
  let title: string | undefined;
  for (const [i, token] of tokens.entries()) {
    const inline = tokens[i + 1];
    if (token.type === "heading_open" && inline !== undefined) {
      const words = (inline.children ?? []).map(({ content }) => content).join("");
      title ??= words;
      token.attrSet("id", slug(words));
    }
    for (const child of token.children ?? []) {
      const href = child.type === "link_open" ? child.attrGet("href") : null;
      if (href !== null) child.attrSet("href", linkOf(String(href)));
      const src = child.type === "image" ? child.attrGet("src") : null;
      if (src !== null) child.attrSet("src", linkOf(String(src)));
    }
  }
  const html = markdown.renderer
    .render(tokens, markdown.options, {})
    .replaceAll(
      "<table>",
      '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table class="rows">',
    )
    .replaceAll("</table>", "</table></div>")
    .replaceAll("<pre>", '<pre class="command" tabindex="0">');
  return { title: title ?? "", html };
}
