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

/** Functions of Go's runtime in assembly, which compare flags of internal/cpu in memory. */
const GO_RUNTIME =
  /^(?:(?:memeq|indexbyte|index|count|cmp)body|runtime\.(?:memmove|memclrNoHeapPointers|cputicks)(?:\.abi0)?)$/;

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
  // In a program of ten thousand functions, not all are followed to where the flags are set.
  ...["AVX", "AVX2", "RDTSCP"].map((feature) => ({
    feature,
    through: GO_RUNTIME,
    reason: "Go's runtime looks at what internal/cpu found before each use",
    reference: "https://github.com/golang/go/blob/master/src/runtime/memclr_amd64.s",
  })),
  {
    feature: "AVX512BW",
    through: /^runtime\.asyncPreempt(?:\.abi0)?$/,
    reason: "Go saves mask registers only where internal/cpu found AVX-512",
    reference: "https://github.com/golang/go/blob/master/src/runtime/mkpreempt.go",
  },
  {
    feature: "PCLMULQDQ",
    through: /^crypto\/internal\/fips140\/aes\/gcm\.gcmAes/,
    reason: "Go calls it only where its package found AES and PCLMULQDQ (supportsAESGCM)",
    reference:
      "https://github.com/golang/go/blob/master/src/crypto/internal/fips140/aes/gcm/gcm_asm.go",
  },
  {
    feature: "XSAVE",
    through: /cpu\.xgetbv/,
    reason: "Go reads XCR0 only where CPUID says that XGETBV may be used",
    reference: "https://github.com/golang/go/blob/master/src/internal/cpu/cpu_x86.go",
  },
  {
    feature: "CET_SS",
    reason:
      "INCSSP stands behind RDSSP, which does nothing where shadow stacks are off; " +
      "they are on only where CPU, kernel and program agreed at start",
    reference: "https://docs.kernel.org/arch/x86/shstk.html",
  },
  ...["ADX", "AVX", "AVX2", "AVX512F", "AVX512VL", "BMI2", "PCLMULQDQ", "SM3", "SM4"].map(
    (feature) => ({
      feature,
      through:
        /^(?:hw_x86_64_sm4_|ossl_hwsm3_|x25519_fe64_|ossl_extract_multiplier_2x\d0|gcm_(?:init|gmult|ghash)_clmul)/,
      within: "OpenSSL",
      reason: "OpenSSL hands its assembly out only where OPENSSL_ia32cap_P has the bits for it",
      reference: "https://docs.openssl.org/master/man3/OPENSSL_ia32cap/",
    }),
  ),
  ...["RDRAND", "RDSEED"].map((feature) => ({
    feature,
    through: /^OPENSSL_ia32_rd(?:rand|seed)_bytes$/,
    within: "OpenSSL",
    reason: "OpenSSL uses the CPU's random numbers only where OPENSSL_ia32cap_P has the bit",
    reference: "https://docs.openssl.org/master/man3/OPENSSL_ia32cap/",
  })),
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
