/** Stories of features that a CPU does not have: the problem that this project is about. */
import { judge, listOf, type CpuContract, type NodeProfile } from "@evenkeel/core";
import { otherBuild } from "./builds.ts";
import { brokenPromises } from "./broken-promises.ts";
import { diesAnywhere, type CodeUse } from "./code-use.ts";
import type { Evidence, FeatureEvidence } from "./evidence.ts";
import { settingsFor } from "../switches/narrow.ts";
import { few, story, type Facts, type Story } from "./facts.ts";

interface Telling extends Facts {
  readonly evidence: Evidence;
  /** `AVX512VL and AVX512_VBMI`. */
  readonly names: string;
  /** Of these, those that some node is known to lack; all of them where none is. */
  readonly gone: string;
}

const PLAN =
  "Plan the pool (evenkeel plan PROFILES… --out DIR), boot with its templates, take a new snapshot.";

function program({ site }: Facts): string {
  return site.ring === "kernel" ? "The guest's kernel" : (site.process ?? "The program");
}

/** The node it died on, as far as that is known. */
function placeOfDeath({ evidence, context }: Telling): string {
  const { lack = [], of = "node" } = evidence.holders ?? {};
  if (context.diedOn !== undefined && lack.includes(context.diedOn)) return context.diedOn;
  const named = of === "class" ? `a node of class ${few(lack)}` : few(lack);
  return lack.length === 1
    ? `${named} or another node without it`
    : `one of ${few(lack)} or another node without it`;
}

function templateOf({ template }: CpuContract): string {
  return template === undefined ? "without a template" : `with the template ${template}`;
}

/** What else the same snapshot would trip over on a node. */
function alsoMissing(contract: CpuContract, node: NodeProfile, known: readonly string[]): string[] {
  const broken = brokenPromises(contract, node);
  const faults = broken.faults.filter((name) => !known.includes(name));
  const { silent, insecure } = broken;
  const sentence = (names: readonly string[], text: string) => (names.length === 0 ? [] : [text]);
  return [
    ...sentence(faults, `${node.name} also lacks ${few(faults)}, promised by the same snapshot.`),
    ...sentence(
      silent,
      `Where ${listOf(silent)} is missing, as there, programs get wrong results without a fault.`,
    ),
    ...sentence(
      insecure,
      `There the guest would also leave mitigations off that it needs: ${few(insecure)}.`,
    ),
  ];
}

function others({ context, evidence }: Telling): string[] {
  const { contract, nodes = [] } = context;
  const { lack = [] } = evidence.holders ?? {};
  const node = nodes.find(({ name }) => name === (context.diedOn ?? lack[0]));
  if (contract === undefined || node === undefined) return [];
  return alsoMissing(
    contract,
    node,
    evidence.features.map(({ name }) => name),
  );
}

const BOOT = "Boot a new guest wherever that cannot be.";

/** Where to go now. Having this feature is not all that a snapshot asks of a node. */
function refuge({ evidence, context, names }: Telling): string[] {
  const { contract, nodes = [] } = context;
  const { have = [], of = "node" } = evidence.holders ?? {};
  if (have.length === 0) {
    const like = contract === undefined ? "" : `, such as ${contract.node}`;
    return [`Resume this snapshot only on a node with ${names}${like}. ${BOOT}`];
  }
  if (contract === undefined || of === "class") {
    const where = of === "class" ? `nodes of class ${few(have)}` : few(have);
    return [`Resume this snapshot only on ${where}, if evenkeel check agrees. ${BOOT}`];
  }
  const fit = nodes.filter(
    (node) => have.includes(node.name) && judge(contract, node).verdict === "compatible",
  );
  if (fit.length > 0) {
    return [`Resume this snapshot only on ${few(fit.map(({ name }) => name))}. ${BOOT}`];
  }
  return [
    `${few(have)} ${have.length === 1 ? "has" : "have"} ${names}, but evenkeel check does not allow the ` +
      "snapshot there for other reasons. Boot a new guest.",
  ];
}

function cure({ evidence, context, names }: Telling): string[] {
  const { plan, contract } = context;
  if (plan === undefined) return [`${PLAN} Guests then see only what every node has.`];
  if (evidence.planned === "yes") {
    return [
      `The plan keeps ${names}, because every node in it had it. The node it died on is not in the ` +
        "plan, or has changed since: take its profile again and plan again.",
    ];
  }
  const how = contract === undefined ? "" : ` It was taken ${templateOf(contract)}.`;
  return [
    `The plan hides ${names} from guests, so this snapshot is not the plan's.${how} Take a new one from ` +
      "a guest that was booted with the plan's template.",
  ];
}

function missingInputs({ context }: Telling): string[] {
  return [
    ...(context.contract === undefined
      ? ["The snapshot's contract (--snapshot): whether the guest was promised the feature."]
      : []),
    ...(context.nodes === undefined && context.plan === undefined
      ? ["The nodes' profiles (--node) or the plan (--plan): which nodes have it."]
      : []),
  ];
}

function promisedStory(telling: Telling): Story {
  const { evidence, context, names } = telling;
  const { contract } = context;
  const { lack = [] } = evidence.holders ?? {};
  const built =
    contract === undefined
      ? ""
      : `The snapshot was taken on ${contract.node}, ${templateOf(contract)}, and promised ${names}. ` +
        `${program(telling)} checked once, when it started there, and chose code that uses it. `;
  const died =
    lack.length > 0
      ? `It was resumed on ${placeOfDeath(telling)}, where the instruction is an invalid opcode.`
      : "Then it ran on a CPU where the instruction is an invalid opcode.";
  return story({
    happened: [built + died, ...others(telling)],
    now: refuge(telling),
    forGood: cure(telling),
    missing: missingInputs(telling),
  });
}

function whichBinary({ site }: Telling): string {
  return `The program (--binary PATH${site.mapping === undefined ? "" : `/${site.mapping.name}`}): whether it asks the CPU at all.`;
}

/** Which of the two ways to such a death it was, as far as a scan of the binary says. */
function waysTo({ use, names }: Telling): string[] {
  const snapshot =
    "a snapshot was taken on a node that has it and resumed on one that lacks it, since programs check " +
    "for features once, at startup";
  if (use?.use === "chosen") return [`Most likely ${snapshot}.`];
  if (use?.use === "unclear") return [`Either ${snapshot}; or what the scan sees:`];
  return [
    `Either ${snapshot}; or the program was built for CPUs with ${names} and never asks, and dies in a ` +
      "new guest too.",
  ];
}

/** Advice for a snapshot, where it is not known that it was one. */
function ifSnapshot(advice: readonly string[], { use, context }: Telling): string[] {
  if (context.contract !== undefined || use?.use === "chosen") return [...advice];
  return advice.map((text) => `If it was a snapshot: ${text[0]?.toLowerCase()}${text.slice(1)}`);
}

/** Without a contract: what a missing feature would mean. */
function likelyStory(telling: Telling): Story {
  const { evidence, gone, use } = telling;
  const { lack = [] } = evidence.holders ?? {};
  const where =
    lack.length > 0
      ? `On ${few(lack)}, which ${lack.length === 1 ? "lacks" : "lack"} ${gone},`
      : `On a CPU without ${gone}`;
  return story({
    happened: [
      `${where} the instruction is an invalid opcode (#UD), which Linux turns into SIGILL.`,
      ...waysTo(telling),
    ],
    now: ifSnapshot(refuge(telling), telling),
    forGood: evidence.planned === "yes" ? cure(telling) : ifSnapshot(cure(telling), telling),
    missing: [...(use === undefined ? [whichBinary(telling)] : []), ...missingInputs(telling)],
  });
}

function notPromisedStory(telling: Telling): Story {
  const { context, names, evidence } = telling;
  const { contract } = context;
  const { have = [] } = evidence.holders ?? {};
  return story({
    happened: [
      `The snapshot of ${contract?.node ?? "this guest"} did not promise ${names}, but ` +
        `${program(telling)} used it all the same: it was built for newer CPUs (-march) and does not ask, ` +
        "it asks by CPU model, or this is not the contract of this guest.",
    ],
    now: [
      have.length > 0
        ? `Run it in a guest that shows ${names}, on ${few(have)}, or use a build for older CPUs.`
        : `Use a build for older CPUs, or a guest that shows ${names}.`,
    ],
    forGood: [
      `Require it (evenkeel plan --require ${evidence.features.map(({ name }) => name).join(" ")}), ` +
        "so that no pool is planned without it; or ship a build that asks the CPU.",
    ],
    missing: missingInputs(telling),
  });
}

/** Who asks in the file, for a story of a snapshot. */
function askedBy({ use }: Facts): string[] {
  if (use === undefined) return [];
  if (use.use === "unclear") {
    return [
      `${use.file} asks the CPU, but a scan of it sees calls that lead to ${few(use.features)} without a ` +
        "question: it may die wherever they are missing, in a new guest too.",
    ];
  }
  const who = use.asks.map(({ what }) => what).slice(0, 3);
  return [`A scan of ${use.file} agrees: it checks the CPU (${listOf(who)}) before it uses this.`];
}

/** The program never asks: no snapshot is needed for it to die. */
function builtStory(telling: Telling & { readonly use: CodeUse }): Story {
  const { use, evidence, gone, context, site } = telling;
  const { lack = [], have = [] } = evidence.holders ?? {};
  const { contract } = context;
  const where =
    lack.length > 0
      ? `on ${few(lack)}, which ${lack.length === 1 ? "lacks" : "lack"} ${gone}`
      : `where ${gone} is missing`;
  const when =
    use.use === "always"
      ? `${use.file} executes it at every start, before anything checks the CPU`
      : `nothing in ${use.file} checks the CPU before it executes this`;
  const library =
    use.kind === "library" ? " The program that loads it might; this file does not." : "";
  return story({
    happened: [
      `A scan of ${use.file} says that it was built for CPUs with ${few(use.features)}: ${when}.${library} ` +
        `It dies ${where}, in a new guest as in a resumed one.`,
      ...(contract === undefined || evidence.promised !== "yes"
        ? []
        : [
            `The snapshot of ${contract.node} promised it, but that is not the cause: there is no ` +
              "check that another CPU would have answered differently.",
          ]),
    ],
    now: [
      otherBuild(use.file, site.process),
      ...(have.length > 0 ? [`Until then run it only on ${few(have)}.`] : []),
    ],
    forGood: [
      "Scan images before they ship (evenkeel scan IMAGE --plan DIR); a plan alone does not help a " +
        `program that never checks, unless the pool has it everywhere (evenkeel plan --require ${use.features.join(" ")}).`,
    ],
    missing: missingInputs(telling).filter((text) => !text.startsWith("The snapshot's contract")),
  });
}

/** For those who set no template: what keeps the libraries that asked from asking for this again. */
function stopgap({ use, evidence }: Telling): string[] {
  const known = (use?.asks ?? []).filter(({ kind }) => kind === "known").map(({ what }) => what);
  const hidden = new Set(evidence.features.map(({ name }) => name));
  return settingsFor(hidden, new Set(known)).map(({ dispatcher, variable, value, reference }) => {
    const how = variable === undefined ? value : `${variable}=${value}`;
    return `Where nothing sets a template, start it with ${how} before the snapshot: it narrows ${dispatcher} (${reference}).`;
  });
}

export function featureStory(facts: Facts): Story {
  const { evidence } = facts;
  if (evidence === undefined) return story({});
  const named = (features: readonly FeatureEvidence[]) => {
    const names = features.map(({ name }) => name);
    return evidence.anySuffices ? names.join(" or ") : listOf(names);
  };
  const lost = evidence.features.filter(({ lackedBy }) => lackedBy.length > 0);
  const names = named(evidence.features);
  const telling: Telling = {
    ...facts,
    evidence,
    names,
    gone: lost.length === 0 ? names : named(lost),
  };
  const { use } = facts;
  if (use !== undefined && diesAnywhere(use)) return builtStory({ ...telling, use });
  if (evidence.promised === "no") return notPromisedStory(telling);
  const told = evidence.promised === "yes" ? promisedStory(telling) : likelyStory(telling);
  return {
    ...told,
    happened: [...told.happened, ...askedBy(facts)],
    forGood: [...told.forGood, ...stopgap(telling)],
  };
}
