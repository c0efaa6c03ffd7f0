/** Stories that end before an instruction is known: what is needed to go on. */
import { judge } from "@evenkeel/core";
import { hexAddress } from "../elf/numbers.ts";
import type { Mapping } from "./site.ts";
import { placesOfDeath, suspectsIn } from "./broken-promises.ts";
import type { CrashContext } from "./context.ts";
import { few, instructionOf, story, type Facts, type Story } from "./facts.ts";

/** How to know the build: by its code in memory. */
function codeOf({ start, size }: Mapping): string {
  if (start === undefined || size === undefined) return "";
  return ` (0x${size.toString(16)} bytes of code at ${hexAddress(start)})`;
}

/** What the contract and the nodes say where the instruction is not known. */
function suspicion(context: CrashContext): string[] {
  const { contract } = context;
  const nodes = placesOfDeath(context);
  if (contract === undefined || nodes.length === 0) return [];
  const suspects = suspectsIn(context);
  const where = few(nodes.map(({ name }) => name));
  if (suspects.length > 0) {
    return [
      `The snapshot of ${contract.node} promises what is not on ${nodes.length === 1 ? where : "every node"}: ` +
        `${few(suspects)}. The instruction is probably one of theirs.`,
    ];
  }
  return nodes.every((node) => judge(contract, node).verdict === "compatible")
    ? [`evenkeel check allows the snapshot on ${where}: the node's CPU is hardly the reason.`]
    : [];
}

/** Everything but a fault needs bytes; what they can come from depends on what is mapped there. */
export function noBytes({ site, context }: Facts): Story {
  const { mapping, ip } = site;
  const given = context.binaries ?? [];
  if (ip === undefined && mapping === undefined) {
    return story({
      happened: [
        "SIGILL, exit code 132 (128 + 4): an instruction that this CPU refused.",
        ...suspicion(context),
      ],
      missing: [
        "The kernel's line about it: on the guest's console or in its log (dmesg), " +
          '"traps: NAME[PID] trap invalid opcode ip:…".',
        "Or a core file of the process.",
      ],
    });
  }
  if (mapping === undefined) {
    return story({
      happened: [
        "No file is mapped at the instruction pointer: this is code generated at run time (a JIT such as " +
          "V8, the JVM or LuaJIT), or a jump into nowhere.",
        ...suspicion(context),
      ],
      missing: ["A core file of the process: only it contains code generated at run time."],
    });
  }
  const { name, buildId } = mapping;
  const isCore = site.report === "core file";
  const known = buildId === undefined ? codeOf(mapping) : ` (build id ${buildId})`;
  return story({
    happened: [
      isCore
        ? `An instruction of ${name} was an invalid opcode. Its code is not in the core file, as is usual.`
        : `An instruction of ${name} was an invalid opcode. The report says where it is, but not what it is.`,
      ...(given.some((binary) => binary.name === name)
        ? [`The ${name} that was given has no code there: it is another build.`]
        : []),
      ...suspicion(context),
    ],
    missing: [
      `The file ${name}, the exact build that ran${known}: --binary PATH/${name}`,
      ...(isCore
        ? []
        : ["Or a core file of the process, or the instruction's bytes: --bytes '62 f2 …'"]),
    ],
  });
}

/** The file that was given has something at the address that cannot have died. */
export function otherBuildStory(facts: Facts): Story {
  const { site, otherBuild, context } = facts;
  const { mapping, ip } = site;
  const name = mapping?.name ?? "the program";
  const id = mapping?.buildId;
  const wanted =
    id === undefined ? (mapping === undefined ? "" : codeOf(mapping)) : ` (build id ${id})`;
  const given = otherBuild?.buildId;
  const text = instructionOf(facts)?.text;
  const what = text === undefined ? "no instruction" : `"${text}", which no CPU refuses`;
  return story({
    happened: [
      `The ${name} that was given is not the build that died: at ${hexAddress(ip ?? 0)} it has ${what}. ` +
        "It cannot explain the crash.",
      ...suspicion(context),
    ],
    missing: [
      `The file ${name}, the exact build that ran${wanted}: --binary PATH/${name}` +
        (given === undefined ? "" : `. The one given has build id ${given}`),
      "Or a core file of the process, or the instruction's bytes: --bytes '62 f2 …'",
    ],
  });
}

export function aarch64({ site }: Facts): Story {
  return story({
    happened: [
      `The report is of an aarch64 kernel (${site.words}); only x86-64 instructions are decoded.`,
    ],
    missing: ["evenkeel check --snapshot CONTRACT --node PROFILE compares ID registers."],
  });
}
