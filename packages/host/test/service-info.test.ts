/** What an orchestrator's answer says of its node, and that nothing is read into what is none. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { readServiceInfo } from "../src/e2b/service-info.ts";

/**
 * An answer by e2b-dev/infra's own machine detection and generated code, at 54693ff3 with gRPC 1.83
 * for Go, 2026-11-26: a HOST_PROC whose cpuinfo has two flags.
 */
const ANSWER = Buffer.from(
  "0a066e6f64652d31122431313131313131312d313131312d343131312d383131312d3131313131313131313131311a05302e312e3022083534363933666633a2030101b203530a05616d6436341201361a196576656e6b65656c2d34356436613136626566663264663665222143617363616465204c616b6520286576656e6b65656c20677565737420435055292a036670752a0461767832ba030764656661756c74c806ac02e00602e80680a0c8945e8a07200a012f12082f6465762f7664611a046578743420808080804028808080808008",
  "hex",
);

function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

test("an orchestrator's answer names its node's CPU", () => {
  expect(readServiceInfo(framed(ANSWER))).toEqual({
    nodeId: "node-1",
    version: "0.1.0",
    architecture: "amd64",
    family: "6",
    model: "evenkeel-45d6a16beff2df6e",
    modelName: "Cascade Lake (evenkeel guest CPU)",
  });
});

test("an answer without a CPU names none", () => {
  expect(readServiceInfo(framed(Buffer.alloc(0)))).toMatchObject({ family: "", model: "" });
});

test.each([
  ["nothing", Buffer.alloc(0), "not an uncompressed gRPC message"],
  ["a compressed message", Buffer.from([1, 0, 0, 0, 0]), "not an uncompressed gRPC message"],
  ["half of it", framed(ANSWER).subarray(0, 40), "not a single gRPC message"],
  ["two", Buffer.concat([framed(ANSWER), framed(ANSWER)]), "not a single gRPC message"],
  ["a field that ends late", framed(Buffer.from([0x0a, 0x7f, 1])), "the message ends early"],
  ["an endless number", framed(Buffer.alloc(12, 0xff)), "more than ten bytes"],
  ["a group", framed(Buffer.from([0x0b])), "wire type 3"],
])("%s is not read", (_, body, words) => {
  expect(() => readServiceInfo(body)).toThrow(words);
});

function outcomeOf(bytes: Uint8Array): unknown {
  try {
    return typeof readServiceInfo(framed(Buffer.from(bytes))).model;
  } catch (error) {
    return error instanceof RangeError ? "RangeError" : error;
  }
}

test("whatever the bytes, reading ends, and with a RangeError at worst", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(["string", "RangeError"]).toContain(outcomeOf(bytes));
    }),
  );
});
