/** A guard's settings: JSON after the launcher's program, where Perl no longer reads. */
import {
  CoreError,
  formatTemplate,
  parseJson,
  parseTemplate,
  profileToJson,
  readProfile,
  type Accepted,
  type CpuTemplate,
  type NodeProfile,
} from "@evenkeel/core";
import { machineNow } from "../probe/machine.ts";

const MARK = "\n__END__\n";

/** What shapes guests that boot here. */
export interface Shape {
  readonly template?: CpuTemplate;
  /** The address as contracts write it. */
  readonly name?: string;
  readonly class?: string;
  readonly plan?: string;
  /** What the operator accepted when the pool was planned. */
  readonly accepted?: Accepted;
}

export interface GuardSettings {
  /** The Firecracker release behind it. */
  readonly version: string;
  readonly profile: NodeProfile;
  readonly shape: Shape;
  /** The kernel and the microcode of the machine when the launcher was installed. */
  readonly machine: string;
  /** A directory that nodes share, for contracts by the digest of their state file. */
  readonly contracts?: string;
}

export function formatSettings(settings: GuardSettings): string {
  const { version, profile, shape, machine, contracts } = settings;
  const { template, ...names } = shape;
  const json = {
    version,
    machine,
    ...(contracts === undefined ? {} : { contracts }),
    shape: names,
    ...(template === undefined ? {} : { template: formatTemplate(template) }),
    profile: profileToJson(profile),
  };
  return `${MARK}${JSON.stringify(json)}\n`;
}

interface SettingsJson extends Pick<GuardSettings, "version" | "machine" | "contracts"> {
  readonly shape: Omit<Shape, "template">;
  readonly template?: string;
  readonly profile: unknown;
}

/** Reads them from a launcher's text; throws NOT_JSON and what profiles and templates throw. */
export function readSettings(launcher: string): GuardSettings {
  const at = launcher.lastIndexOf(MARK);
  if (at === -1) {
    throw new CoreError("NOT_JSON", [{ path: "", message: "the launcher passed no settings" }]);
  }
  const json = parseJson(launcher.slice(at + MARK.length)) as SettingsJson;
  const { version, machine, contracts, shape, template } = json;
  return {
    version,
    machine,
    ...(contracts === undefined ? {} : { contracts }),
    profile: readProfile(json.profile, ""),
    shape: {
      ...shape,
      ...(template === undefined ? {} : { template: parseTemplate(parseJson(template)) }),
    },
  };
}

/**
 * The node's profile as of now: with a different kernel or microcode than at installation, guests
 * may get something else, and nothing is compatible with an unknown CPU.
 */
export function profileToday({ profile, machine }: GuardSettings): NodeProfile {
  const now = machineNow();
  if (now === machine) return profile;
  const change = `the machine now has ${now}; it had ${machine} when the launcher was installed`;
  return { ...profile, incomplete: [...profile.incomplete, change] };
}
