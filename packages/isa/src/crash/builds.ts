/** Programs that are published in builds for older CPUs too, and how to get those. */
interface OtherBuild {
  /** The file or process that died, or the program that a message names. */
  readonly program: RegExp;
  readonly advice: string;
  readonly reference: string;
}

const BUILDS: readonly OtherBuild[] = [
  {
    program: /^bun(?:$|[-_.])/i,
    advice:
      "Use bun's baseline build (bun-linux-x64-baseline; bun build --compile --target=bun-linux-x64-baseline)",
    reference: "https://bun.com/docs/installation#cpu-requirements-and-baseline-builds",
  },
  {
    program: /polars/i,
    advice: "Install polars[rtcompat] instead of polars (before 1.34: polars-lts-cpu)",
    reference: "https://docs.pola.rs/user-guide/installation/",
  },
  {
    program: /^mongod$|mongo/i,
    advice: "MongoDB 5.0 and later need AVX: use 4.4, or nodes with AVX",
    reference: "https://www.mongodb.com/docs/manual/administration/production-notes/#x86_64",
  },
  {
    program: /tensorflow/i,
    advice: "Build TensorFlow without AVX, or use nodes with it",
    reference: "https://www.tensorflow.org/install/pip#hardware-requirements",
  },
  {
    program: /^go$/i,
    advice: "Build it with GOAMD64=v1, which is what Go does by default",
    reference: "https://go.dev/wiki/MinimumRequirements#amd64",
  },
  {
    program: /numpy|_multiarray_umath/i,
    advice:
      "Install a NumPy built for an older baseline (2.3 and earlier need less), or build it with -Dcpu-baseline=none",
    reference: "https://numpy.org/doc/stable/reference/simd/build-options.html",
  },
];

const COMPILE =
  "Use a build for older CPUs: an older -march (GCC, Clang), -C target-cpu=x86-64 (Rust), GOAMD64=v1 (Go), or a " +
  "distribution's package";

/** What to run instead of a program that was built for newer CPUs. */
export function otherBuild(...names: readonly (string | undefined)[]): string {
  const row = BUILDS.find(({ program }) => names.some((name) => program.test(name ?? "")));
  return row === undefined ? `${COMPILE}.` : `${row.advice}: ${row.reference}.`;
}
