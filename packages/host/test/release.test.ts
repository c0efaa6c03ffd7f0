/** A Firecracker is what it says it is, whatever its directory is called. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { installDouble } from "@evenkeel/firecracker-double";
import { expect, test } from "vitest";
import { requireFirecracker } from "../src/index.ts";
import { temporaryDirectory } from "./pool.ts";

/** A binary that says what it is told to. */
function claimant(directory: string, version: string, format: string): void {
  const path = join(directory, "firecracker");
  mkdirSync(dirname(path), { recursive: true });
  const answer = `case $1 in --version) echo "Firecracker v${version}";; *) echo "${format}";; esac`;
  writeFileSync(path, `#!/bin/sh\n${answer}\n`);
  chmodSync(path, 0o755);
}

test.each(["1.14.1", "v1.14.1_431f1fc", "1.16.0", "1.10.1", "1.6.0"])(
  "%s is taken for what its directory says",
  (name) => {
    const root = temporaryDirectory();
    const double = installDouble(root, { version: name });
    double.change({ version: name.replace(/^v|_.*$/g, "") });
    expect(requireFirecracker({ FIRECRACKER_VERSIONS_DIR: root }, name)).toBe(double.path);
  },
);

test.each([
  ["1.16.1", "v1.16.1"],
  ["v1.14.1_431f1fc", "1.14.1_431f1fc"],
])("%s is found in %s, each with or without the v", (asked, installed) => {
  const root = temporaryDirectory();
  const double = installDouble(root, { version: installed });
  double.change({ version: installed.replace(/^v|_.*$/g, "") });
  const find = (version: string) => requireFirecracker({ FIRECRACKER_VERSIONS_DIR: root }, version);
  expect([find(asked), find(installed)]).toEqual([double.path, double.path]);
  expect(() => find("v1.15.0")).toThrow(
    expect.objectContaining({ message: `no "v1.15.0" in ${root} (found: ${installed})` }),
  );
});

test("another release than the directory's is refused, and both are named", () => {
  const root = temporaryDirectory();
  installDouble(root, { version: "1.12.1" }).change({ version: "1.14.1" });
  expect(() => requireFirecracker({ FIRECRACKER_VERSIONS_DIR: root }, "1.12.1")).toThrow(
    expect.objectContaining({
      code: "WRONG_FIRECRACKER",
      message: `${join(root, "1.12.1/firecracker")} is Firecracker 1.14.1, not 1.12.1`,
    }),
  );
});

test.each([
  ["a patch that writes another format", "1.10.1", "1.10.0", "v3.0.0"],
  ["a build with a format of its own", "1.14.1_abc", "1.14.1", "v8.1.0"],
  ["a build that does not name its format", "1.14.1", "1.14.1", ""],
])("%s is refused", (_, name, version, format) => {
  const root = temporaryDirectory();
  claimant(join(root, name), version, format);
  expect(() => requireFirecracker({ FIRECRACKER_VERSIONS_DIR: root }, name)).toThrow(
    expect.objectContaining({ code: "WRONG_FIRECRACKER" }),
  );
});

test("what is no Firecracker, or does not run, is refused", () => {
  const root = temporaryDirectory();
  claimant(join(root, "1.14.1"), "next", "");
  claimant(join(root, "1.13.0"), "1.13.0", "v8.0.0");
  writeFileSync(join(root, "1.13.0/firecracker"), "#!/nonexistent\n");
  for (const version of ["1.14.1", "1.13.0"]) {
    expect(() => requireFirecracker({ FIRECRACKER_VERSIONS_DIR: root }, version)).toThrow(
      expect.objectContaining({ code: "NOT_FIRECRACKER" }),
    );
  }
});
