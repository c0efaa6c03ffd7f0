/** One thing that speaks about, or against, resuming a guest somewhere. */
export interface Finding {
  /** The rule that found it, e.g. `arm/lower`; stable, for programs and exclusions. */
  readonly rule: string;
  /**
   * - `incompatible`: the guest would fault, compute wrongly, or not be resumed at all
   * - `insecure`: it would run without a mitigation that it needs
   * - `unknown`: nothing is known that would make it safe
   * - `note`: it differs, and a guest that keeps to what it was promised does not care
   */
  readonly severity: "incompatible" | "insecure" | "unknown" | "note";
  /** The place as the vendor's manual writes it. */
  readonly address: string;
  readonly name: string;
  /** What the guest was promised, as text; undefined: nothing. */
  readonly promised: string | undefined;
  /** What the node offers, as text; undefined: it does not have the place at all. */
  readonly offered: string | undefined;
  /** What would happen, in a sentence. */
  readonly consequence: string;
}
