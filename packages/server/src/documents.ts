/** Profiles and contracts that others send: read by the core's readers, and nothing more in them. */
import {
  contractDigest,
  contractToJson,
  CoreError,
  prettyJson,
  profileDigest,
  profileToJson,
  readDocument,
  type CpuContract,
  type NodeProfile,
} from "@evenkeel/core";
import { LARGEST_INTEGER } from "@evenkeel/api/fleet";
import { ServerError } from "./errors.ts";

type Json = Readonly<Record<string, unknown>>;

/** A member that the reader passed over would be lost, and nobody told. */
function refuseUnknown(given: Json, understood: object, what: string): void {
  const problems = Object.keys(given)
    .filter((key) => !(key in understood))
    .map((key) => ({ path: `${what}.${key}`, message: "there is no such member" }));
  if (problems.length === 0) return;
  const text = problems.map(({ path, message }) => `${path}: ${message}`).join("; ");
  throw new ServerError("BAD_REQUEST", text, { problems });
}

function read(json: Json, what: string) {
  try {
    return readDocument(json, "");
  } catch (cause) {
    if (!(cause instanceof CoreError)) throw cause;
    const problems = cause.problems.map(({ path, message }) => ({
      path: path === "" ? what : `${what}.${path}`,
      message,
    }));
    throw new ServerError("BAD_REQUEST", `${what}: ${cause.message}`, { cause, problems });
  }
}

/** Characters of a name, a release, a firmware's version. */
const SHORT = 256;
/** Firecracker releases, KVM capabilities: a node has a few dozen. */
const MOST_LISTED = 512;

/** What stands in columns and messages of its own is short. Throws BAD_REQUEST. */
function requireShort(what: string, texts: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(texts)) {
    const list = Array.isArray(value) ? (value as readonly unknown[]) : [value];
    if (list.length > MOST_LISTED) {
      throw new ServerError("BAD_REQUEST", `${what}.${name}: has more than ${MOST_LISTED} entries`);
    }
    const long = list.some((text) => typeof text === "string" && text.length > SHORT);
    if (!long) continue;
    throw new ServerError("BAD_REQUEST", `${what}.${name}: has more than ${SHORT} characters`);
  }
}

/** Kilohertz, as a column keeps them. */
function requireFrequency(what: string, khz: number | undefined): void {
  if (khz === undefined || (Number.isInteger(khz) && khz > 0 && khz <= LARGEST_INTEGER)) return;
  throw new ServerError("BAD_REQUEST", `${what}: must be a whole number of kHz`);
}

export interface ReadProfile {
  readonly profile: NodeProfile;
  readonly digest: string;
  /** As it is kept. */
  readonly text: string;
}

/** Throws BAD_REQUEST. */
export function readProfileJson(json: Json): ReadProfile {
  const document = read(json, "profile");
  if (document.kind !== "profile" || !("schema" in json)) {
    throw new ServerError("BAD_REQUEST", "profile: must be an evenkeel/node-profile@1");
  }
  const { profile } = document;
  const { name, host, firecracker, tsc } = profile;
  requireShort("profile", { name, firecracker });
  requireShort("profile.host", { ...host });
  requireFrequency("profile.tsc.khz", tsc?.khz);
  const own = profileToJson(profile);
  refuseUnknown(json, own, "profile");
  return { profile, digest: profileDigest(profile), text: prettyJson(own) };
}

export interface ReadContract {
  readonly contract: CpuContract;
  readonly digest: string;
  readonly text: string;
}

/** Throws BAD_REQUEST. */
export function readContractJson(json: Json): ReadContract {
  const document = read(json, "contract");
  if (document.kind !== "contract") {
    throw new ServerError("BAD_REQUEST", "contract: must be an evenkeel/cpu-contract@1");
  }
  const { contract } = document;
  const { cpuid: _cpuid, msrs: _msrs, registers: _registers, ...texts } = contract;
  requireShort("contract", texts);
  const own = contractToJson(contract);
  refuseUnknown(json, own, "contract");
  return { contract, digest: contractDigest(contract), text: prettyJson(own) };
}

/** A profile that this server kept. */
export function storedProfile(text: string): NodeProfile {
  const document = readDocument(JSON.parse(text), "");
  if (document.kind === "profile") return document.profile;
  throw new ServerError("SERVER_DEFECT", `the store has a ${document.kind} for a profile`);
}

/** A contract that this server kept. */
export function storedContract(text: string): CpuContract {
  const document = readDocument(JSON.parse(text), "");
  if (document.kind === "contract") return document.contract;
  throw new ServerError("SERVER_DEFECT", `the store has a ${document.kind} for a contract`);
}
