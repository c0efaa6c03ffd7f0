/**
 * Programs of known behaviour: each source's name begins with what it does on a CPU without AVX2.
 * - `baseline`: needs nothing beyond every x86-64 CPU
 * - `guarded`: uses more where it is told that it may, and lives without
 * - `unguarded`: dies of SIGILL
 * - `refused`: looks, says so, and ends by itself
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { hasTool } from "./tools.ts";

export type Behaviour = "baseline" | "guarded" | "unguarded" | "refused";

export interface CorpusProgram {
  /** `guarded-cpuid, gcc static`. */
  readonly name: string;
  readonly behaviour: Behaviour;
  readonly path: string;
}

const SOURCES = join(import.meta.dirname, "corpus");

interface Build {
  readonly name: string;
  readonly tool: string;
  readonly args: readonly string[];
  /** Sources that this way of building cannot build, or that mean nothing so built. */
  readonly except?: RegExp;
  /** Sources that are built so in the tests; the others only where all are wanted. */
  readonly few?: RegExp;
}

const ALL = /./;

const C_BUILDS: readonly Build[] = [
  { name: "gcc", tool: "gcc", args: ["-O2"], few: ALL },
  { name: "gcc -O0", tool: "gcc", args: ["-O0", "-s"] },
  {
    name: "gcc static",
    tool: "gcc",
    args: ["-O2", "-static", "-no-pie", "-s"],
    // A whole C library takes a second to read.
    few: /-(?:main|table|object|builtin|level)$/,
  },
  { name: "gcc -O1 static", tool: "gcc", args: ["-O1", "-static", "-no-pie"] },
  { name: "gcc static PIE", tool: "gcc", args: ["-O2", "-static-pie", "-s"] },
  { name: "gcc LTO", tool: "gcc", args: ["-O3", "-flto", "-no-pie", "-s"] },
  // Clang cannot combine what this source asks for.
  { name: "clang", tool: "clang", args: ["-O2", "-s"], except: /clones/, few: /^guarded/ },
  { name: "clang -O0", tool: "clang", args: ["-O0"], except: /clones/ },
  { name: "clang static", tool: "clang", args: ["-O2", "-static", "-s"], except: /clones/ },
  // musl has no ifuncs.
  {
    name: "musl",
    tool: "musl-gcc",
    args: ["-O2", "-static", "-s"],
    except: /ifunc|clones/,
    few: ALL,
  },
  { name: "musl -Os", tool: "musl-gcc", args: ["-Os", "-static"], except: /ifunc|clones/ },
];

const NO_PANIC_TABLES = ["-C", "panic=abort"];
const RUST_BUILDS: readonly Build[] = [
  { name: "rustc", tool: "rustc", args: ["-O", "-C", "strip=symbols"], few: ALL },
  { name: "rustc debug", tool: "rustc", args: [] },
  {
    name: "rustc LTO",
    tool: "rustc",
    args: ["-O", "-C", "lto=fat", ...NO_PANIC_TABLES, "-C", "strip=symbols"],
  },
  {
    name: "rustc static",
    tool: "rustc",
    args: ["-O", "-C", "target-feature=+crt-static", "-C", "strip=symbols"],
  },
];

/** What a source needs beside the flags of the build. */
const EXTRA: Readonly<Record<string, readonly string[]>> = {
  "unguarded-v3": ["-march=haswell"],
};

function made(tool: string, args: readonly string[], options: object = {}): boolean {
  const { status, stderr } = spawnSync(tool, args, { encoding: "utf8", ...options });
  if (status !== 0) process.stderr.write(`${tool} ${args.join(" ")}: ${stderr}\n`);
  return status === 0;
}

function behaviourOf(source: string): Behaviour {
  const [first] = source.split("-");
  if (first === "baseline" || first === "guarded" || first === "unguarded") return first;
  if (first === "refused") return first;
  throw new Error(`${source}: its name does not say what it does`);
}

interface Order {
  readonly directory: string;
  readonly all: boolean;
}

function compiled(extension: string, builds: readonly Build[], order: Order): CorpusProgram[] {
  const usable = builds.filter(({ tool }) => hasTool(tool, tool !== "rustc"));
  const sources = readdirSync(SOURCES).filter((file) => file.endsWith(extension));
  return sources.flatMap((file) => {
    const source = basename(file, extension);
    return usable.flatMap(({ name, tool, args, except, few }): CorpusProgram[] => {
      if (except?.test(source) === true) return [];
      if (!order.all && few?.test(source) !== true) return [];
      const path = join(order.directory, `${source}.${name.replaceAll(/\W+/g, "-")}`);
      const extra = [...(EXTRA[source] ?? []), ...(extension === ".c" ? ["-w", "-pthread"] : [])];
      const ok = made(tool, [...args, ...extra, "-o", path, join(SOURCES, file)]);
      return ok ? [{ name: `${source}, ${name}`, behaviour: behaviourOf(source), path }] : [];
    });
  });
}

function assembled({ directory }: Order): CorpusProgram[] {
  if (!hasTool("nasm") || !hasTool("ld")) return [];
  const sources = readdirSync(SOURCES).filter((file) => file.endsWith(".asm"));
  return sources.flatMap((file): CorpusProgram[] => {
    const source = basename(file, ".asm");
    const path = join(directory, `${source}.nasm`);
    const ok =
      made("nasm", ["-felf64", "-o", `${path}.o`, join(SOURCES, file)]) &&
      made("ld", ["-s", "-o", path, `${path}.o`]);
    return ok ? [{ name: `${source}, nasm`, behaviour: behaviourOf(source), path }] : [];
  });
}

const GO_LEVELS = [
  { suffix: "", env: {} },
  { suffix: " GOAMD64=v3", env: { GOAMD64: "v3" } },
] as const;

/** Go's own check refuses programs that were built for a level that the CPU lacks. */
function goBehaviour(source: string, suffix: string): Behaviour {
  return suffix === "" ? behaviourOf(source) : "refused";
}

function builtWithGo({ directory, all }: Order): CorpusProgram[] {
  if (!hasTool("go", false)) return [];
  const folders = readdirSync(SOURCES).filter((file) => file.startsWith("go-"));
  return folders.flatMap((folder) =>
    GO_LEVELS.flatMap(({ suffix, env }): CorpusProgram[] => {
      const source = folder.slice("go-".length);
      if (suffix !== "" && source !== "baseline") return [];
      const path = join(directory, `${folder}${suffix.replaceAll(/\W+/g, "-")}`);
      const flags = all ? [] : ["-ldflags=-s -w"];
      const options = {
        cwd: join(SOURCES, folder),
        env: {
          ...process.env,
          ...env,
          CGO_ENABLED: "0",
          GOFLAGS: "-mod=mod",
          GOTOOLCHAIN: "local",
        },
      };
      const ok = made("go", ["build", ...flags, "-o", path, "."], options);
      return ok
        ? [{ name: `${folder}${suffix}`, behaviour: goBehaviour(source, suffix), path }]
        : [];
    }),
  );
}

/** Builds with every tool that is there. `all`: in every way, some four hundred programs. */
export function buildCorpus(directory: string, all: boolean): CorpusProgram[] {
  mkdirSync(directory, { recursive: true });
  const order = { directory, all };
  return [
    ...compiled(".c", C_BUILDS, order),
    ...compiled(".rs", RUST_BUILDS, order),
    ...assembled(order),
    ...builtWithGo(order),
  ];
}
