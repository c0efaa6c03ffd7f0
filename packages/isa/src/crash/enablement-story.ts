/** Stories of features that a CPU has and that are switched off. */
import { listOf } from "@evenkeel/core";
import { missingState } from "./cause.ts";
import { instructionOf, story, type Facts, type Story } from "./facts.ts";

export function notEnabled(facts: Facts): Story {
  const { site, context } = facts;
  const { features = [], oneOf = [] } = instructionOf(facts)?.requirements ?? {};
  const names = listOf([...features, ...oneOf]);
  const off = missingState(site.xcr0, [...features, ...oneOf]);
  if (off.length > 0) {
    const guest =
      context.contract === undefined
        ? "Either the guest was never shown the feature and the program does not ask before it uses it, " +
          "or its kernel switched the state off (noxsave, clearcpuid)."
        : "The guest's kernel switched the state off (noxsave, clearcpuid), and the program looked at " +
          "CPUID without XGETBV.";
    return story({
      happened: [
        `The guest's kernel has not enabled what ${names} needs: XCR0 was ` +
          `0x${(site.xcr0 ?? 0n).toString(16)}, without ${off.join(", ")}. ${guest}`,
        "A snapshot brings its XCR0 along, so the move is not the cause: the guest was booted that way.",
      ],
      now: [
        "Look at the CPU template and the kernel's command line that the guest was booted with, or " +
          "use a build of the program that asks the CPU.",
      ],
    });
  }
  return story({
    happened: [
      `Every node given has ${names}. So it died on another node, or the guest's kernel has the feature ` +
        "switched off (see what must be enabled), and the program did not look.",
    ],
    now: ["Give the profile of the node it died on: evenkeel probe there, then --node."],
    missing: ["A core file: it shows XCR0, what the guest's kernel had enabled."],
  });
}

export function noPermission(): Story {
  return story({
    happened: [
      "Linux gives AMX tiles only to processes that ask with arch_prctl(ARCH_REQ_XCOMP_PERM, 18). " +
        "This one did not, and the kernel sent SIGILL at its first tile instruction.",
      "This is not a matter of the node's CPU.",
    ],
    now: ["Have the program ask for the permission, or use a library that does (oneDNN)."],
  });
}
