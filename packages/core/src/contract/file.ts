/** `evenkeel/cpu-contract@1`: the contract as the file kept beside a snapshot. */
import { entryKey, indexEntries } from "../cpuid.ts";
import { hexNumber } from "../format/address.ts";
import { cpuidToJson, msrsToJson, registersToJson } from "../format/cpu-json.ts";
import { sha256 } from "../format/digest.ts";
import { prettyJson } from "../json/pretty.ts";
import { CONTRACT_SCHEMA, type CpuContract } from "./contract.ts";

/** The state components the guest may enable: what XCR0 and IA32_XSS can become. */
function stateMasks({ cpuid }: CpuContract) {
  const entries = indexEntries(cpuid);
  const xsave = entries.get(entryKey(0xd, 0));
  const xsaves = entries.get(entryKey(0xd, 1));
  const wide = (low = 0, high = 0) => hexNumber((BigInt(high) << 32n) | BigInt(low));
  return { xcr0: wide(xsave?.eax, xsave?.edx), xss: wide(xsaves?.ecx, xsaves?.edx) };
}

function body(contract: CpuContract) {
  const { cpuid, msrs, registers, templateMsrs, unbacked, time: _, ...facts } = contract;
  return {
    schema: CONTRACT_SCHEMA,
    ...facts,
    ...(templateMsrs === undefined ? {} : { templateMsrs: templateMsrs.map(hexNumber) }),
    ...(unbacked.length === 0 ? {} : { unbacked }),
    ...(contract.arch === "x86_64" ? stateMasks(contract) : {}),
    cpuid: cpuidToJson(cpuid),
    msrs: msrsToJson(msrs),
    registers: registersToJson(registers),
  };
}

/** The digest of everything in a contract but the time it was made. */
export function contractDigest(contract: CpuContract): string {
  return sha256(prettyJson(body(contract)));
}

export function contractToJson(contract: CpuContract) {
  return { ...body(contract), time: contract.time, digest: contractDigest(contract) };
}
