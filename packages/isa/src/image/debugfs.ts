/**
 * `debugfs` of e2fsprogs: reads ext2, ext3 and ext4 images without mounting them. One process per
 * batch of commands; it opens the image read-only unless told otherwise.
 * Source: debugfs(8).
 */
import { spawn } from "node:child_process";
import { ImageError } from "./limits.ts";

/** More output than the listing of a full file system; a hostile image must not fill memory. */
const OUTPUT_LIMIT = 512 * 1024 * 1024;
/** A damaged image can make a reader run in circles. */
const TIMEOUT_MS = 10 * 60 * 1000;

/** Where sbin is not on the path of ordinary users. */
function pathWithSbin(): string {
  return [process.env["PATH"] ?? "", "/usr/sbin", "/sbin"].join(":");
}

/** What the commands print. Throws {@link ImageError} where debugfs is missing or fails. */
export function debugfs(image: string, commands: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn("debugfs", ["-f", "-", image], {
      env: { PATH: pathWithSbin(), LC_ALL: "C", PAGER: "cat", DEBUGFS_PAGER: "cat" },
      stdio: ["pipe", "pipe", "pipe"],
      timeout: TIMEOUT_MS,
      killSignal: "SIGKILL",
    });
    const output: Buffer[] = [];
    const complaints: Buffer[] = [];
    let size = 0;
    child.stdout.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > OUTPUT_LIMIT) child.kill("SIGKILL");
      else output.push(chunk);
    });
    child.stderr.on("data", (chunk: Buffer) => {
      if (complaints.length < 100) complaints.push(chunk);
    });
    child.on("error", (error: NodeJS.ErrnoException) => {
      const missing = error.code === "ENOENT";
      const why = missing ? "install e2fsprogs: ext4 images are read with debugfs" : error.message;
      reject(new ImageError(why, { cause: error }));
    });
    child.on("close", (code, signal) => {
      if (code === 0) resolve(Buffer.concat(output).toString("utf8"));
      else {
        const said = Buffer.concat(complaints).toString("utf8").trim().split("\n").at(-1) ?? "";
        reject(new ImageError(`debugfs failed (${signal ?? code}): ${said}`));
      }
    });
    // It may end before it has read everything; that is then what is reported.
    child.stdin.on("error", () => {});
    child.stdin.end(`${commands.join("\n")}\n`);
  });
}
