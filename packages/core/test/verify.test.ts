/** Verifying what a vCPU answered: whose doing each difference is. */
import { describe, expect, test } from "vitest";
import type { CpuidEntry } from "../src/cpuid.ts";
import { planPool } from "../src/plan/pools.ts";
import { readDocument } from "../src/read/document.ts";
import { planToJson } from "../src/plan/file.ts";
import { parseTemplate } from "../src/template/parse.ts";
import { EMPTY_TEMPLATE, type CpuTemplate } from "../src/template/template.ts";
import { registersOf } from "../src/profile/profile.ts";
import { bootRequest, type BootAnswer, type BootRequest } from "../src/verify/boot.ts";
import { compareBoot } from "../src/verify/mismatch.ts";
import { comparePlanned } from "../src/verify/planned.ts";
import { modelCpu, node } from "./arbitrary.ts";

const cpu = { ...modelCpu("ice-lake-sp"), view: "kvm" as const };

/** All that Firecracker asks for. */
const CAPABILITIES = new Map(
  [0, 3, 4, 7, 14, 32, 33, 35, 36, 39, 41, 50, 55, 56].map((n) => [n, 1]),
);

/** What an honest KVM answers. */
function honest({ cpuid, registers }: BootRequest): BootAnswer {
  return {
    cpuid,
    registers: new Map([
      ...registersOf(cpu),
      ...registers.map(({ id, value }) => [id, value] as const),
    ]),
    refused: new Map(),
    capabilities: CAPABILITIES,
    error: undefined,
  };
}

function request(template: CpuTemplate = EMPTY_TEMPLATE, line = "1.16"): BootRequest {
  return bootRequest(cpu, "intel", line, template);
}

function withBit(
  answer: BootAnswer,
  leaf: number,
  register: "ebx" | "ecx" | "edx",
  bit: number,
): BootAnswer {
  const flip = (e: CpuidEntry) => ({ ...e, [register]: (e[register] ^ (1 << bit)) >>> 0 });
  return {
    ...answer,
    cpuid: answer.cpuid.map((e) => (e.leaf === leaf && e.subleaf === 0 ? flip(e) : e)),
  };
}

const hideAvx2 = parseTemplate({
  cpuid_modifiers: [
    {
      leaf: "0x7",
      subleaf: "0x0",
      flags: 1,
      modifiers: [{ register: "ebx", bitmap: "0bxxxxxxxxxxxxxxxxxxxxxxxxxx0xxxxx" }],
    },
  ],
});

describe("a template on a vCPU", () => {
  test("that answers what it was given has no mismatch", () => {
    for (const line of ["1.5", "1.11", "1.16"]) {
      const asked = request(hideAvx2, line);
      expect(compareBoot(asked, honest(asked))).toEqual([]);
    }
  });

  test("a hidden bit that comes back is KVM's doing", () => {
    const asked = request(hideAvx2);
    expect(compareBoot(asked, withBit(honest(asked), 7, "ebx", 5))).toEqual([
      expect.objectContaining({
        owner: "kvm",
        address: "CPUID.(EAX=07H,ECX=0):EBX[5]",
        name: "AVX2",
        expected: "0",
        actual: "1",
      }),
    ]);
  });

  test("a bit that follows the vCPU's state is no mismatch", () => {
    const asked = request();
    expect(compareBoot(asked, withBit(honest(asked), 1, "ecx", 27))).toEqual([]); // OSXSAVE
    expect(compareBoot(asked, withBit(honest(asked), 1, "edx", 9))).toEqual([]); // APIC
  });

  test("bits that Firecracker overwrites and MSRs of the boot protocol are its doing", () => {
    const template = parseTemplate({
      cpuid_modifiers: [
        {
          leaf: "0x1",
          subleaf: "0x0",
          flags: 0,
          modifiers: [{ register: "ecx", bitmap: "0b0xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" }],
        },
      ],
      msr_modifiers: [{ addr: "0x1a0", bitmap: "0b0" }],
    });
    const asked = request(template);
    const found = compareBoot(asked, honest(asked));
    expect(
      found.map(({ owner, name, expected, actual }) => [owner, name, expected, actual]),
    ).toEqual([
      ["firecracker", "HYPERVISOR", "0", "1"],
      ["firecracker", "MISC_ENABLE", "0x0", "0x1"],
    ]);
  });

  test("absent entries are named in Firecracker's own words", () => {
    const template = parseTemplate({
      cpuid_modifiers: [
        { leaf: "0x24", subleaf: "0x1", flags: 1, modifiers: [{ register: "eax", bitmap: "0b0" }] },
      ],
      msr_modifiers: [{ addr: "0x1fe", bitmap: "0b0" }],
    });
    const asked = request(template);
    expect(compareBoot(asked, honest(asked)).map(({ owner, message }) => [owner, message])).toEqual(
      [
        ["absent", "Template changes a CPUID entry not supported by KVM: Leaf: 24, Subleaf: 1"],
        ["absent", "Template changes an MSR entry not supported by KVM: Register Address: 1fe"],
      ],
    );
  });

  test("KVM capabilities that Firecracker or the template asks for", () => {
    const template = parseTemplate({ kvm_capabilities: ["171", "!56"] });
    const asked = request(template);
    const lesser = new Map([...CAPABILITIES].filter(([number]) => number !== 55 && number !== 56));
    const found = compareBoot(asked, { ...honest(asked), capabilities: lesser });
    expect(found.map(({ owner, name, message }) => [owner, name, message])).toEqual([
      ["absent", "KVM_CAP_XSAVE", "Missing KVM capabilities: 0x37"],
      ["absent", "KVM capability 171", "Missing KVM capabilities: 0xab"],
    ]);
  });

  test("an MSR that KVM refuses, and one that it changes", () => {
    const template = parseTemplate({ msr_modifiers: [{ addr: "0x10a", bitmap: "0b0" }] });
    const asked = request(template);
    const refusing = { ...honest(asked), refused: new Map([[0x10a, ""]]) };
    expect(compareBoot(asked, refusing)).toMatchObject([{ owner: "refused", address: "MSR 10AH" }]);
    const changing = honest(asked);
    const registers = new Map([...changing.registers, [0x10a, 7n] as const]);
    expect(compareBoot(asked, { ...changing, registers })).toMatchObject([
      { owner: "kvm", address: "MSR 10AH", actual: "0x7" },
    ]);
  });

  test("a CPUID that KVM does not take at all", () => {
    const asked = request(hideAvx2);
    const error = "KVM_SET_CPUID2: invalid argument (EINVAL)";
    const answer = { ...honest(asked), cpuid: [], registers: new Map(), error };
    expect(compareBoot(asked, answer)).toMatchObject([{ owner: "refused", address: "CPUID" }]);
  });
});

describe("a plan on a vCPU", () => {
  const pool = [node("icx", cpu), node("clx", { ...modelCpu("cascade-lake"), view: "kvm" })];
  const result = planPool(pool);
  if (!result.ok) throw new Error("the pool must have a plan");
  const document = readDocument(JSON.parse(JSON.stringify(planToJson(result.plan))), "");
  if (document.kind !== "plan" || document.plan.type === "aarch64") throw new Error("no plan");
  const { guest } = document.plan;
  const template = result.plan.classes.find(({ nodeClass }) =>
    nodeClass.nodes.includes("icx"),
  )?.template;

  test("is what it promises where KVM is honest, for every release", () => {
    for (const line of result.plan.firecracker) {
      const asked = request(template, line);
      expect(comparePlanned(guest, asked, honest(asked))).toEqual([]);
    }
  });

  test("KVM's doing is kept apart from a change of the node", () => {
    const asked = request(template);
    const [first, ...rest] = comparePlanned(guest, asked, withBit(honest(asked), 7, "ebx", 21));
    expect(first).toMatchObject({ owner: "kvm", name: "AVX512_IFMA" });
    expect(rest).toEqual([]);
  });

  test("a node that lost a planned feature is not as planned", () => {
    const lesser = { ...modelCpu("ice-lake-sp", ["AVX512_VNNI"]), view: "kvm" as const };
    const asked = bootRequest(lesser, "intel", "1.16", template ?? EMPTY_TEMPLATE);
    const found = comparePlanned(guest, asked, honest(asked));
    expect(found.map(({ owner, address }) => [owner, address])).toEqual([
      ["plan", "CPUID.(EAX=07H,ECX=0):ECX"],
    ]);
  });

  test("without its template, everything it hides is found", () => {
    const asked = request();
    const addresses = comparePlanned(guest, asked, honest(asked)).map(({ address }) => address);
    expect(addresses).toContain("CPUID.(EAX=07H,ECX=0):EBX");
    expect(addresses).toContain("CPUID.(EAX=07H,ECX=0):ECX");
  });
});
