/** The guest that a vCPU answered with, compared with the one that a plan promises. */
import { indexEntries, keyOf } from "../cpuid.ts";
import { registerName } from "../format/address.ts";
import { normalize } from "../firecracker/normalization.ts";
import { simulate } from "../firecracker/simulate.ts";
import { hiddenEntry, type GuestCpu } from "../plan/guest-cpu.ts";
import { compareCpuid, plannedEntries, unbackedFields, type Report } from "../plan/prove.ts";
import { registerFields } from "../tables/registers.ts";
import type { BootAnswer, BootRequest } from "./boot.ts";
import { compareBoot, registerMismatches, type Mismatch } from "./mismatch.ts";

/** A plan's file leaves out entries that are all zero: what it does not list must read as 0. */
function withUnlisted(guest: GuestCpu, { type }: BootRequest, answer: BootAnswer): GuestCpu {
  const listed = new Set(guest.cpuid.map(keyOf));
  const unlisted = answer.cpuid
    .filter((entry) => !listed.has(keyOf(entry)))
    .map((entry) => hiddenEntry(type, entry));
  return { ...guest, cpuid: [...guest.cpuid, ...unlisted] };
}

const MESSAGE =
  "The node no longer offers what it was planned with: plan the pool again with its profile.";

function cpuidNotAsPlanned(
  planned: GuestCpu,
  { type, line, offered }: BootRequest,
  answer: BootAnswer,
): Mismatch[] {
  const seen = indexEntries(answer.cpuid);
  const bare = simulate(offered, type, line);
  const entries = plannedEntries(planned);
  const mismatches: Mismatch[] = [];
  const report: Report = (address, problem, values) => {
    const message = values === undefined ? `The guest ${problem}.` : MESSAGE;
    const { expected, actual } = values ?? {};
    mismatches.push({ owner: "plan", address, name: "", expected, actual, message });
  };
  const wanted = normalize(entries, entries, type, line);
  compareCpuid(planned, wanted, seen, bare.cpuid, type, report);
  return mismatches;
}

function registersNotAsPlanned(
  { registers }: GuestCpu,
  { type, line, offered }: BootRequest,
  answer: BootAnswer,
): Mismatch[] {
  const bare = simulate(offered, type, line);
  return registers.flatMap(({ id, mask, value }) => {
    const word = answer.registers.get(id);
    // A register that only other classes have; the plan's warnings name it.
    if (word === undefined && typeof id === "bigint") return [];
    const actual = (word ?? 0n) & mask;
    const owner = "plan";
    if (actual !== value) {
      const values = { expected: value, actual };
      return registerMismatches(type, id, values, { owner, message: MESSAGE });
    }
    const claims = unbackedFields(registerFields(type, id), bare.registers.get(id) ?? 0n, actual);
    const message = `The guest claims more than the node has: ${claims.join(", ")}.`;
    const place = { address: registerName(id), name: "", expected: undefined, actual: undefined };
    return claims.length === 0 ? [] : [{ owner, ...place, message }];
  });
}

/** {@link compareBoot} for a plan's template: the planned guest after normalization counts. */
export function comparePlanned(
  planned: GuestCpu,
  request: BootRequest,
  answer: BootAnswer,
): Mismatch[] {
  const found = compareBoot(request, answer).filter(({ owner }) => owner !== "firecracker");
  if (answer.error !== undefined) return found;
  const more = [
    ...cpuidNotAsPlanned(withUnlisted(planned, request, answer), request, answer),
    ...registersNotAsPlanned(planned, request, answer),
  ];
  // The same places are not reported twice.
  const isKnown = ({ address }: Mismatch) => found.some((m) => m.address.startsWith(address));
  return [...found, ...more.filter((one) => !isKnown(one))];
}
