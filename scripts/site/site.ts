/** The docs as a static site: every file of it, by path. Nothing is loaded from elsewhere. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { assetText, renderGuide, type GuidePage } from "@evenkeel/web";
import { apiReference, type OpenApi } from "./api.ts";
import { commandReference } from "./commands.ts";
import { cpuidTable } from "./cpuid.ts";
import { renderMarkdown } from "./markdown.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
interface Source {
  /** In the repository; made pages have the place that their links are relative to. */
  readonly file: string;
  /** On the site. */
  readonly path: string;
  readonly text: string;
}

function read(file: string): string {
  return readFileSync(join(ROOT, file), "utf8");
}

function openApi(name: string): string {
  return apiReference(JSON.parse(read(`packages/api/openapi/${name}.json`)) as OpenApi);
}

function docs(): string[] {
  return (readdirSync(join(ROOT, "docs"), { recursive: true }) as string[])
    .filter((file) => file.endsWith(".md"))
    .map((file) => posix.join("docs", file.replaceAll("\\", "/")))
    .toSorted();
}

/** `README.md` is the front page, `docs/x.md` is `x.html`, what else there is keeps its folder. */
function pathOf(file: string): string {
  if (file === "README.md") return "index.html";
  return file
    .replace(/^docs\//, "")
    .replace(/\.md$/, ".html")
    .toLowerCase();
}

function sources(): Source[] {
  const files = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md", ...docs()];
  const made = [
    ["docs/commands.md", commandReference()],
    ["docs/api-fleet.md", openApi("fleet")],
    ["docs/api-agent.md", openApi("agent")],
  ] as const;
  return [
    ...files.map((file) => ({ file, path: pathOf(file), text: read(file) })),
    ...made.map(([file, text]) => ({ file, path: pathOf(file), text })),
  ];
}

/** Files of the repository that pages link to, and that are no pages: they come along. */
type Others = Map<string, Buffer>;

function takeAlong(others: Others, file: string): string {
  const from = join(ROOT, file);
  const to = posix.join("files", file);
  if (!others.has(to)) {
    const isFolder = statSync(from).isDirectory();
    const text = isFolder ? `${readdirSync(from).toSorted().join("\n")}\n` : readFileSync(from);
    others.set(isFolder ? `${to}.txt` : to, Buffer.from(text));
    return isFolder ? `${to}.txt` : to;
  }
  return to;
}

/** Where a link leads: a page of the site, or a file. */
function linker(
  { file, path }: Source,
  pages: ReadonlySet<string>,
  assets: ReadonlySet<string>,
  others: Others,
) {
  return (href: string): string => {
    if (/^(?:[a-z]+:|#)/i.test(href)) return href;
    const [target = "", hash] = href.split("#");
    const absolute = posix.normalize(posix.join(posix.dirname(file), decodeURI(target)));
    const to = pathOf(absolute);
    const suffix = hash === undefined ? "" : `#${hash}`;
    const here = posix.dirname(path);
    if (pages.has(to)) return posix.relative(here, to) + suffix;
    const folder = pathOf(posix.join(absolute, "README.md"));
    if (pages.has(folder)) return posix.relative(here, folder) + suffix;
    const asset = absolute.replace(/^docs\//, "");
    if (assets.has(asset)) return posix.relative(here, asset);
    return posix.relative(here, takeAlong(others, absolute));
  };
}

/** Pictures and schemas. */
function assetFiles(): Map<string, Buffer> {
  const found = (readdirSync(join(ROOT, "docs"), { recursive: true }) as string[]).filter((file) =>
    /\.(?:png|svg|json)$/.test(file),
  );
  return new Map(
    found.map((file) => [file.replaceAll("\\", "/"), readFileSync(join(ROOT, "docs", file))]),
  );
}

const NAV: readonly (readonly [path: string, text: string])[] = [
  ["index.html", "Start"],
  ["commands.html", "Commands"],
  ["api-fleet.html", "Fleet API"],
  ["api-agent.html", "Agent API"],
  ["cpuid.html", "CPUID rows"],
];

function pageFor(
  path: string,
  { title, html }: { readonly title: string; readonly html: string },
  all: readonly { readonly path: string; readonly title: string }[],
): GuidePage {
  const here = posix.dirname(path);
  const link = (to: string, text: string) => ({
    href: posix.relative(here, to),
    text,
    current: to === path,
  });
  const own = new Set(NAV.map(([to]) => to));
  return {
    title,
    html,
    nav: NAV.map(([to, text]) => link(to, text)),
    pages: all.filter((one) => !own.has(one.path)).map((one) => link(one.path, one.title)),
    assets: {
      css: posix.relative(here, "assets/page.css"),
      js: posix.relative(here, "assets/page.js"),
    },
  };
}

export function makeSite(): Map<string, string | Buffer> {
  const list = sources();
  const assets = assetFiles();
  const others: Others = new Map();
  const pages = new Set([...list.map(({ path }) => path), "cpuid.html"]);
  const rendered = [
    ...list.map((source) => ({
      path: source.path,
      ...renderMarkdown(source.text, linker(source, pages, new Set(assets.keys()), others)),
    })),
    { path: "cpuid.html", title: "CPUID rows", html: cpuidTable() },
  ];
  return new Map<string, string | Buffer>([
    ...rendered.map(
      ({ path, ...page }) => [path, renderGuide(pageFor(path, page, rendered))] as const,
    ),
    ...assets,
    ...others,
    ["assets/page.css", assetText("css")],
    ["assets/page.js", assetText("js")],
  ]);
}
