/**
 * What becomes of a pool under the exact plan, under a plain AND of its nodes' dumps, and under
 * each built-in template: what guests are not told, what they see that a node lacks, what no node
 * ever had, and what is lost that all nodes have.
 */
import {
  buildStaticTemplate,
  contractFields,
  decodeSignature,
  EMPTY_TEMPLATE,
  entryKey,
  formatFms,
  indexEntries,
  isAcceptedOn,
  judgePrepared,
  planPool,
  parseIdentity,
  predictContract,
  prepare,
  staticTemplateRow,
  UNCOUNTED_GROUPS,
  vendorOfCpu,
  type CpuContract,
  type CpuTemplate,
  type DecodedField,
  type Finding,
  type NodeProfile,
  type StaticTemplate,
  type Vendor,
} from "@evenkeel/core";

const RELEASE = "1.16.1";
const LINE = "1.16";

const BUILT_IN: Readonly<Record<Vendor, readonly string[]>> = {
  intel: ["T2CL", "T2S", "T2", "C3"],
  amd: ["T2A"],
};

export interface Outcome {
  readonly approach: string;
  /** Why there is no such pool, in a word or two; undefined where there is one. */
  readonly refused: string | undefined;
  /** Weaknesses and remedies that a node announces and some guest is not told of. */
  readonly hides: readonly string[];
  /** Features that some guest sees and some node does not have. */
  readonly leaks: readonly string[];
  /** Models, sizes and promises that no node has. */
  readonly invents: readonly string[];
  /** Features that every node has and some guest does not see. */
  readonly costs: readonly string[];
  /** Ordered pairs of nodes between which the CPU lets snapshots move, by the verdict. */
  readonly moves: number;
}

export interface Compared {
  readonly nodes: readonly string[];
  readonly outcomes: readonly Outcome[];
}

type TemplateOf = (node: NodeProfile) => CpuTemplate;

/** All on one host kernel and release: the CPUs are compared, not what else may differ. */
export function onOneKernel(node: NodeProfile): NodeProfile {
  return { ...node, host: { ...node.host, kernel: "6.1" }, firecracker: [RELEASE] };
}

const booted = new WeakMap<NodeProfile, Map<CpuTemplate, CpuContract | undefined>>();

/** The guest, if it boots; a template that many pools share is tried once on each node. */
function boot(node: NodeProfile, template: CpuTemplate): CpuContract | undefined {
  const known = booted.get(node) ?? new Map<CpuTemplate, CpuContract | undefined>();
  booted.set(node, known);
  if (!known.has(template)) {
    const options = { firecracker: RELEASE, vcpus: 1, smt: false, template };
    const result = predictContract(node, options);
    known.set(template, result.ok ? result.contract : undefined);
  }
  return known.get(template);
}

const templates = new Map<string, CpuTemplate>();

function builtInTemplate(row: StaticTemplate): CpuTemplate {
  const template = templates.get(row.name) ?? buildStaticTemplate(row, LINE);
  templates.set(row.name, template);
  return template;
}

const decoded = new WeakMap<CpuContract, readonly DecodedField[]>();

function fieldsOf(contract: CpuContract): readonly DecodedField[] {
  const fields = decoded.get(contract) ?? contractFields(contract) ?? [];
  decoded.set(contract, fields);
  return fields;
}

/** Names of the bits that are set, of some kinds. */
function namesOf(contract: CpuContract, kinds: readonly string[]): Set<string> {
  const fields = fieldsOf(contract);
  return new Set(
    fields
      .filter(({ kind, group }) => kinds.includes(kind) && !UNCOUNTED_GROUPS.has(group))
      .map(({ name }) => name),
  );
}

const FEATURES = ["feature"];
const ANNOUNCED = ["union", "remedy"];

function inAll(sets: readonly ReadonlySet<string>[]): string[] {
  return [...(sets[0] ?? [])].filter((name) => sets.every((set) => set.has(name)));
}

function inAny(sets: readonly ReadonlySet<string>[]): string[] {
  return [...new Set(sets.flatMap((set) => [...set]))];
}

function modelOf({ cpuid }: CpuContract): string {
  return formatFms(decodeSignature(cpuid.find(({ leaf }) => leaf === 1)?.eax ?? 0));
}

/** The XSAVE area that a guest is told of where its own state components need a larger one. */
function shortArea({ cpuid }: CpuContract): string[] {
  const entries = indexEntries(cpuid);
  const area = entries.get(entryKey(0xd, 0));
  if (area === undefined) return [];
  let needed = 576;
  for (let n = 2; n < 20; n++) {
    const component = entries.get(entryKey(0xd, n));
    if ((area.eax >>> n) & 1 && component !== undefined) {
      needed = Math.max(needed, component.eax + component.ebx);
    }
  }
  return needed > area.ecx ? [`an XSAVE area of ${area.ecx} bytes for ${needed}`] : [];
}

/** Whether nothing but the kernels' own lists of MSRs is in the way. */
function isOpen(findings: readonly Finding[]): boolean {
  return findings.every(({ severity, rule }) => severity === "note" || rule === "msr");
}

function compareGuests(
  approach: string,
  nodes: readonly NodeProfile[],
  guests: readonly CpuContract[],
): Outcome {
  const own = nodes.map((node) => boot(node, EMPTY_TEMPLATE)).filter((c) => c !== undefined);
  const offered = own.map((contract) => namesOf(contract, FEATURES));
  const seen = guests.map((contract) => namesOf(contract, FEATURES));
  const common = new Set(inAll(offered));
  const told = guests.map((contract) => namesOf(contract, ANNOUNCED));
  const models = new Set(own.map(modelOf));
  const untrue = seen.flatMap((set, i) => [...set].filter((name) => !offered[i]?.has(name)));
  const bench = prepare(guests[0]?.vendor ?? "intel", guests, nodes);
  const moves = bench.contracts.flatMap((guest) =>
    bench.nodes.filter((node) => isOpen(judgePrepared(bench, guest, node, RELEASE).findings)),
  );
  return {
    approach,
    refused: undefined,
    hides: inAny(own.map((c) => namesOf(c, ANNOUNCED))).filter((n) => !told.every((t) => t.has(n))),
    leaks: inAny(seen).filter((name) => !common.has(name) && !untrue.includes(name)),
    invents: [
      ...new Set([
        ...guests
          .map(modelOf)
          .filter((model) => !models.has(model))
          .map((m) => `model ${m}`),
        ...guests.flatMap(shortArea),
        ...untrue,
      ]),
    ],
    costs: [...common].filter((name) => !seen.every((set) => set.has(name))),
    moves: moves.length,
  };
}

function refusal(approach: string, refused: string): Outcome {
  return { approach, refused, hides: [], leaks: [], invents: [], costs: [], moves: 0 };
}

function tryTemplates(
  approach: string,
  nodes: readonly NodeProfile[],
  templateOf: TemplateOf,
): Outcome {
  const guests = nodes.map((node) => boot(node, templateOf(node)));
  const running = guests.filter((guest) => guest !== undefined);
  if (running.length < guests.length) return refusal(approach, "does not boot everywhere");
  return compareGuests(approach, nodes, running);
}

const WHY: Readonly<Record<string, string>> = {
  microcode: "a node needs the microcode that others have",
  unreachable: "a node's kernel does not show what every guest must be told",
};

function planned(nodes: readonly NodeProfile[]): Outcome {
  const options = { identity: parseIdentity("oldest"), firecracker: [LINE] };
  const result = planPool(nodes, options);
  if (!result.ok) {
    const codes = result.refusals.map(({ code }) => code);
    return refusal("plan", [...new Set(codes.map((code) => WHY[code] ?? code))].join(", "));
  }
  const { classes } = result.plan;
  return tryTemplates("plan", nodes, ({ name }) => {
    const own = classes.find(({ nodeClass }) => nodeClass.nodes.includes(name));
    return own?.template ?? EMPTY_TEMPLATE;
  });
}

const ALL = 0xffff_ffff;
const REGISTERS = ["eax", "ebx", "ecx", "edx"] as const;

/** One template for all: the AND of each word that every node's dump has, no bit left open. */
function bitwiseAnd(nodes: readonly NodeProfile[]): CpuTemplate {
  const [first, ...others] = nodes;
  if (first === undefined) return EMPTY_TEMPLATE;
  const maps = others.map(({ cpu }) => indexEntries(cpu.cpuid));
  const msrs = others.map(({ cpu }) => new Map(cpu.msrs.map((m) => [m.addr, m.value])));
  return {
    ...EMPTY_TEMPLATE,
    cpuidModifiers: first.cpu.cpuid.flatMap((entry) => {
      const same = maps.map((map) => map.get(entryKey(entry.leaf, entry.subleaf)));
      if (same.includes(undefined)) return [];
      const modifiers = REGISTERS.map((register) => ({
        register,
        mask: ALL,
        value: same.reduce((all, e) => (all & (e?.[register] ?? 0)) >>> 0, entry[register]),
      }));
      return [{ leaf: entry.leaf, subleaf: entry.subleaf, flags: entry.flags, modifiers }];
    }),
    msrModifiers: first.cpu.msrs.flatMap(({ addr, value }) => {
      const same = msrs.map((map) => map.get(addr));
      if (same.includes(undefined)) return [];
      const both = same.reduce<bigint>((all, other) => all & (other ?? 0n), value);
      return [{ addr, mask: 2n ** 64n - 1n, value: both }];
    }),
  };
}

function builtIn(name: string, nodes: readonly NodeProfile[]): Outcome {
  const row = staticTemplateRow(name);
  if (row === undefined) throw new Error(`no built-in template is called ${name}`);
  const refusedOn = nodes.some(({ cpu }) => {
    const eax = cpu.cpuid.find(({ leaf }) => leaf === 1)?.eax ?? 0;
    return !isAcceptedOn(row, decodeSignature(eax));
  });
  if (refusedOn) return refusal(name, "not for a model here");
  return tryTemplates(name, nodes, () => builtInTemplate(row));
}

export function comparePool(nodes: readonly NodeProfile[]): Compared {
  const vendor = vendorOfCpu(nodes[0]?.cpu.cpuid ?? []) ?? "intel";
  const and = bitwiseAnd(nodes);
  return {
    nodes: nodes.map(({ name }) => name),
    outcomes: [
      planned(nodes),
      tryTemplates("AND", nodes, () => and),
      ...BUILT_IN[vendor].map((name) => builtIn(name, nodes)),
    ],
  };
}

/** Every pool of at least two of these nodes. */
export function subsets(nodes: readonly NodeProfile[]): NodeProfile[][] {
  return Array.from({ length: 2 ** nodes.length }, (_, bits) =>
    nodes.filter((_node, i) => (bits >>> i) & 1),
  ).filter((pool) => pool.length > 1);
}
