/**
 * What an operating system must switch on before a program may use a feature. A CPU that has the
 * feature raises #UD all the same where it is off.
 * Sources: Intel SDM volume 1 chapter 13 (XCR0), volume 3 section 2.5 (CR4); Linux
 * Documentation/arch/x86/xstate.rst (AMX permission).
 */
import { fieldByName } from "@evenkeel/core";

export interface Enablement {
  /** As the manuals write it: `XCR0[7]`, `CR4.OSXSAVE[18]`. */
  readonly control: string;
  readonly title: string;
  /** The bit of XCR0; undefined for other controls. */
  readonly bit: number | undefined;
}

/** By row; a feature needs what the features it rests on need. */
const CONTROLS: Readonly<Record<string, Omit<Enablement, "bit">>> = {
  XSAVE: { control: "CR4.OSXSAVE[18]", title: "XSAVE enabled by the kernel" },
  FSGSBASE: { control: "CR4.FSGSBASE[16]", title: "FSGSBASE instructions for programs" },
  PKU: { control: "CR4.PKE[22]", title: "protection keys" },
  CET_SS: { control: "CR4.CET[23]", title: "shadow stacks, for this thread" },
  UINTR: { control: "CR4.UINTR[25]", title: "user interrupts" },
  KEYLOCKER: { control: "CR4.KL[19]", title: "Key Locker" },
  VMX: { control: "CR4.VMXE[13]", title: "VMX operation" },
  SMX: { control: "CR4.SMXE[14]", title: "SMX operation" },
  SVM: { control: "EFER.SVME[12]", title: "SVM operation" },
  AMX_TILE: {
    control: "arch_prctl(ARCH_REQ_XCOMP_PERM, 18)",
    title: "the process's permission to use tiles",
  },
};

/** The features and everything that they rest on, by the rows' own requirements. */
export function withBase(features: readonly string[]): string[] {
  const found = new Set<string>();
  const visit = (name: string) => {
    if (found.has(name)) return;
    found.add(name);
    for (const other of fieldByName(name)?.requires ?? []) visit(other);
  };
  for (const name of features) visit(name);
  return [...found];
}

/** What must be on for these features, in the order XCR0, control registers, permissions. */
export function enablementOf(features: readonly string[]): Enablement[] {
  const names = withBase(features);
  const states = names.flatMap((name) => {
    const row = fieldByName(name);
    if (row === undefined || !name.startsWith("XCR0_")) return [];
    return [{ control: `XCR0[${row.lo}]`, title: row.title, bit: row.lo }];
  });
  const controls = names.flatMap((name) => {
    const control = CONTROLS[name];
    return control === undefined ? [] : [{ ...control, bit: undefined }];
  });
  return [...states.toSorted((a, b) => a.bit - b.bit), ...controls];
}
