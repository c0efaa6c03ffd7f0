/** Lists of names in rows. */

/** Splits a list of names written as words. */
export function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}
