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
  const section = page.locator("section[id*=compatibility]").first();
  const box = await section.boundingBox();
  if (box === null) throw new Error("the report has no compatibility");
  const clip = { x: 0, y: box.y - 8, width: 1240, height: 860 };
  // The bar stays at the top of whatever is shown.
  await page.evaluate(`document.querySelector("body > header").style.position = "static"`);
  await page.screenshot({ path: join(root, "docs/compatibility.png"), fullPage: true, clip });
} finally {
  await browser.close();
  rmSync(directory, { recursive: true, force: true });
}
