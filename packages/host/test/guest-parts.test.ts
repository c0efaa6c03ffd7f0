import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { findKernel, HostError, initramfs, programEntries } from "../src/index.ts";

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "evenkeel-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** The first bytes of a bzImage, as far as its own header describes it. */
function imageOf(release: string): Buffer {
  const image = Buffer.alloc(0x1000);
  image.write("HdrS", 0x202, "latin1");
  image.writeUInt16LE(0x400, 0x20e);
  image.write(`${release} (builder@host) #1 SMP\0`, 0x600, "latin1");
  return image;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof HostError ? error.code : undefined;
}

test("an archive lists what was put into it, each member aligned to four bytes", () => {
  const archive = gunzipSync(initramfs(programEntries(Buffer.from("12345"))));
  const names: string[] = [];
  for (let at = 0; at < archive.length;) {
    expect(archive.toString("latin1", at, at + 6)).toBe("070701");
    const field = (i: number) =>
      parseInt(archive.toString("latin1", at + 6 + 8 * i, at + 14 + 8 * i), 16);
    const name = archive.toString("latin1", at + 110, at + 110 + field(11) - 1);
    names.push(`${name} ${field(1).toString(8)} ${field(6)} ${field(9)}:${field(10)}`);
    const data = (at + 110 + field(11) + 3) & ~3;
    at = (data + field(6) + 3) & ~3;
  }
  expect(names).toEqual([
    "dev 40755 0 0:0",
    "proc 40755 0 0:0",
    "sys 40755 0 0:0",
    "tmp 40777 0 0:0",
    "dev/console 20600 0 5:1",
    "init 100755 5 0:0",
    "TRAILER!!! 0 0 0:0",
  ]);
});

test("the newest installed kernel is taken, and named as it names itself", async () => {
  const boot = temporaryDirectory();
  for (const release of ["6.1.0-9-amd64", "6.1.0-38-amd64"]) {
    writeFileSync(join(boot, `vmlinuz-${release}`), imageOf(release));
  }
  const kernel = await findKernel({ boot });
  expect(kernel).toMatchObject({
    path: join(boot, "vmlinuz-6.1.0-38-amd64"),
    release: "6.1.0-38-amd64",
  });
});

test("a kernel unpacked before is used again, with its modules", async () => {
  const [boot, cache] = [temporaryDirectory(), temporaryDirectory()];
  const root = join(cache, "linux-image-6.1.0-1-cloud-amd64");
  const modules = join(root, "lib/modules/6.1.0-1-cloud-amd64");
  mkdirSync(join(root, "boot"), { recursive: true });
  mkdirSync(modules, { recursive: true });
  writeFileSync(join(root, "boot/vmlinuz-6.1.0-1-cloud-amd64"), imageOf("6.1.0-1-cloud-amd64"));
  expect((await findKernel({ boot, cache })).modules).toBe(modules);
});

test("what is no kernel is refused by name", async () => {
  const path = join(temporaryDirectory(), "notes.txt");
  writeFileSync(path, "not a kernel");
  const error = await findKernel({ given: path }).catch((e: unknown) => e);
  expect(codeOf(error)).toBe("BAD_KERNEL");
  expect(String(error)).toContain(path);
  expect(codeOf(await findKernel({ given: "/nonexistent" }).catch((e: unknown) => e))).toBe(
    "BAD_KERNEL",
  );
});

test("a kernel comes out of Debian's package without installing it", async ({ skip }) => {
  const cache = temporaryDirectory();
  const kernel = await findKernel({ boot: temporaryDirectory(), cache }).catch((error: unknown) => {
    // Without Debian's package lists there is nothing to test; CI has them.
    if (process.env["CI"] !== undefined || codeOf(error) !== "NO_KERNEL") throw error;
    return skip(String(error));
  });
  expect(kernel.release).toMatch(/^\d+\.\d+\./);
  expect(kernel.path.startsWith(cache)).toBe(true);
  expect(kernel.modules).toContain(kernel.release ?? "no release");
});
