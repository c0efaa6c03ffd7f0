/**
 * What an E2B orchestrator reports about its node: `InfoService.ServiceInfo`, by gRPC over
 * unencrypted HTTP/2, as E2B's API polls it. Source: packages/orchestrator/info.proto in
 * e2b-dev/infra.
 */
import { connect, constants, type ClientHttp2Session, type IncomingHttpHeaders } from "node:http2";
import { messageFields } from "./protobuf.ts";

const PATH = "/InfoService/ServiceInfo";
const TIMEOUT = 3000;
/** An answer has a few kilobytes, most of them flags. */
const LIMIT = 1024 * 1024;
/** Not compressed, no bytes: the request has no fields. */
const EMPTY = Buffer.alloc(5);

/** Field numbers of ServiceInfoResponse and of MachineInfo. */
const FIELD = { nodeId: 1, version: 3, machine: 54 } as const;
const MACHINE = { architecture: 1, family: 2, model: 3, modelName: 4 } as const;

export interface ReportedCpu {
  readonly nodeId: string;
  /** The orchestrator's own. */
  readonly version: string;
  readonly architecture: string;
  readonly family: string;
  readonly model: string;
  readonly modelName: string;
}

function unframed(body: Buffer): Buffer {
  if (body.length < EMPTY.length || body.readUInt8(0) !== 0) {
    throw new Error("the answer is not an uncompressed gRPC message");
  }
  const length = body.readUInt32BE(1);
  if (body.length !== EMPTY.length + length)
    throw new Error("the answer is not a single gRPC message");
  return body.subarray(EMPTY.length);
}

/** Throws where the bytes are no such message. */
export function readServiceInfo(body: Buffer): ReportedCpu {
  const fields = messageFields(unframed(body));
  const machine = messageFields(fields.get(FIELD.machine) ?? Buffer.alloc(0));
  const text = (of: ReadonlyMap<number, Buffer>, number: number) =>
    (of.get(number) ?? "").toString("utf8");
  return {
    nodeId: text(fields, FIELD.nodeId),
    version: text(fields, FIELD.version),
    architecture: text(machine, MACHINE.architecture),
    family: text(machine, MACHINE.family),
    model: text(machine, MACHINE.model),
    modelName: text(machine, MACHINE.modelName),
  };
}

function statusProblem(headers: IncomingHttpHeaders): string | undefined {
  const { ":status": http, "grpc-status": status, "grpc-message": message } = headers;
  if (http !== undefined && Number(http) !== 200) return `HTTP ${String(http)}`;
  if (status === undefined || status === "0") return undefined;
  return `gRPC status ${String(status)} ${String(message ?? "")}`.trim();
}

function call(session: ClientHttp2Session): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: "POST",
      [constants.HTTP2_HEADER_PATH]: PATH,
      [constants.HTTP2_HEADER_CONTENT_TYPE]: "application/grpc",
      [constants.HTTP2_HEADER_TE]: "trailers",
    });
    const chunks: Buffer[] = [];
    let size = 0;
    const refuse = (problem: string | undefined) => {
      if (problem === undefined) return;
      reject(new Error(problem));
      stream.close();
    };
    session.once("error", reject);
    stream.once("error", reject);
    stream.setTimeout(TIMEOUT, () => refuse("no answer in time"));
    stream.on("response", (headers) => refuse(statusProblem(headers)));
    stream.on("trailers", (headers) => refuse(statusProblem(headers)));
    stream.on("data", (chunk: Buffer) => {
      size += chunk.length;
      chunks.push(chunk);
      if (size > LIMIT) refuse(`the answer has more than ${LIMIT} bytes`);
    });
    stream.once("end", () => resolve(Buffer.concat(chunks)));
    stream.end(EMPTY);
  });
}

/** Asks the orchestrator on a port of this machine; throws where it does not answer. */
export async function askServiceInfo(port: number): Promise<ReportedCpu> {
  const session = connect(`http://127.0.0.1:${port}`);
  const late = setTimeout(() => session.destroy(new Error("no answer in time")), TIMEOUT);
  try {
    return readServiceInfo(await call(session));
  } finally {
    clearTimeout(late);
    session.destroy();
  }
}
