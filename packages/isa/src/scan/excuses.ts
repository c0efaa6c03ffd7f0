/**
 * Uses that calls lead to without a question, and that the program's own rules keep from running
 * all the same. Each row has its reason.
 */
interface Excuse {
  readonly feature: string;
  /** A function on the way, or the one that contains the instruction. */
  readonly through?: RegExp;
  /** A known dispatcher: in a file with it that has no names, the names are not asked for. */
  readonly within?: string;
  readonly reason: string;
  readonly reference: string;
}

const EXCUSES: readonly Excuse[] = [
  {
    feature: "RTM",
    through: /pthread_(?:mutex|rwlock|cond)_|lll_\w*elision/,
    within: "glibc",
    reason:
      "glibc elides only locks that were marked so at start, where CPUID has RTM and " +
      "the tunable glibc.elision.enable is set",
    reference: "https://sourceware.org/glibc/manual/latest/html_node/Elision-Tunables.html",
  },
  {
    feature: "PKU",
    through: /^pkey_(?:get|set)$/,
    reason: "a program has a key to give only after pkey_alloc(2), which fails without PKU",
    reference: "https://man7.org/linux/man-pages/man7/pkeys.7.html",
  },
  {
    feature: "CET_SS",
    reason:
      "INCSSP stands behind RDSSP, which does nothing where shadow stacks are off; " +
      "they are on only where CPU, kernel and program agreed at start",
    reference: "https://docs.kernel.org/arch/x86/shstk.html",
  },
  ...["AESNI", "PCLMULQDQ", "SSSE3"].map((feature) => ({
    feature,
    through: /^crypto_aead_aes256gcm_/,
    reason: "libsodium's AES-GCM is to be called only if crypto_aead_aes256gcm_is_available()",
    reference: "https://doc.libsodium.org/secret-key_cryptography/aead/aes-256-gcm",
  })),
];

/** Whether a feature's use at the end of a path is known to be guarded otherwise. */
export function isExcused(
  feature: string,
  path: readonly { name: string | undefined }[],
  dispatchers: ReadonlySet<string>,
): boolean {
  const names = path.flatMap(({ name }) => name ?? []);
  return EXCUSES.some(
    ({ feature: excused, through, within }) =>
      excused === feature &&
      (through === undefined ||
        names.some((name) => through.test(name)) ||
        (names.length === 0 && within !== undefined && dispatchers.has(within))),
  );
}
