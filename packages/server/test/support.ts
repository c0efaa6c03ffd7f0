/** Servers on both stores, operators and nodes that call them over TLS. */
import { createHash, webcrypto } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import {
  contractDigest,
  contractToJson,
  predictContract,
  profileDigest,
  profileToJson,
  readProfile,
  type CpuContract,
  type NodeProfile,
} from "@evenkeel/core";
import { afterAll, beforeAll } from "vitest";
import { createServer, type Server, type ServerOptions } from "../src/index.ts";
import { openPostgres, type TestPostgres } from "./postgres.ts";

x509.cryptoProvider.set(webcrypto);

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

export const CASCADE_LAKE = "examples/bug-report-pool/xeon-silver-4216.json";
export const ICE_LAKE = "examples/bug-report-pool/xeon-silver-4314.json";
const RELEASE = "1.14.1";

/** An example's profile under another name, on a node that has one Firecracker. */
export function profileNamed(file: string, name: string): NodeProfile {
  const profile = readProfile(JSON.parse(readFileSync(join(ROOT, file), "utf8")), name);
  return { ...profile, name, firecracker: [RELEASE] };
}

/** Of a guest that boots there without a template. */
export function contractFrom(profile: NodeProfile): CpuContract {
  const boot = { firecracker: RELEASE, vcpus: 1, smt: false, time: "2026-01-01T00:00:00.000Z" };
  const result = predictContract(profile, boot);
  if (!result.ok) throw new Error(`${profile.name} lacks ${result.missing.join(", ")}`);
  return result.contract;
}

// oxlint-disable-next-line typescript/no-explicit-any -- bodies are looked into by tests
export type Answer = { readonly status: number; readonly body: any };
type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
export type Call = (
  method: Method,
  path: string,
  body?: unknown,
  headers?: Readonly<Record<string, string>>,
) => Promise<Answer>;

interface Credentials {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
}

/** A body that is text is sent as it is. */
export function caller(base: string, { token, ...tls }: Credentials): Call {
  return async (method, path, body, more = {}) => {
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const headers: Record<string, string> = { ...more };
    if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
    if (text !== undefined) headers["content-type"] ??= "application/json";
    const trust = tls.ca === undefined ? { rejectUnauthorized: false } : {};
    const options = { method, headers, ...tls, ...trust, agent: false } as const;
    return await new Promise((settle, fail) => {
      const sent = request(new URL(path, base), options, (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.on("error", fail);
        response.on("end", () => {
          const answered = Buffer.concat(parts).toString("utf8");
          const status = response.statusCode ?? 0;
          settle({ status, body: answered === "" ? undefined : JSON.parse(answered) });
        });
      });
      sent.on("error", fail);
      sent.end(text);
    });
  };
}

export interface NodeKeys {
  readonly csr: string;
  readonly key: string;
}

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

export async function makeKeys(algorithm: webcrypto.EcKeyGenParams = ALGORITHM): Promise<NodeKeys> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const der = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
  const made = await x509.Pkcs10CertificateRequestGenerator.create({
    name: "CN=whoever",
    keys,
    signingAlgorithm: { ...algorithm, hash: "SHA-256" },
  });
  return { csr: made.toString("pem"), key: x509.PemConverter.encode(der, "PRIVATE KEY") };
}

/** A certificate for a name by a CA that the fleet knows nothing of. */
export async function foreignCertificate(subject: x509.JsonName): Promise<Credentials> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: "01",
    name: subject,
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 3_600_000),
    signingAlgorithm: ALGORITHM,
    keys,
  });
  const der = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
  return {
    cert: certificate.toString("pem"),
    key: x509.PemConverter.encode(der, "PRIVATE KEY"),
  };
}

export interface TestNode {
  readonly id: string;
  readonly name: string;
  readonly profile: NodeProfile;
  readonly call: Call;
  readonly credentials: { readonly cert: string; readonly key: string };
  /** One heartbeat with room for guests, of the profile that is given. */
  readonly beat: (change?: object) => Promise<Answer>;
}

export const NO_SNAPSHOTS = "0".repeat(64);

const ROOM = { sandboxes: 0, maxSandboxes: 10, memoryMib: 0, maxMemoryMib: 8192 };

export interface Fleet {
  readonly base: string;
  readonly anyone: Call;
  readonly operator: Call;
  readonly token: string;
  readonly ca: string;
  /** A secret that one node can join with. */
  readonly joinSecret: (labels?: object, ttlSeconds?: number) => Promise<string>;
  readonly join: (profile: NodeProfile, labels?: object) => Promise<TestNode>;
  readonly tokenOf: (role: string) => Promise<Call>;
  /** Ends the server and starts another on the same store. */
  readonly restart: () => Promise<Server>;
  /** Its database, where it has one. */
  readonly postgres: TestPostgres | undefined;
  readonly databaseUrl: string | undefined;
}

async function listenOn(server: Server, port: number): Promise<string> {
  const address = await server.app.listen({ host: "127.0.0.1", port });
  return address.replace("[::1]", "127.0.0.1");
}

export function makeFleet(
  base: string,
  directory: string,
  ca: string,
): Omit<Fleet, "restart" | "postgres" | "databaseUrl"> {
  const token = readFileSync(join(directory, "operator.token"), "utf8").trim();
  const anyone = caller(base, { ca });
  const operator = caller(base, { ca, token });
  const joinSecret: Fleet["joinSecret"] = async (labels = {}, ttlSeconds = 600) => {
    const { body } = await operator("POST", "/v1/join-tokens", { labels, ttlSeconds });
    return body.token.split(".")[1];
  };
  let made = 0;
  return {
    base,
    anyone,
    operator,
    token,
    ca,
    joinSecret,
    join: async (profile, labels = {}) => {
      const { csr, key } = await makeKeys();
      const body = { secret: await joinSecret(labels), csr, profile: profileToJson(profile) };
      const joined = await anyone("POST", "/v1/join", body);
      if (joined.status !== 201) throw new Error(JSON.stringify(joined.body));
      const credentials = { cert: String(joined.body.certificate), key };
      const call = caller(base, { ca, ...credentials });
      const beat: TestNode["beat"] = async (change = {}) =>
        await call("POST", "/v1/node/heartbeat", {
          profile: profileDigest(profile),
          snapshots: NO_SNAPSHOTS,
          capacity: ROOM,
          ...change,
        });
      await beat();
      const { name } = profile;
      return { id: joined.body.node, name, profile, call, credentials, beat };
    },
    tokenOf: async (role) => {
      const { body } = await operator("POST", "/v1/tokens", { name: `${role}-${made++}`, role });
      return caller(base, { ca, token: body.token });
    },
  };
}

/** One server for the tests of a block, on a store of its own; what it gives is read in tests. */
export function useFleet(
  store: "pglite" | "postgresql",
  options: Partial<ServerOptions> = {},
): () => Fleet {
  const directory = mkdtempSync(join(tmpdir(), "ek-server-"));
  let postgres: TestPostgres | undefined;
  let server: Server | undefined;
  let fleet: Fleet | undefined;
  beforeAll(async () => {
    postgres = store === "postgresql" ? await openPostgres() : undefined;
    const databaseUrl = await postgres?.database();
    // Nodes of tests speak when a test says so, and a loaded machine is slow to.
    const times = { suspectSeconds: 3600, lostSeconds: 7200 };
    const settings = { directory, databaseUrl, times, ...options };
    server = await createServer(settings);
    const base = await listenOn(server, 0);
    const port = Number(new URL(base).port);
    const { body } = await caller(base, {})("GET", "/v1/ca");
    fleet = {
      ...makeFleet(base, directory, body.certificate),
      postgres,
      databaseUrl,
      restart: async () => {
        await server?.close();
        server = await createServer(settings);
        await listenOn(server, port);
        return server;
      },
    };
  }, 240_000);
  afterAll(async () => {
    await server?.close();
    await postgres?.stop();
    rmSync(directory, { recursive: true, force: true });
  }, 60_000);
  return () => {
    if (fleet === undefined) throw new Error("the server has not started");
    return fleet;
  };
}

/** Asks until it is so; fails after ten seconds. */
export async function until(what: string, is: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await is()); tries++) {
    if (tries > 200) throw new Error(`in vain: ${what}`);
    await sleep(50);
  }
}

export interface TestSnapshot {
  /** As a node lists it. */
  readonly held: {
    readonly name: string;
    readonly digest: string;
    readonly contract: string;
    readonly memoryMib: number;
    readonly bytes: number;
  };
  /** The text of its manifest. */
  readonly manifest: string;
}

/** A snapshot of a guest with this contract; `seed` makes it another one. */
export function snapshotOf(contract: CpuContract, name: string, seed = name): TestSnapshot {
  const facts = {
    kind: "template",
    contract: contractDigest(contract),
    memoryMib: 512,
    created: "2026-01-01T00:00:00.000Z",
  };
  const schema = "evenkeel/snapshot-manifest@1";
  const files = [{ path: "memory", bytes: 1000, sha256: "0".repeat(64) }];
  const manifest = JSON.stringify({ schema, ...facts, labels: { seed }, files });
  const digest = createHash("sha256").update(manifest).digest("hex");
  const held = { name, digest, ...facts, bytes: 1000 };
  return { held, manifest };
}

export function contractBody(contract: CpuContract): object {
  return JSON.parse(JSON.stringify(contractToJson(contract))) as object;
}
