/** The Firecracker releases installed side by side, and which of them boots or loads what. */
import { loadingVersion, type CpuContract } from "@evenkeel/core";
import type { VmmDriver } from "@evenkeel/host";
import { AgentError } from "./errors.ts";

export interface Release {
  /**
   * The release whose rules contracts and verdicts follow, such as `1.14.1` or `v1.14.1_431f1fc`.
   */
  readonly version: string;
  readonly driver: VmmDriver;
}

export interface Releases {
  /** The default release: boots machines that name none. */
  readonly usual: Release;
  /** As the releases name themselves, oldest first. */
  readonly versions: readonly string[];
  /** The release of a version, with or without its v; throws NO_SUCH_RELEASE. */
  named(version: string | undefined): Release;
  /**
   * The release that loads a contract's snapshot format: the one that took the snapshot where it
   * is here, else the newest. Undefined where none does.
   */
  loading(contract: CpuContract): Release | undefined;
}

function bare(version: string): string {
  return version.replace(/^v/, "");
}

/** `1.14.1` for E2B's `v1.14.1_431f1fc`: the version that the binary reports. */
function ownName(version: string): string {
  return /^v?(\d+\.\d+\.\d+(?:-[0-9A-Za-z.]+)?)/.exec(version)?.[1] ?? version;
}

/** `all`: the default one first; of two with the same name the first counts. */
export function openReleases(usual: Release, others: readonly VmmDriver[] = []): Releases {
  const rest = others.map((driver) => ({ version: driver.version, driver }));
  const all = new Map<string, Release>();
  for (const release of [usual, ...rest]) {
    const name = bare(release.version);
    if (!all.has(name)) all.set(name, release);
  }
  const list = [...all.values()];
  const own = new Set(list.map(({ version }) => ownName(version)));
  return {
    usual,
    versions: [...own].toSorted((a, b) => a.localeCompare(b, "en", { numeric: true })),
    named: (version) => {
      const release = version === undefined ? usual : all.get(bare(version));
      if (release !== undefined) return release;
      const there = list.map((known) => known.version).join(", ");
      const message = `no Firecracker "${version}" on this node (installed: ${there})`;
      throw new AgentError("NO_SUCH_RELEASE", message);
    },
    loading: (contract) => {
      const version = loadingVersion(
        contract,
        list.map((release) => release.version),
      );
      return list.find((release) => release.version === version);
    },
  };
}
