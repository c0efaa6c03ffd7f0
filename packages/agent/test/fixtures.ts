/** What tests and benchmarks of the agent have in common. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { GREETING, writeTinyKernel } from "@evenkeel/firecracker-double";
import { parseJson, readProfile, type NodeProfile } from "@evenkeel/core";

export const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
export const VERSION = "1.14.1";

const POOL = join(ROOT, "examples/bug-report-pool");
/** Cascade Lake and Ice Lake, the pool of the bug report. */
export const CASCADE_LAKE = join(POOL, "xeon-silver-4216.json");
export const ICE_LAKE = join(POOL, "xeon-silver-4314.json");

export function loadProfile(file: string): NodeProfile {
  return readProfile(parseJson(readFileSync(file, "utf8")), "node");
}

/** A kernel that greets and halts, and disk images of a sector. */
export function makeImages(directory: string): { kernelsDir: string; imagesDir: string } {
  const [kernelsDir, imagesDir] = [join(directory, "kernels"), join(directory, "images")];
  mkdirSync(join(kernelsDir, "6.1"), { recursive: true });
  mkdirSync(imagesDir, { recursive: true });
  writeTinyKernel(join(kernelsDir, "6.1/vmlinux.bin"));
  writeFileSync(join(imagesDir, "rootfs"), "a disk".padEnd(512));
  writeFileSync(join(imagesDir, "tools"), "a disk that nobody writes".padEnd(512));
  return { kernelsDir, imagesDir };
}

export const MACHINE = {
  kernel: "6.1",
  memoryMib: 16,
  disks: [{ id: "rootfs", image: "rootfs", root: true }],
} as const;

export const TEMPLATE = {
  name: "base",
  machine: MACHINE,
  readiness: { kind: "serial", text: GREETING, timeoutSeconds: 20 },
} as const;
