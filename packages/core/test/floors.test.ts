/**
 * The floors of the house: a folder imports only from folders below it, so that there is no circle
 * and a reader always knows which way to look. CONTRIBUTING.md describes the same order.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, test } from "vitest";

const PACKAGES = fileURLToPath(new URL("../..", import.meta.url));

/** A name, or names that still import from one another. */
type Floor = string | readonly string[];

/** Packages, from the ground up. */
const BUILDING: readonly Floor[] = [
  "core",
  "api",
  "guest-agent",
  "web",
  "isa",
  "host",
  "firecracker-double",
  "agent",
  "server",
  "lab",
  "cli",
];

/** Folders by package, from the ground up. The files beside them are rooms of their own. */
const FLOORS: Readonly<Record<string, readonly Floor[]>> = {
  core: [
    "tables",
    "format",
    "json",
    "template",
    "profile",
    "firecracker",
    "kvm",
    "catalogue",
    "contract",
    "verdict",
    "lint",
    "plan",
    "inspect",
    "emit",
    "verify",
    "drift",
    "change",
    "read",
  ],
  web: ["read", "view", "pictures", "svg", "page", "fleet"],
  isa: ["features", "elf", "code", "image", "flow", "scan", "switches", "crash"],
  host: [
    "kvm",
    "network",
    "isolation",
    "firecracker",
    "cpu-template",
    "probe",
    "guard",
    "guest",
    "launcher",
    "host-proc",
    "e2b",
    "verify",
    "qemu",
  ],
  agent: ["events", "store", "cpu", "sandboxes", "templates", "fleet", "http", "config"],
  cli: ["output", "completion", "input", "fleet", "render", "commands", "verbs"],
};

interface Import {
  readonly file: string;
  readonly target: string;
}

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.tsx?$/.test(name) && !name.endsWith(".d.ts"))
    .map((name) => join(folder, name));
}

/** What a file imports, types too; relative ones as paths. */
function importsOf(file: string): Import[] {
  const text = readFileSync(file, "utf8");
  const named = text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*"([^"\n]+)"/g);
  return [...named].map(([, target = ""]) => ({
    file,
    target: target.startsWith(".") ? normalize(join(dirname(file), target)) : target,
  }));
}

function packageSources(name: string): string[] {
  return sources(join(PACKAGES, name, "src"));
}

/** The folder or file directly under a package's `src`. */
function roomOf(name: string, path: string): string {
  return relative(join(PACKAGES, name, "src"), path).split(sep)[0] ?? "";
}

type Graph = ReadonlyMap<string, ReadonlyMap<string, Import>>;

/** Which room imports from which other one, with an import of each as the witness. */
function graphOf(name: string, room = roomOf): Graph {
  const graph = new Map<string, Map<string, Import>>();
  for (const found of packageSources(name).flatMap(importsOf)) {
    if (!found.target.startsWith(join(PACKAGES, name, "src"))) continue;
    const [from, to] = [room(name, found.file), room(name, found.target)];
    if (from === to) continue;
    const targets = graph.get(from) ?? new Map<string, Import>();
    graph.set(from, targets.set(to, targets.get(to) ?? found));
  }
  return graph;
}

function reachable(graph: Graph, from: string): Set<string> {
  const seen = new Set<string>();
  const open = [...(graph.get(from)?.keys() ?? [])];
  for (let room = open.pop(); room !== undefined; room = open.pop()) {
    if (seen.has(room)) continue;
    seen.add(room);
    open.push(...(graph.get(room)?.keys() ?? []));
  }
  return seen;
}

/** Rooms that reach one another, each circle as its names. */
function circlesOf(graph: Graph): string[] {
  const reach = new Map([...graph.keys()].map((room) => [room, reachable(graph, room)]));
  const circles = [...reach]
    .filter(([room, rooms]) => rooms.has(room))
    .map(([room, rooms]) => [...rooms].filter((other) => reach.get(other)?.has(room)).toSorted());
  return [...new Set(circles.map((rooms) => rooms.join(" ")))];
}

function levels(floors: readonly Floor[]): ReadonlyMap<string, number> {
  return new Map(floors.flatMap((floor, i) => [floor].flat().map((name) => [name, i] as const)));
}

function say({ file, target }: Import): string {
  const short = (path: string) => (path.startsWith(PACKAGES) ? relative(PACKAGES, path) : path);
  return `${short(file)} imports ${short(target)}`;
}

/** Imports of folders from folders above them. */
function upwards(graph: Graph, floors: readonly Floor[]): string[] {
  const level = levels(floors);
  return [...graph].flatMap(([from, targets]) =>
    [...targets].flatMap(([to, witness]) => {
      const [here, there] = [level.get(from), level.get(to)];
      return here !== undefined && there !== undefined && there > here ? [say(witness)] : [];
    }),
  );
}

function folders(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
}

describe("packages", () => {
  const level = levels(BUILDING);
  const present = folders(PACKAGES).filter((name) => folders(join(PACKAGES, name)).includes("src"));

  it("each have a floor", () => {
    expect(present.filter((name) => !level.has(name))).toEqual([]);
  });

  it("import only from packages below", () => {
    const wrong = present.flatMap((name) =>
      packageSources(name)
        .flatMap(importsOf)
        .filter(({ target }) => {
          const other = /^@evenkeel\/([\w-]+)/.exec(target)?.[1];
          return other !== undefined && (level.get(other) ?? Infinity) >= (level.get(name) ?? 0);
        })
        .map(say),
    );
    expect(wrong).toEqual([]);
  });

  it("reach into no other package's files", () => {
    const wrong = present.flatMap((name) =>
      packageSources(name)
        .flatMap(importsOf)
        .filter(({ target }) => target.startsWith(PACKAGES))
        .filter(({ target }) => !target.startsWith(join(PACKAGES, name, sep)))
        .map(say),
    );
    expect(wrong).toEqual([]);
  });
});

describe.each(Object.entries(FLOORS))("folders of %s", (name, floors) => {
  const graph = graphOf(name);

  it("each have a floor", () => {
    const level = levels(floors);
    const rooms = new Set(packageSources(name).map((path) => roomOf(name, path)));
    const homeless = [...rooms].filter((room) => !room.endsWith(".ts") && !level.has(room));
    expect(homeless).toEqual([]);
  });

  it("import only from folders below", () => {
    expect(upwards(graph, floors)).toEqual([]);
  });

  it("files import in no circle", () => {
    expect(circlesOf(graph)).toEqual([]);
  });
});

test("no two files of core import from one another, however far around", () => {
  expect(circlesOf(graphOf("core", (_, path) => path))).toEqual([]);
});

describe("this test", () => {
  const witness = { file: "a/x.ts", target: "b/y.ts" };
  const graph: Graph = new Map([
    ["a", new Map([["b", witness]])],
    ["b", new Map([["a", witness]])],
  ]);

  it("sees an import upwards, and a circle", () => {
    expect(upwards(graph, ["a", "b"])).toEqual(["a/x.ts imports b/y.ts"]);
    expect(circlesOf(graph)).toEqual(["a b"]);
  });

  it("reads the imports that there are", () => {
    expect(importsOf(fileURLToPath(import.meta.url)).map(({ target }) => target)).toContain(
      "vitest",
    );
    expect(graphOf("core").get("plan")?.has("verdict")).toBe(true);
  });
});
