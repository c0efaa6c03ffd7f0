/** Instructions as debuggers print them, where their bytes are not known. */
import { Code, CodeExt, Mnemonic } from "iced-x86";
import { requirementsOf, type Requirements } from "../features/requirements.ts";

let byMnemonic: Map<string, Code[]> | undefined;

function codesOf(mnemonic: string): readonly Code[] {
  if (byMnemonic === undefined) {
    byMnemonic = new Map();
    const codes = Object.values(Code).filter((code): code is Code => typeof code === "number");
    for (const code of codes) {
      const info = CodeExt.opCode(code);
      const name = (Mnemonic[info.mnemonic] ?? "").toLowerCase();
      info.free();
      const known = byMnemonic.get(name);
      if (known === undefined) byMnemonic.set(name, [code]);
      else known.push(code);
    }
  }
  return byMnemonic.get(mnemonic) ?? [];
}

/** What only AVX-512's encoding can say: wide or high registers, masks, rounding. */
const EVEX = /zmm|[xy]mm(?:1[6-9]|2\d|3[01])\b|\{/;

/** AT&T's syntax may append the size of an operand. */
function namesOf(word: string): string[] {
  return [word, word.replace(/[bwlqxyz]$/, "")];
}

export interface Assembly {
  /** In capitals. */
  readonly mnemonic: string;
  readonly requirements: Requirements;
}

/**
 * What `vpermi2b %zmm1,%zmm0,%zmm0` needs, in either syntax. Undefined where the text does not
 * say which of several forms it is.
 */
export function readAssembly(text: string): Assembly | undefined {
  const [, word = "", operands = ""] =
    /^(?:(?:lock|rep|repn?z|notrack|data16) )*([a-z][a-z0-9]{1,24})\b(.*)/i.exec(text.trim()) ?? [];
  const wide = /zmm/.test(operands) ? "512" : /ymm/.test(operands) ? "256" : "";
  for (const name of namesOf(word.toLowerCase())) {
    const evex = EVEX.test(operands);
    const fitting = codesOf(name).filter((code) => {
      const form = Code[code] ?? "";
      // Of Xeon Phi coprocessors alone.
      if (/^MVEX_|_KNC_/.test(form) || form.startsWith("EVEX_") !== evex) return false;
      return wide === "" || form.includes(wide === "512" ? "zmm" : "ymm");
    });
    const found = new Map(
      fitting.map((code) => {
        const requirements = requirementsOf(code);
        return [JSON.stringify(requirements), requirements] as const;
      }),
    );
    const [requirements] = found.values();
    if (requirements !== undefined && found.size === 1) {
      return { mnemonic: name.toUpperCase(), requirements };
    }
  }
  return undefined;
}
