/** Host kernels as verdicts and plans tell them apart. */
import { remembered } from "../remember.ts";

const lineOf = remembered((release) => /^(\d+\.\d+)/.exec(release)?.[1]);

/** `6.1` of `6.1.172-216.329.amzn2023.x86_64`; undefined where the release is not known. */
export function kernelLine(release: string | undefined): string | undefined {
  return release === undefined ? undefined : lineOf(release);
}
