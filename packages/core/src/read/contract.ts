/** Reading a contract back; a contract that was changed by hand is refused. */
import { CONTRACT_SCHEMA, type CpuContract } from "../contract/contract.ts";
import { contractDigest } from "../contract/file.ts";
import { u32 } from "../json/integer.ts";
import type { JsonObject, Problems } from "../json/problems.ts";
import {
  flag,
  listOf,
  mapped,
  maybe,
  number,
  objectOf,
  oneOf,
  readWith,
  required,
  text,
  type Reader,
} from "../json/reader.ts";
import { snapshotFormat } from "../tables/releases.ts";
import { vendorOfCpu } from "../tables/vendors.ts";
import { ARCH, WORDS } from "./profile.ts";

/** Names, versions and the like: more than this would only make the digest slow. */
const LONGEST = 4096;

const WORD = mapped(text, (value, problems) => {
  if (value.length <= LONGEST) return value;
  problems.add(`has ${value.length} characters; the limit is ${LONGEST}`);
  return "";
});

const MOST_VCPUS = 32;
/** No CPU's TSC is known to run faster than some GHz. */
const FASTEST_KHZ = 100_000_000;

/** What a contract says twice must agree. */
function checkFacts(contract: CpuContract, problems: Problems): void {
  const { vendor, cpuid, firecracker, snapshotFormat: format } = contract;
  if (vendor !== undefined && vendorOfCpu(cpuid) !== vendor) {
    problems.add("does not match CPUID leaf 0", "vendor");
  }
  if (format !== undefined && format !== snapshotFormat(firecracker)) {
    problems.add(`is not the format that Firecracker ${firecracker} writes`, "snapshotFormat");
  }
}

/** In the order that contracts have their members in: their digest depends on it. */
const MEMBERS = objectOf({
  schema: oneOf(CONTRACT_SCHEMA),
  arch: ARCH,
  vendor: maybe(oneOf("intel", "amd")),
  vcpus: number(`1 to ${MOST_VCPUS}`, { least: 1, most: MOST_VCPUS }),
  smt: flag,
  tscKhz: maybe(number("a frequency in kHz", { least: 1, most: FASTEST_KHZ, whole: false })),
  kernel: maybe(WORD),
  firecracker: WORD,
  snapshotFormat: maybe(WORD),
  kvmCapabilities: required(listOf(text)),
  templateMsrs: maybe(listOf(u32)),
  unbacked: listOf(text),
  node: WORD,
  class: maybe(WORD),
  template: maybe(WORD),
  plan: maybe(WORD),
  made: oneOf("predicted", "read"),
  incomplete: required(listOf(text)),
  time: maybe(WORD),
  ...WORDS,
  digest: text,
});

export const CONTRACT: Reader<CpuContract> = mapped(
  MEMBERS,
  ({ schema: _schema, digest, ...contract }, problems) => {
    if (problems.list.length === 0) checkFacts(contract, problems);
    if (problems.list.length === 0 && digest !== contractDigest(contract)) {
      const what = "does not match the contract: the file was changed after it was written";
      problems.add(what, "digest");
    }
    return contract;
  },
);

export function readContract(json: JsonObject): CpuContract {
  return readWith(CONTRACT, json, "BAD_FIELD");
}
