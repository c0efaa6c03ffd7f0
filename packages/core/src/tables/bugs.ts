/**
 * Bugs that a guest's kernel looks up by the model it is shown, so that no bit repairs a wrong
 * model. What Linux assumes for every guest, or tells from bits alone, is judged by those bits and
 * has no row: ITS unless ITS_NO or BHI_CTRL, BHI unless BHI_NO, TSA on every Zen, RFDS by RFDS_NO
 * and RFDS_CLEAR on all models here, MDS, TAA, L1TF and Meltdown by their immunity bits. GDS and
 * SRBDS are the host's to mitigate, SMT_RSB and VMSCAPE are a hypervisor's.
 *
 * Sources: Linux 6.17, `arch/x86/kernel/cpu/common.c` (`cpu_vuln_blacklist`, `cpu_set_bug_bits`),
 * `arch/x86/kernel/cpu/bugs.c` and `Documentation/admin-guide/hw-vuln/srso.rst`.
 */

export interface Bug {
  readonly title: string;
  /** Any of these bits, shown to a guest, keeps it safe whatever its model. */
  readonly coveredBy: readonly string[];
  /** A node that has all bits of any of these lists does not have the bug. */
  readonly absentWith: readonly (readonly string[])[];
}

export const BUGS = {
  MMIO_STALE_DATA: {
    title: "MMIO stale data",
    coveredBy: [],
    absentWith: [["SBDR_SSDP_NO", "FBSDP_NO", "PSDP_NO"]],
  },
  /** RSBA makes Linux take any model for affected; with IBRS_ALL it uses enhanced IBRS anyway. */
  RETBLEED: { title: "RETBleed", coveredBy: ["RSBA", "IBRS_ALL"], absentWith: [] },
  BTC: { title: "branch type confusion", coveredBy: [], absentWith: [["BTC_NO"]] },
  /**
   * Each family returns in a way of its own: by reinterpreted instructions on 17h, by an alias in
   * the branch target buffer on 19h. Below 19h Linux does nothing in a guest without SMT.
   */
  SRSO_17H: {
    title: "return stack overflow of family 17h",
    coveredBy: [],
    absentWith: [["SRSO_NO"]],
  },
  SRSO_19H: {
    title: "return stack overflow of family 19h",
    coveredBy: [],
    absentWith: [["SRSO_NO"]],
  },
  SRSO_1AH: {
    title: "return stack overflow of family 1ah",
    coveredBy: [],
    absentWith: [["SRSO_NO"], ["SRSO_USER_KERNEL_NO"]],
  },
} as const satisfies Record<string, Bug>;

export type BugId = keyof typeof BUGS;

export function titlesOf(bugs: readonly BugId[]): string[] {
  return bugs.map((id) => BUGS[id].title);
}
