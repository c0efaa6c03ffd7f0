/** Names come from nodes, files and programs of strangers: they are shown, never obeyed. */
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  readResult,
  renderFleetPage,
  renderReport,
  reportPictures,
  type ReportPart,
} from "../src/index.ts";
import { matrixOf, PLAN, TREE } from "./documents.ts";
import { pagesWith } from "./fleet-pages.ts";

const NAMES = [
  "</script><script>alert(1)</script>",
  "</style><img src=x onerror=alert(1)>",
  `" onmouseover="alert(1)" x='`,
  "]]><!--",
  "javascript:alert(1)",
  "\u202eevil\u2066\u0000\u001b[31m",
  "A".repeat(10_000),
];

function hostileParts(): ReportPart[] {
  const plan = {
    ...PLAN,
    identity: { name: NAMES[0], reason: NAMES[1] },
    warnings: NAMES,
    classes: NAMES.map((id) => ({
      ...PLAN.classes[0],
      id,
      model: id,
      signature: id,
      nodes: NAMES,
      template: id,
      kernels: [id],
      givesUp: NAMES.map((name) => ({ name, title: name, group: name, address: name })),
    })),
    guestCpu: { features: NAMES },
    united: NAMES.map((name) => ({
      name,
      address: name,
      title: name,
      group: name,
      addedTo: NAMES,
    })),
  };
  const tree = TREE.slice(0, 1).map((joint) => ({
    ...joint,
    left: [NAMES[0]],
    right: [NAMES[5]],
    leftLoses: NAMES,
  }));
  const verified = {
    subject: NAMES[0],
    node: NAMES[1],
    firecracker: NAMES,
    registers: 1,
    mismatches: NAMES.map((text) => ({
      owner: text,
      address: text,
      name: text,
      message: text,
      firecracker: [text],
    })),
  };
  const scan = {
    files: NAMES.map((name) => ({
      name,
      kind: name,
      features: [{ feature: name, use: name, sure: name }],
      code: { bytes: 1, unread: 0 },
    })),
    skipped: [],
    unread: NAMES.map((name) => ({ name, reason: name })),
  };
  const matrix = matrixOf(NAMES, () => "incompatible");
  const map: ReportPart = {
    kind: "matrix",
    how: NAMES[0] ?? "",
    view: {
      classes: matrix.entries,
      moves: matrix.pairs.map((pair) => ({
        ...pair,
        findings: NAMES.map((text) => ({
          rule: text,
          severity: "incompatible" as const,
          address: text,
          name: text,
          consequence: text,
        })),
      })),
    },
  };
  const results = [plan, { pools: [plan], tree }, verified, scan].map((json) => {
    const result = readResult(json);
    if (result === undefined || result.kind === "matrix") throw new Error("not a result");
    return result;
  });
  return [map, ...results];
}

/** Names of elements and attributes, as a parser finds them: quotes end values, and nothing else. */
function markupOf(text: string): { readonly tags: Set<string>; readonly attributes: Set<string> } {
  const outside = text.replaceAll(/<(style|script)>[^]*?<\/\1>/g, "<$1></$1>");
  const found = [...outside.matchAll(/<([a-z][\w-]*)((?:\s+[\w:-]+(?:="[^"]*")?)*)\s*\/?>/gi)];
  // Whatever opens must be one of those.
  expect(found).toHaveLength(outside.match(/<[a-z]/gi)?.length ?? 0);
  const attributes = found.flatMap(([, , all = ""]) =>
    [...all.matchAll(/\s([\w:-]+)(?:="[^"]*")?/g)].map(([, name = ""]) => name),
  );
  return { tags: new Set(found.map(([, tag = ""]) => tag)), attributes: new Set(attributes) };
}

const parts = hostileParts();
const html = renderReport({ title: NAMES[0] ?? "", parts, sources: NAMES, version: "0" });

describe("hostile names in a report", () => {
  it("become no elements and no attributes", () => {
    expect(html.match(/<script/g)).toHaveLength(1);
    expect(html.match(/<\/script/g)).toHaveLength(1);
    const { tags, attributes } = markupOf(html);
    expect(["img", "iframe", "object", "base", "form"].filter((tag) => tags.has(tag))).toEqual([]);
    expect([...attributes].filter((name) => name.startsWith("on") || name === "style")).toEqual([]);
  });

  it("link nowhere but into the page", () => {
    const links = [...html.matchAll(/\s(?:href|src|action|style)="([^"]*)"/g)].map(([, to]) => to);
    expect(links.length).toBeGreaterThan(10);
    expect(links.filter((to) => to !== "data:," && !/^#[\w-]+$/.test(to ?? ""))).toEqual([]);
  });

  it("hide nothing", () => {
    expect(html).toContain("\\u202eevil\\u2066\\u0000\\u001b[31m");
    expect(html).not.toMatch(/[\u0000-\u0008\u001b\u202a-\u202e\u2066-\u2069]/);
  });

  it("stay short where there is no room", () => {
    // Sentences, such as consequences, are the only texts that are shown whole.
    expect(html).not.toMatch(/<code[^>]*>A{200}/);
  });

  it("do the same in pictures", () => {
    const pictures = reportPictures(parts);
    expect(pictures.map(({ file }) => file)).toEqual([
      "compatibility.svg",
      "guest-cpu.svg",
      "pool.svg",
      "guest-cpu-2.svg",
    ]);
    for (const { svg } of pictures) {
      const { tags, attributes } = markupOf(svg);
      expect([...attributes].filter((name) => name.startsWith("on") || name === "href")).toEqual(
        [],
      );
      expect(tags.has("script")).toBe(false);
      expect(svg).not.toMatch(/A{100}|[\u0000-\u0008\u001b\u202e]/);
    }
  });
});

describe("the policy of a report", () => {
  it("lets only the page's own script and style run", () => {
    const [, policy = ""] = /Content-Security-Policy" content="([^"]+)"/.exec(html) ?? [];
    const [, script = ""] = /<script>([^]*?)<\/script>/.exec(html) ?? [];
    const hash = createHash("sha256").update(script).digest("base64");
    expect(policy).toContain("default-src 'none'");
    expect(policy.replaceAll("&#39;", "'")).toContain(`script-src 'sha256-${hash}'`);
    expect(policy).not.toContain("unsafe");
  });
});

describe.each([
  ...NAMES,
  // A line of a console, as a program wrote it: colors, a window's title, text turned around.
  `\u001b]0;owned\u0007\u001b[2J\u202e${"B".repeat(2 ** 20)}\u2066\r\n\u0000`,
])("a fleet in which everything is called %.12s", (text) => {
  const assets = { css: "/a.css", js: "/a.js", events: "/events" };
  const pages = pagesWith(text).map((data) => ({
    name: data.page,
    html: renderFleetPage(data, assets, true),
  }));

  it.each(pages)("$name has no markup but its own", ({ html: page }) => {
    expect(page.match(/<script/g)).toHaveLength(1);
    const { tags, attributes } = markupOf(page);
    expect(["img", "iframe", "object", "base", "style"].filter((tag) => tags.has(tag))).toEqual([]);
    expect([...attributes].filter((name) => name.startsWith("on") || name === "style")).toEqual([]);
  });

  it.each(pages)("$name leads nowhere but into the fleet", ({ html: page }) => {
    const links = [...page.matchAll(/\s(?:href|src|action)="([^"]*)"/g)].map(([, to = ""]) => to);
    expect(links.length).toBeGreaterThan(5);
    expect(links.filter((to) => to !== "data:," && !/^(?:#|\/(?![/\\]))/.test(to))).toEqual([]);
  });

  it.each(pages)("$name hides nothing, and stays small", ({ html: page }) => {
    expect(page).not.toMatch(/[\u0000-\u0008\u001b\u202a-\u202e\u2066-\u2069]/);
    expect(page.length).toBeLessThan(300_000);
  });
});
