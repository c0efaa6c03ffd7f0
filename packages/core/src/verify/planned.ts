/** The guest that a vCPU answered with, compared with the one that a plan promises. */
import { indexEntries, keyOf } from "../cpuid.ts";
import { normalize } from "../firecracker/normalization.ts";
import { simulate } from "../firecracker/simulate.ts";
import type { GuestCpu, GuestEntry } from "../plan/guest.ts";
import { compareCpuid, compareMsrs, plannedEntries, type Report } from "../plan/prove.ts";
import { plannedMasks } from "../tables/masks.ts";
import type { BootAnswer, BootRequest } from "./boot.ts";
import { compareBoot, type Mismatch } from "./mismatch.ts";

/** A plan's file leaves out entries that are all zero: what it does not list must read as 0. */
function withUnlisted(guest: GuestCpu, { vendor }: BootRequest, answer: BootAnswer): GuestCpu {
  const listed = new Set(guest.cpuid.map(keyOf));
  const unlisted = answer.cpuid
    .filter((entry) => !listed.has(keyOf(entry)))
    .map(({ leaf, subleaf }): GuestEntry => {
      const masks = plannedMasks(vendor, leaf, subleaf);
      const zero = (mask: number) => ({ mask, value: 0 });
      const { eax, ebx, ecx, edx } = masks;
      const registers = { eax: zero(eax), ebx: zero(ebx), ecx: zero(ecx), edx: zero(edx) };
      return { leaf, subleaf, registers };
    });
  return { ...guest, cpuid: [...guest.cpuid, ...unlisted] };
}

const MESSAGE =
  "The node no longer offers what it was planned with: plan the pool again with its profile.";

/**
 * {@link compareBoot} for the template of a plan. A plan reckons with what Firecracker overwrites:
 * the planned guest after normalization counts, not each bit of the template.
 */
export function comparePlanned(
  planned: GuestCpu,
  request: BootRequest,
  answer: BootAnswer,
): Mismatch[] {
  const found = compareBoot(request, answer).filter(({ owner }) => owner !== "firecracker");
  return [...found, ...notAsPlanned(planned, request, answer, found)];
}

/** `known`: the same places are not reported twice. */
function notAsPlanned(
  planned: GuestCpu,
  request: BootRequest,
  answer: BootAnswer,
  known: readonly Mismatch[],
): Mismatch[] {
  if (answer.error !== undefined) return [];
  const { vendor, line, offered } = request;
  const guest = withUnlisted(planned, request, answer);
  const view = { cpuid: indexEntries(answer.cpuid), msrs: answer.msrs, missing: [] };
  const bare = simulate(offered, vendor, line);
  const entries = plannedEntries(guest);
  const wanted = normalize(entries, entries, vendor, line);
  const mismatches: Mismatch[] = [];
  const report: Report = (address, problem, values) => {
    if (known.some((m) => m.address.startsWith(address))) return;
    const message = values === undefined ? `The guest ${problem}.` : MESSAGE;
    const { expected, actual } = values ?? {};
    mismatches.push({ owner: "plan", address, name: "", expected, actual, message });
  };
  compareCpuid(guest, wanted, view, bare.cpuid, vendor, report);
  compareMsrs(guest, view, bare.msrs, vendor, report);
  return mismatches;
}
