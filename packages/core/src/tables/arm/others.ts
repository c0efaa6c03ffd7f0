/** Identity, caches, and the firmware that KVM plays: registers outside the feature ID space. */
import {
  equal,
  exact,
  identity,
  immunity,
  inArmRegister,
  kernel,
  minimum,
  services,
  systemRegister,
  topology,
  type ArmRow,
} from "./field.ts";
import type { ArmField } from "../field.ts";

function whole(
  register: string,
  op1: number,
  crm: number,
  op2: number,
  row: ArmRow,
  group: string,
): ArmField[] {
  return inArmRegister({ register, id: systemRegister(3, op1, 0, crm, op2), group }, [row]);
}

export const MIDR_EL1 = systemRegister(3, 0, 0, 0, 0);
/** A vCPU's own place: KVM takes any. */
export const MPIDR_EL1 = systemRegister(3, 0, 0, 0, 5);

const IDENTITY = [
  whole("MIDR_EL1", 0, 0, 0, identity([63, 0], "MIDR", "CPU model"), "identity"),
  whole("REVIDR_EL1", 0, 0, 6, identity([63, 0], "REVIDR", "CPU revision"), "identity"),
  whole("AIDR_EL1", 1, 0, 7, identity([63, 0], "AIDR", "CPU's own identity"), "identity"),
].flat();

const TOPOLOGY = [
  whole("MPIDR_EL1", 0, 0, 5, topology([63, 0], "MPIDR", "place of the vCPU"), "topology"),
  whole("CCSIDR_EL1", 1, 0, 0, topology([63, 0], "CCSIDR", "cache geometry"), "caches"),
  whole("CLIDR_EL1", 1, 0, 1, topology([63, 0], "CLIDR", "cache levels"), "caches"),
  whole("CCSIDR2_EL1", 1, 0, 2, topology([63, 0], "CCSIDR2", "cache geometry"), "caches"),
  whole("SMIDR_EL1", 1, 0, 6, topology([63, 0], "SMIDR", "streaming mode unit"), "topology"),
].flat();

const GMID = whole("GMID_EL1", 1, 0, 4, equal([3, 0], "BS", "tag block size"), "caches");

/** The largest safe assumption; zero says "not known", which stands for the most there can be. */
const GRANULE = { merge: "higher-or-zero" } as const;

const CTR = inArmRegister(
  { register: "CTR_EL0", id: systemRegister(3, 3, 0, 0, 1), group: "caches" },
  [
    { ...minimum([3, 0], "IminLine", "smallest instruction cache line"), loss: "silent" },
    // 2 (VIPT) asks for the most maintenance, so every policy may be reported as that.
    exact([15, 14], "L1Ip", "instruction cache policy", { safe: 2n }),
    { ...minimum([19, 16], "DminLine", "smallest data cache line"), loss: "silent" },
    { ...minimum([23, 20], "ERG", "exclusives granule", GRANULE), loss: "silent" },
    { ...minimum([27, 24], "CWG", "write-back granule", GRANULE), loss: "silent" },
    { ...kernel([28, 28], "IDC", "no data cache clean for instructions"), loss: "silent" },
    { ...kernel([29, 29], "DIC", "no instruction cache invalidation"), loss: "silent" },
    exact([31, 31], "RES1", "always 1", { safe: 1n }),
    minimum([37, 32], "TminLine", "smallest tag cache line"),
  ],
);

const DCZID = inArmRegister(
  { register: "DCZID_EL0", id: systemRegister(3, 3, 0, 0, 7), group: "caches" },
  [
    equal([3, 0], "BS", "block size of DC ZVA"),
    exact([4, 4], "DZP", "DC ZVA is prohibited", { safe: 1n }),
  ],
);

/** KVM_REG_ARM_FW and KVM_REG_ARM_FW_FEAT_BMAP (https://docs.kernel.org/virt/kvm/arm/fw-pseudo-registers.html). */
const FIRMWARE = 0x6030_0000_0014_0000n;
const SERVICES = 0x6030_0000_0016_0000n;

function firmware(index: bigint, register: string, rows: readonly ArmRow[]): ArmField[] {
  return inArmRegister({ register, id: FIRMWARE | index, group: "firmware" }, rows);
}

function bitmap(index: bigint, name: string, title: string): ArmField[] {
  const row = services([63, 0], name, title);
  return inArmRegister(
    { register: `KVM_REG_ARM_${name}`, id: SERVICES | index, group: "firmware" },
    [row],
  );
}

const FIRMWARE_FIELDS = [
  firmware(0n, "KVM_REG_ARM_PSCI_VERSION", [
    kernel([31, 0], "PSCI_VERSION", "PSCI version, major in the upper half"),
  ]),
  ...["branch predictor hardening", "speculative store bypass", "branch history"].map((what, i) =>
    firmware(BigInt(i + 1), `KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_${i + 1}`, [
      immunity([3, 0], `WORKAROUND_${i + 1}`, `${what}: larger means the guest must do less`),
      ...(i === 1 ? [immunity([4, 4], "WORKAROUND_2_ENABLED", "the workaround is on")] : []),
    ]),
  ),
  bitmap(0n, "STD_BMAP", "standard secure services"),
  bitmap(1n, "STD_HYP_BMAP", "standard hypervisor services"),
  bitmap(2n, "VENDOR_HYP_BMAP", "KVM's services"),
  bitmap(3n, "VENDOR_HYP_BMAP_2", "KVM's services, continued"),
].flat();

export const OTHER_FIELDS: readonly ArmField[] = [
  ...IDENTITY,
  ...TOPOLOGY,
  ...GMID,
  ...CTR,
  ...DCZID,
  ...FIRMWARE_FIELDS,
];
