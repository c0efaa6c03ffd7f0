import { expect, test } from "vitest";
import { crc64 } from "../src/crc64.ts";
import { decodeState, encodeState, formatOf } from "../src/state-file.ts";

const KIND = { arch: "x86_64", format: "8.0.0", reader: "header first" } as const;

test("the checksum is the one that Firecracker's own example gives", () => {
  // src/vmm/src/snapshot/crc.rs, v1.14.1: sixteen bytes of 123.
  expect(crc64(Buffer.alloc(16, 123))).toBe(0x29d5_3572_1632_6566n);
});

test("a state that was written is read back, and says its format", () => {
  const bytes = encodeState({ answer: 42 }, KIND);
  expect(formatOf(bytes, KIND.reader)).toBe("8.0.0");
  expect(decodeState(bytes, KIND)).toEqual({ answer: 42 });
});

test.each([
  ["another major format", { ...KIND, format: "9.0.0" }, "Invalid data version: 8.0.0"],
  ["another architecture", { ...KIND, arch: "aarch64" }, "Magic value does not match"],
] as const)("%s is refused", (_, kind, message) => {
  expect(() => decodeState(encodeState({}, KIND), kind)).toThrow(message);
});

test("any flipped bit of the state is found", () => {
  const bytes = encodeState({ answer: 42 }, KIND);
  for (let at = bytes.indexOf("{"); at < bytes.length; at++) {
    const broken = Buffer.from(bytes);
    broken[at] = (broken[at] ?? 0) ^ 1;
    expect(() => decodeState(broken, KIND)).toThrow("CRC64 validation failed");
  }
});
