/** `npm run picture`: docs/compatibility.png, the example pool's report in Debian's Chromium. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const root = fileURLToPath(new URL("..", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "ek-picture-"));
const report = join(directory, "report.html");
const cli = join(root, "packages/cli/bin/evenkeel.js");
const { status } = spawnSync(process.execPath, [cli, "report", "--example", "--out", report], {
  stdio: ["ignore", "inherit", "inherit"],
});
if (status !== 0) process.exit(3);
const browser = await chromium.launch({
  executablePath: process.env["EVENKEEL_CHROMIUM"] ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
try {
  const page = await browser.newPage({
    viewport: { width: 1240, height: 850 },
    colorScheme: "light",
  });
  await page.goto(pathToFileURL(report).href);
  // The heading at the top, below no bar that stays.
  await page.evaluate(`document.querySelector("body > header").hidden = true;
    document.querySelector("section[id*=compatibility]").scrollIntoView();`);
  await page.screenshot({ path: join(root, "docs/compatibility.png") });
} finally {
  await browser.close();
  rmSync(directory, { recursive: true, force: true });
}
