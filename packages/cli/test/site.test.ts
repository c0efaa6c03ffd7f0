/** The docs as a site: links and anchors lead somewhere, and what is shown as a command is one. */
import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { describe, expect, it } from "vitest";
import { commandTree } from "../../../scripts/site/commands.ts";
import { makeSite } from "../../../scripts/site/site.ts";
import { ROOT } from "./run.ts";

const site = makeSite();
const pages = [...site].flatMap(([path, content]) =>
  path.endsWith(".html") && typeof content === "string" ? [{ path, html: content }] : [],
);
const anchors = new Map(
  pages.map(({ path, html }) => [
    path,
    new Set([...html.matchAll(/\sid="([^"]+)"/g)].map(([, id = ""]) => id)),
  ]),
);

describe("the site", () => {
  it("has a page of each document, of each command, of both APIs and of all rows", () => {
    const paths = pages.map(({ path }) => path);
    expect(paths).toEqual(
      expect.arrayContaining(["index.html", "fleet.html", "adr/0004-classes.html"]),
    );
    const text = (path: string) => String(site.get(path));
    expect(text("commands.html")).toContain('id="evenkeel-fleet-simulate"');
    expect(text("api-fleet.html")).toContain("POST /v1/simulations");
    expect(text("api-agent.html")).toContain("POST /v1/sandboxes");
    expect(text("cpuid.html")).toMatch(/AVX512_VBMI2.*CPUID\.\(EAX=07H,ECX=0\):ECX\[6\]/);
    expect(text("cpuid.html")).toContain("leaf 7 ecx bit 6");
  });

  it.each(pages)(
    "$path: links and anchors lead somewhere, and nothing is loaded from elsewhere",
    ({ path, html }) => {
      const links = [...html.matchAll(/\s(?:href|src)="([^"]*)"/g)].map(([, to = ""]) => to);
      const broken = links.filter((to) => {
        if (/^(?:https?:|mailto:|data:)/.test(to)) return false;
        const [target = "", hash] = to.split("#");
        const file =
          target === "" ? path : posix.normalize(posix.join(posix.dirname(path), target));
        if (!site.has(file)) return true;
        return hash !== undefined && anchors.get(file)?.has(decodeURIComponent(hash)) !== true;
      });
      expect(broken).toEqual([]);
      const loaded = [...html.matchAll(/\ssrc="([^"]*)"|<link[^>]*href="([^"]*)"/g)];
      expect(loaded.filter(([, src, href]) => /^(?:https?:)?\/\//.test(src ?? href ?? ""))).toEqual(
        [],
      );
      // Markup that was written as text would show itself.
      expect(html).not.toMatch(/&lt;(?:br|img|details|sup|a )/);
    },
  );
});

const TREE = commandTree();

/** Lines of shell blocks, those that go on in the next joined. */
function linesOf(markdown: string): string[] {
  const blocks = [...markdown.matchAll(/^```(?:sh|shell|bash)\n([^]*?)^```/gm)];
  return blocks.flatMap(([, block = ""]) => block.replaceAll(/\\\n\s*/g, " ").split("\n"));
}

/** What is wrong with a call of evenkeel; undefined: nothing. */
function wrongWith(call: string): string | undefined {
  const words = call.trim().split(/\s+/).slice(1);
  let command = TREE;
  const known = new Set(["--help", "-h", "--version", "-V"]);
  for (const word of words) {
    if (word.startsWith("-")) break;
    const next = command.commands.find(({ path }) => path.at(-1) === word);
    if (next === undefined) break;
    command = next;
  }
  if (command === TREE && words[0] !== undefined && !words[0].startsWith("-")) {
    return `no command ${words[0]}`;
  }
  for (const { long, short } of command.options) {
    if (long !== undefined) known.add(long).add(long.replace(/^--no-/, "--"));
    if (short !== undefined) known.add(short);
  }
  const end = words.indexOf("--");
  const options = words
    .slice(0, end < 0 ? words.length : end)
    .filter((word) => /^--[a-z]/.test(word));
  const odd = options.find((word) => !known.has(word.split("=")[0] ?? ""));
  return odd === undefined ? undefined : `${command.path.join(" ")} has no ${odd}`;
}

const DOCUMENTS = ["README.md", "CONTRIBUTING.md", "examples/README.md"].concat(
  (readdirSync(join(ROOT, "docs"), { recursive: true }) as string[])
    .filter((file) => file.endsWith(".md"))
    .map((file) => join("docs", file)),
);

describe("code blocks", () => {
  it.each(DOCUMENTS)("%s: every call of evenkeel is one that it takes", (file) => {
    const lines = linesOf(readFileSync(join(ROOT, file), "utf8"));
    const calls = lines.flatMap((line) =>
      [
        ...line
          .replace(/(?:^|\s)#\s.*$/, "")
          .matchAll(/(?:^|[|;&(]\s*|\$ |sudo )(evenkeel\s[^|;&)<>]*)/g),
      ].map(([, call = ""]) => call),
    );
    expect(calls.flatMap((call) => wrongWith(call) ?? [])).toEqual([]);
  });

  it.each(DOCUMENTS)("%s: every block of JSON is JSON", (file) => {
    const markdown = readFileSync(join(ROOT, file), "utf8");
    const blocks = [...markdown.matchAll(/^```json\n([^]*?)^```/gm)].map(([, block = ""]) => block);
    for (const block of blocks) expect(() => JSON.parse(block)).not.toThrow();
  });

  it("sees a command and an option that are not there", () => {
    expect(wrongWith("evenkeel fly nodes/*.json")).toBe("no command fly");
    expect(wrongWith("evenkeel plan --fly nodes/*.json")).toBe("plan has no --fly");
    expect(wrongWith("evenkeel plan --out DIR nodes/*.json")).toBeUndefined();
  });
});
