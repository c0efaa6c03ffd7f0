import { expect, test } from "vitest";
import { listText, nameOf, rowsOf } from "../src/render/fleet.ts";

const NODE = {
  name: "node-1",
  state: "ready",
  held: null,
  cordoned: true,
  class: "ice-lake-sp-8b816b",
  pool: null,
  plan: null,
  planError: null,
  capacity: { sandboxes: 1, maxSandboxes: 10, memoryMib: 128, maxMemoryMib: 1024 },
  kernel: "6.8.0",
  microcode: null,
  firecracker: ["1.14.1"],
  labels: { zone: "a" },
};
const ANSWER = { nodes: [NODE, { ...NODE, name: "node-2" }] };

test("wide adds columns, and rows that changed come without a head", () => {
  const rows = rowsOf("nodes", ANSWER, "node-1");
  const [head = "", row = ""] = listText("nodes", rows, { wide: true }).split("\n");
  expect(head).toMatch(/^NAME .* KERNEL +MICROCODE +FIRECRACKER +LABELS$/);
  expect(row).toMatch(/^node-1 +ready,cordoned .* 6\.8\.0 +<none> +1\.14\.1 +zone=a$/);
  expect(listText("nodes", rows, { head: false })).toMatch(/^node-1 [^\n]*\n$/);
  expect(listText("nodes", [])).toBe("no nodes\n");
  expect(listText("nodes", [], { head: false })).toBe("");
});

test.each([
  ["nodes", { name: "a" }, "node/a"],
  ["classes", { class: "c" }, "class/c"],
  ["snapshots", { name: "s" }, "snapshot/s"],
  ["audit", { subject: "x" }, "audit/x"],
] as const)("a row of %s is called as kubectl would", (kind, row, name) => {
  expect(nameOf(kind, row)).toBe(name);
});
