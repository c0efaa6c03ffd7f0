/** Files with tokens and keys: read only where nobody else can. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readSecret } from "../src/input/secret.ts";

const directory = mkdtempSync(join(tmpdir(), "ek-secret-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function fileWith(mode: number): string {
  const path = join(directory, `token-${mode.toString(8)}`);
  writeFileSync(path, "secret\n");
  chmodSync(path, mode);
  return path;
}

test.each([0o600, 0o400])("mode %o is taken, through a link, too", (mode) => {
  const path = fileWith(mode);
  symlinkSync(path, `${path}.link`);
  expect([readSecret(path), readSecret(`${path}.link`)]).toEqual(["secret\n", "secret\n"]);
});

test.each([0o644, 0o640, 0o604, 0o620, 0o666])("mode %o is refused", (mode) => {
  expect(() => readSecret(fileWith(mode))).toThrow(/other users can read it .*chmod 600/);
});

test("what is no file is refused at once", () => {
  const fifo = join(directory, "fifo");
  spawnSync("mkfifo", ["-m", "600", fifo]);
  for (const path of [fifo, "/dev/zero", directory]) {
    expect(() => readSecret(path)).toThrow(
      /not a regular file|other users can read|illegal operation/i,
    );
  }
  expect(() => readSecret(join(directory, "none"))).toThrow(/ENOENT/);
});
