/** From an instruction to who has its feature, what happened and what to do. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  parseIdentity,
  parseJson,
  planPool,
  planToJson,
  predictContract,
  prettyJson,
  readDocument,
  readProfile,
  type CpuContract,
  type NodeProfile,
  type PlanFile,
} from "@evenkeel/core";
import { expect, test } from "vitest";
import {
  bytesOf,
  explainBytes,
  explainCore,
  explainCrash,
  IsaError,
  summarizeCrash,
  type CrashContext,
  type ExplainedCrash,
} from "../src/index.ts";

import { smallCore } from "./make-core.ts";

const POOL = new URL("../../../examples/bug-report-pool/", import.meta.url);

function profile(name: string): NodeProfile {
  const file = fileURLToPath(new URL(`${name}.json`, POOL));
  return readProfile(parseJson(readFileSync(file, "utf8")), name);
}

/** Cascade Lake, without AVX-512 VBMI, and Ice Lake, with it. */
const CLX = profile("xeon-silver-4216");
const ICX = profile("xeon-silver-4314");
const NODES = [CLX, ICX];

function contractOf(node: NodeProfile): CpuContract {
  const result = predictContract(node, { firecracker: "1.14.1", vcpus: 1, smt: false });
  if (!result.ok) throw new Error(result.missing.join());
  return result.contract;
}

function planOf(nodes: readonly NodeProfile[]): PlanFile {
  const result = planPool(nodes, { identity: parseIdentity("oldest"), firecracker: ["1.14"] });
  if (!result.ok) throw new Error("the example pool has a plan");
  const document = readDocument(parseJson(prettyJson(planToJson(result.plan))), "plan");
  if (document.kind !== "plan") throw new Error("not a plan");
  return document.plan;
}

const VBMI = "62 f2 7d 48 75 c1";

function explained(bytes: string, context: CrashContext = {}): ExplainedCrash {
  const [crash, ...more] = explainBytes(bytes, context).crashes;
  expect(more).toEqual([]);
  if (crash === undefined) throw new Error("bytes are always explained");
  return crash;
}

test("built here, resumed there: promised by the snapshot, missing on a node", () => {
  const crash = explained(VBMI, { contract: contractOf(ICX), nodes: NODES });
  expect(crash.cause).toBe("missing-feature");
  expect(crash.cpuProblem).toBe("yes");
  expect(crash.evidence).toEqual({
    features: [
      {
        name: "AVX512_VBMI",
        title: "vector byte manipulation",
        address: "CPUID.(EAX=07H,ECX=0):ECX[1]",
        promised: "yes",
        planned: undefined,
        lackedBy: ["xeon-silver-4216"],
      },
    ],
    anySuffices: false,
    promised: "yes",
    planned: undefined,
    holders: {
      of: "node",
      have: ["xeon-silver-4314"],
      lack: ["xeon-silver-4216"],
      unknown: [],
    },
  });
  expect(crash.happened[0]).toContain("taken on xeon-silver-4314");
  expect(crash.happened[0]).toContain("resumed on xeon-silver-4216");
  expect(crash.happened[1]).toContain("GFNI");
  expect(crash.now).toEqual([
    "Resume this snapshot only on xeon-silver-4314. Boot a new guest wherever that cannot be.",
  ]);
  expect(crash.missing).toEqual([]);
  expect(summarizeCrash(crash)).toBe(
    'program: "vpermi2b zmm0, zmm0, zmm1" needs AVX512_VBMI, which its snapshot promised, missing ' +
      "on xeon-silver-4216",
  );
});

test("the node it died on is named where it is known", () => {
  const other = { ...CLX, name: "other" };
  const context = { contract: contractOf(ICX), nodes: [...NODES, other], diedOn: "other" };
  expect(explained(VBMI, context).happened[0]).toContain("It was resumed on other, where");
});

test("a node that has the feature is not blamed for lacking it", () => {
  const context = { contract: contractOf(ICX), nodes: NODES, diedOn: ICX.name };
  expect(explained(VBMI, context).cause).toBe("not-enabled");
});

test("a node that has the feature is recommended only if the verdict allows it", () => {
  // What Cascade Lake promises, Ice Lake has, but RRSBA is a weakness that its guest must know of.
  const context = {
    contract: contractOf(CLX),
    nodes: [ICX, { ...CLX, incomplete: ["cut short"] }],
  };
  const { now } = explained("62 f1 7d 48 fe c1", {
    ...context,
    nodes: [...context.nodes, lacking()],
  });
  expect(now).toEqual([
    "xeon-silver-4314 and xeon-silver-4216 have AVX512F, but evenkeel check does not allow the " +
      "snapshot there for other reasons. Boot a new guest.",
  ]);
});

/** Cascade Lake with AVX512F taken away. */
function lacking(): NodeProfile {
  const cpuid = CLX.cpu.cpuid.map((entry) =>
    entry.leaf === 7 && entry.subleaf === 0
      ? { ...entry, ebx: (entry.ebx & ~(1 << 16)) >>> 0 }
      : entry,
  );
  return { ...CLX, name: "lacking", cpu: { ...CLX.cpu, cpuid } };
}

test("a contract with gaps is not said to have promised anything", () => {
  const contract = { ...contractOf(CLX), incomplete: ["read from a damaged snapshot"] };
  const { evidence, happened } = explained(VBMI, { contract, nodes: NODES });
  expect(evidence?.promised).toBe("unknown");
  expect(happened.join(" ")).not.toContain("promised");
});

test("a profile with gaps never says that a feature is missing", () => {
  const gaps = { ...CLX, incomplete: ["leaf 7 was not read"] };
  const { cause, evidence } = explained(VBMI, { nodes: [gaps] });
  expect([cause, evidence?.holders?.unknown]).toEqual(["needs-feature", ["xeon-silver-4216"]]);
});

test("an estimate from the catalogue proves nothing", () => {
  const { evidence } = explained(VBMI, { nodes: [{ ...ICX, estimate: true }] });
  expect(evidence?.holders?.unknown).toEqual(["xeon-silver-4314"]);
});

test("a feature that was not promised was used without asking", () => {
  const crash = explained(VBMI, { contract: contractOf(CLX), nodes: NODES });
  expect(crash.cause).toBe("not-promised");
  expect(crash.happened[0]).toContain("did not promise AVX512_VBMI");
  expect(crash.forGood[0]).toContain("--require AVX512_VBMI");
});

test("a plan knows which classes have what it hides", () => {
  const plan = planOf(NODES);
  const { evidence, forGood } = explained(VBMI, { contract: contractOf(ICX), plan });
  expect(evidence?.planned).toBe("no");
  expect(evidence?.holders?.of).toBe("class");
  expect(evidence?.holders?.have[0]).toMatch(/^ice-lake/);
  expect(evidence?.holders?.lack[0]).toMatch(/^cascade-lake/);
  expect(forGood[0]).toContain("The plan hides AVX512_VBMI from guests");
});

test("a plan that keeps the feature says that a node is not as planned", () => {
  const { evidence, forGood } = explained("62 f1 7d 48 fe c1", { plan: planOf(NODES) });
  expect(evidence?.planned).toBe("yes");
  expect(forGood[0]).toContain("The plan keeps AVX512F");
});

test("several features are all needed", () => {
  const { evidence, happened } = explained("62 f2 7d 28 75 c1", { nodes: NODES });
  expect(happened[0]).toContain("On xeon-silver-4216, which lacks AVX512_VBMI, the instruction");
  expect(evidence?.features.map(({ name }) => name)).toEqual(["AVX512VL", "AVX512_VBMI"]);
  expect(evidence?.holders?.lack).toEqual(["xeon-silver-4216"]);
});

test("one of several features suffices", () => {
  // XTEST is of RTM or HLE, and neither node shows either.
  const { evidence, cause } = explained("0f 01 d6", { nodes: NODES });
  expect(evidence?.anySuffices).toBe(true);
  expect([cause, evidence?.holders?.lack.length]).toEqual(["missing-feature", 2]);
});

test.each([
  ["0f 0b", "deliberate"], // ud2
  ["67 0f b9 40 12", "deliberate"], // UBSan's ud1
  ["0f ff c0", "deliberate"], // ud0
  ["cc", "breakpoint"],
  ["f4", "privileged"], // hlt
  ["0f 01 c9", "privileged"], // mwait
  ["0f 01 d8", "hypervisor"], // vmrun
  ["f3 0f bd c1", "cannot-fault"], // lzcnt
  ["f3 0f 1e fa", "cannot-fault"], // endbr64
  ["01 c8", "every-cpu"],
  ["66 0f fe c1", "every-cpu"], // paddd of SSE2
  ["f0 01 c8", "not-code"], // lock with a register
  ["06 06 06", "not-code"],
  ["d5 08 01 c8", "newer"], // a REX2 prefix
  ["62 f4 7c 08 01 c8 90", "newer"], // EVEX map 4
  ["62 f2 7d", "cut-short"],
  [VBMI, "needs-feature"],
  ["c4 e2 73 5e c2", "needs-feature"], // tdpbssd
] as const)("%s is %s", (bytes, cause) => {
  const crash = explained(bytes);
  expect(crash.cause).toBe(cause);
  expect(crash.happened.length).toBeGreaterThan(0);
  expect(summarizeCrash(crash)).toMatch(/^program: ./);
});

test("silent wrong results are named where an instruction cannot fault", () => {
  const noAbm = { ...CLX.cpu, cpuid: CLX.cpu.cpuid.map(withoutAbm) };
  const { happened } = explained("f3 0f bd c1", { nodes: [{ ...CLX, cpu: noAbm }] });
  expect(happened.join(" ")).toContain("BSR");
  expect(happened.join(" ")).toContain("missing, as on xeon-silver-4216");
});

function withoutAbm(entry: NodeProfile["cpu"]["cpuid"][number]) {
  return entry.leaf === 0x8000_0001 ? { ...entry, ecx: (entry.ecx & ~(1 << 5)) >>> 0 } : entry;
}

test.each([
  ["general protection fault", "0f 01 d1", "XSAVE state"], // xsetbv
  ["general protection fault", "0f 32", "MSR"], // rdmsr
  ["general protection fault", "0f 01 00", "UMIP"], // sgdt
  ["general protection fault", "8b 00", "non-canonical"],
])("%s at %s mentions %s", (fault, bytes, word) => {
  const text = `traps: x[1] ${fault} ip:1 sp:2 error:0\nCode: 90 <${bytes.replace(" ", "> ")}${bytes.includes(" ") ? "" : ">"}`;
  const [crash] = explainCrash(text).crashes;
  expect(crash?.cause).toBe("other-fault");
  expect(crash?.happened[0]).toContain(word);
});

test("a page fault on a reserved bit leads to MAXPHYADDR", () => {
  const [crash] = explainCrash("x[1]: segfault at 7f ip 1 sp 2 error d").crashes;
  expect(crash?.happened[0]).toContain("MAXPHYADDR");
});

test.each(["", "zz", "62 f", "<>", "62 f2 g0"])("%j are no bytes", (text) => {
  expect(() => explainBytes(text)).toThrow(IsaError);
});

test.each([
  "62f27d4875c1",
  "0x62,0xf2,0x7d,0x48,0x75,0xc1",
  "\\x62\\xf2\\x7d\\x48\\x75\\xc1",
  "Code: 90 <62> f2 7d 48 75 c1",
])("%j are the same bytes", (text) => {
  expect(explained(text).instruction?.bytes).toBe(VBMI);
});

const UNKNOWN = "traps: app[7] trap invalid opcode ip:401000 sp:7f error:0 in app[401000+1000]";

test("where the instruction is not known, broken promises are suspects", () => {
  const context = { contract: contractOf(ICX), nodes: NODES, diedOn: CLX.name };
  const [crash] = explainCrash(UNKNOWN, context).crashes;
  expect([crash?.cause, crash?.cpuProblem]).toEqual(["no-bytes", "unknown"]);
  expect(crash?.suspects).toContain("AVX512_VBMI2");
  expect(crash?.happened.at(-1)).toMatch(/not on xeon-silver-4216: .*probably one of theirs/);
  expect(crash && summarizeCrash(crash)).toMatch(/^app\[7\]: .*which a node lacks$/);
});

test("a node that has everything promised raises no suspicion", () => {
  const context = { contract: contractOf(ICX), nodes: [ICX] };
  const [crash] = explainCrash(UNKNOWN, context).crashes;
  expect(crash?.suspects).toEqual([]);
  expect(crash?.happened.at(-1)).toContain("evenkeel check allows the snapshot on");
});

test("a profile with gaps is no suspect", () => {
  const context = { contract: contractOf(ICX), nodes: [{ ...CLX, incomplete: ["cut short"] }] };
  const [crash] = explainCrash(UNKNOWN, context).crashes;
  expect([crash?.suspects, crash?.happened.length]).toEqual([[], 1]);
});

const TDPBSSD = "c4 e2 73 5e c2 c3";
const AVX512_STATE = 0xe7n;

test.each([
  ["XCR0 without AVX-512's state", { xcr0: 0x207n, signalCode: 2 }, "not-enabled"],
  ["XCR0 with it", { xcr0: AVX512_STATE, signalCode: 2 }, "needs-feature"],
  ["AMX without permission", { code: TDPBSSD, signalCode: 1 }, "no-permission"],
  ["AMX that the CPU refused", { code: TDPBSSD, signalCode: 2 }, "needs-feature"],
  ["a signal that was sent", { signalCode: -6 }, "sent"],
] as const)("a core with %s", (_, facts, cause) => {
  const [crash] = explainCore(bytesOf(smallCore(facts))).crashes;
  expect(crash?.cause).toBe(cause);
});

test("a core says which state was off", () => {
  const [crash] = explainCore(bytesOf(smallCore({ xcr0: 0x207n }))).crashes;
  expect(crash?.happened[0]).toContain("XCR0 was 0x207, without XCR0[5], XCR0[6], XCR0[7]");
});

test("a feature that was not promised is named before XCR0", () => {
  const context = { contract: contractOf(CLX) };
  const [crash] = explainCore(bytesOf(smallCore({ xcr0: 0x207n })), context).crashes;
  expect(crash?.cause).toBe("not-promised");
});
