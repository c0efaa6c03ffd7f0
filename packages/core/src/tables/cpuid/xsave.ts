/** Leaf 0xD: extended state. One row per state component gives its bit and its subleaf. */
import {
  derived,
  inEntry,
  inRegister,
  instruction,
  kernel,
  needs,
  ownedByKvm,
  type CpuidField,
  type Options,
} from "../field.ts";
import { STATE_GROUP as STATE } from "../groups.ts";
import { SDM_XSAVE } from "../references.ts";

const ref = { reference: SDM_XSAVE };

interface StateComponent {
  readonly index: number;
  readonly name: string;
  readonly title: string;
  /** User state is enabled in XCR0, supervisor state in IA32_XSS. */
  readonly in: "xcr0" | "xss";
  readonly usedBy: readonly string[];
}

const AVX512_USERS = ["AVX512F"];
const CET_USERS = ["CET_SS", "CET_IBT"];

/** The state components of the XSAVE area; x87 and SSE (0, 1) lie in the legacy region. */
export const STATE_COMPONENTS: readonly StateComponent[] = [
  { index: 2, name: "XCR0_AVX", title: "YMM upper halves", in: "xcr0", usedBy: ["AVX"] },
  { index: 3, name: "XCR0_BNDREGS", title: "MPX bounds", in: "xcr0", usedBy: ["MPX"] },
  { index: 4, name: "XCR0_BNDCSR", title: "MPX configuration", in: "xcr0", usedBy: ["MPX"] },
  { index: 5, name: "XCR0_OPMASK", title: "opmasks k0–k7", in: "xcr0", usedBy: AVX512_USERS },
  { index: 6, name: "XCR0_ZMM_HI256", title: "ZMM0–15 upper", in: "xcr0", usedBy: AVX512_USERS },
  { index: 7, name: "XCR0_HI16_ZMM", title: "ZMM16–31", in: "xcr0", usedBy: AVX512_USERS },
  { index: 8, name: "XSS_PT", title: "processor trace", in: "xss", usedBy: ["INTEL_PT"] },
  { index: 9, name: "XCR0_PKRU", title: "protection keys", in: "xcr0", usedBy: ["PKU"] },
  { index: 10, name: "XSS_PASID", title: "PASID", in: "xss", usedBy: ["ENQCMD"] },
  { index: 11, name: "XSS_CET_U", title: "CET user", in: "xss", usedBy: CET_USERS },
  { index: 12, name: "XSS_CET_S", title: "CET supervisor", in: "xss", usedBy: CET_USERS },
  { index: 13, name: "XSS_HDC", title: "hardware duty cycling", in: "xss", usedBy: ["HDC"] },
  { index: 14, name: "XSS_UINTR", title: "user interrupts", in: "xss", usedBy: ["UINTR"] },
  { index: 15, name: "XSS_LBR", title: "last branch records", in: "xss", usedBy: ["ARCH_LBR"] },
  { index: 16, name: "XSS_HWP", title: "hardware P-states", in: "xss", usedBy: ["HWP"] },
  { index: 17, name: "XCR0_XTILECFG", title: "tile config", in: "xcr0", usedBy: ["AMX_TILE"] },
  { index: 18, name: "XCR0_XTILEDATA", title: "tile data", in: "xcr0", usedBy: ["AMX_TILE"] },
  { index: 19, name: "XCR0_APX", title: "APX registers", in: "xcr0", usedBy: ["APX_F"] },
];

function componentRow({ index, name, title, in: where, usedBy }: StateComponent) {
  const requires = where === "xss" ? ["XSAVES"] : ["XSAVE"];
  const options: Options = { usedBy, requires };
  return kernel(index, name, `state component ${index}: ${title}`, STATE, options);
}

function componentsIn(where: StateComponent["in"]) {
  return STATE_COMPONENTS.filter((component) => component.in === where).map(componentRow);
}

/** Size, offset and flags of a component: fixed by the CPU, without meaning if it is absent. */
function componentSubleaf({ index, name }: StateComponent): CpuidField[] {
  const parts = [
    ["eax", "SIZE", "size in bytes"],
    ["ebx", "OFFSET", "offset in the standard format, in bytes"],
    ["ecx", "FLAGS", "supervisor, alignment and XFD flags"],
  ] as const;
  return parts.flatMap(([register, suffix, title]) =>
    inRegister(0xd, index, register, ref, [
      derived([31, 0], `${name}_${suffix}`, title, STATE, { of: name }),
    ]),
  );
}

export const XSAVE_FIELDS: readonly CpuidField[] = [
  ...inEntry(0xd, 0, ref, {
    eax: [
      kernel(0, "XCR0_X87", "state component 0: x87", STATE),
      kernel(1, "XCR0_SSE", "state component 1: SSE", STATE),
      ...componentsIn("xcr0"),
    ],
    ebx: [ownedByKvm([31, 0], "XSAVE_SIZE_NOW", "area size for the XCR0 of the moment", STATE)],
    ecx: [
      derived([31, 0], "XSAVE_SIZE_MAX", "area size for all user components, in bytes", STATE, {
        ofCpuidAlone: true,
      }),
    ],
    edx: [
      kernel(30, "XCR0_LWP", "state component 62: LWP", STATE, {
        vendors: ["amd"],
        usedBy: ["LWP"],
      }),
    ],
  }),
  ...inEntry(0xd, 1, ref, {
    eax: [
      instruction(0, "XSAVEOPT", "XSAVEOPT", "XSAVE", needs("XSAVE")),
      instruction(1, "XSAVEC", "XSAVEC", "XSAVE", needs("XSAVE")),
      instruction(2, "XGETBV1", "XGETBV with ECX=1", "XSAVE", needs("XSAVE")),
      kernel(3, "XSAVES", "XSAVES/XRSTORS and IA32_XSS", "XSAVE", needs("XSAVE")),
      kernel(4, "XFD", "extended feature disable", "XSAVE", needs("XSAVE")),
    ],
    ebx: [
      ownedByKvm(
        [31, 0],
        "XSAVES_SIZE_NOW",
        "compacted size for XCR0 and XSS of the moment",
        STATE,
      ),
    ],
    ecx: componentsIn("xss"),
  }),
  ...STATE_COMPONENTS.flatMap(componentSubleaf),
];
