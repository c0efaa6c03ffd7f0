/** Faults that are not #UD, as far as CPU features can be their reason. */
import { instructionOf, story, type Facts, type Story } from "./facts.ts";

const UMIP = new Set(["SGDT", "SIDT", "SLDT", "SMSW", "STR"]);
const MSRS = new Set(["RDMSR", "WRMSR", "WRMSRNS", "RDMSRLIST", "WRMSRLIST"]);
const STATE = new Set([
  "XRSTOR",
  "XRSTOR64",
  "XRSTORS",
  "XRSTORS64",
  "XSAVES",
  "XSAVES64",
  "XSETBV",
  "XGETBV",
]);

/** Why an instruction raises #GP on one node and not on another. */
function protectionReason(facts: Facts): string | undefined {
  const mnemonic = instructionOf(facts)?.mnemonic ?? "";
  if (STATE.has(mnemonic)) {
    return (
      `${mnemonic} raises #GP for XSAVE state that this CPU does not have: state saved on a node ` +
      "with more of it, or a bit of XCR0 that is not there."
    );
  }
  if (MSRS.has(mnemonic)) {
    return (
      `${mnemonic} raises #GP for an MSR that this node's KVM does not have, though the guest was ` +
      "told of its feature elsewhere."
    );
  }
  if (UMIP.has(mnemonic)) {
    return `${mnemonic} raises #GP for programs where UMIP is on, and works where the CPU lacks it.`;
  }
  return undefined;
}

const CHECK =
  "evenkeel check --snapshot CONTRACT --node PROFILE compares all that the guest was promised.";

/** #GP, #CP, page faults and other signals. */
export function otherFaultStory(facts: Facts): Story {
  const { fault, words } = facts.site;
  if (fault === "reserved-bit") {
    return story({
      happened: [
        "A page table had a bit set that this CPU reserves: physical addresses wider than its " +
          "MAXPHYADDR (CPUID.80000008H:EAX[7:0]), so a guest that was started on a wider CPU. Or " +
          "the page table is damaged.",
      ],
      missing: [CHECK],
    });
  }
  if (fault === "general-protection") {
    const reason = protectionReason(facts);
    return story({
      happened: [
        reason ??
          "A general protection fault, not an invalid opcode: a non-canonical address, a misaligned " +
            "SSE operand, or an instruction for kernels. CPU features are seldom the reason.",
      ],
      ...(reason === undefined ? {} : { missing: [CHECK] }),
    });
  }
  if (fault === "control-protection") {
    return story({
      happened: [
        "A control protection fault (CET): a return or an indirect jump went where shadow stacks or " +
          "ENDBR64 do not allow. CPUs without CET run the same program without a check.",
      ],
    });
  }
  return story({
    happened: [
      `${words}: not an invalid opcode. Missing CPU features show as SIGILL, so this is another problem.`,
    ],
  });
}
