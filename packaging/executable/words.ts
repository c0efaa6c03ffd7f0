/** What a launcher calls the executable with, to keep its socket. */
export const GUARD_WORD = "launcher-guard";
