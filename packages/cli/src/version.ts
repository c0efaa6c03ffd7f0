/** Which evenkeel this is. A build puts what it knows in EVENKEEL_BUILD's place. */

interface Build {
  readonly version: string;
  /** Twelve digits, `+changes` where files differed from it. */
  readonly commit: string;
  readonly kind: "npm" | "executable";
}

declare const EVENKEEL_BUILD: Build | undefined;

/** Also package.json's; a test keeps the two equal. */
const VERSION = "0.2.0";

/** `evenkeel 0.2.0 (commit 0123456789ab, npm, Node.js 22.12.0, linux-x64)`. */
export function versionText(): string {
  const build = typeof EVENKEEL_BUILD === "undefined" ? undefined : EVENKEEL_BUILD;
  const from = build === undefined ? "source" : `commit ${build.commit}, ${build.kind}`;
  const platform = `${process.platform}-${process.arch}`;
  return `evenkeel ${VERSION} (${from}, Node.js ${process.versions.node}, ${platform})`;
}
