/** Reports in a real browser: opened from disk, at three widths, in both themes, by keyboard. */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import {
  expectToFit,
  open,
  shoot,
  THEMES,
  useBrowser,
  violationsIn,
  WIDTHS,
  withoutChromium,
} from "./browser.ts";
import { ROOT, run, sharedDirectory, temporaryDirectory } from "./run.ts";

const INTEL = "examples/intel-pool";
const node = (name: string) => `${INTEL}/xeon-gold-${name}.json`;

const directory = sharedDirectory();

/** What a command prints with `--json`, in a file. */
async function printed(name: string, args: readonly string[]): Promise<string> {
  const { stdout } = await run([...args, "--json"]);
  const file = join(directory, `${name}.json`);
  writeFileSync(file, stdout);
  return file;
}

const reports = new Map<string, string>();

beforeAll(async () => {
  const report = async (name: string, ...args: string[]) => {
    const out = join(directory, `${name}.html`);
    const { status, stderr } = await run(["report", ...args, "--out", out]);
    expect([status, stderr]).toEqual([0, ""]);
    reports.set(name, out);
  };
  const profiles = ["6130", "6230-a", "6330-a", "6430"].map(node);
  await report("example", "--example");
  await report("intel", INTEL);
  await report("split", await printed("split", ["plan", ...profiles, "--split", "2"]));
  const results = [
    await printed("drift", ["drift", "--baseline", node("6130"), "--now", node("6430")]),
    await printed("scan", ["scan", process.execPath, "--node", ...profiles]),
    "packages/cli/test/recorded/lab.json",
    "packages/cli/test/recorded/verify.json",
  ];
  await report("results", ...results);
}, 240_000);

function urlOf(name: string): string {
  return pathToFileURL(reports.get(name) ?? "").href;
}

useBrowser();

describe.skipIf(withoutChromium)("a report in a browser", () => {
  const names = ["example", "intel", "split", "results"];

  it.each(names)(
    "%s fits every screen, in both themes, and axe finds nothing",
    async (name) => {
      const { page, complaints, requests, close } = await open(urlOf(name));
      for (const colorScheme of THEMES) {
        await page.emulateMedia({ colorScheme });
        for (const width of WIDTHS) {
          await page.setViewportSize({ width, height: 900 });
          await expectToFit(page);
          await shoot(page, `report-${name}-${width}-${colorScheme}`, name !== "intel");
        }
        // Colors depend on the theme, sizes on the width.
        expect(await violationsIn(page)).toEqual([]);
      }
      expect(complaints).toEqual([]);
      expect(requests.filter((url) => url !== urlOf(name) && url !== "data:,")).toEqual([]);
      await close();
    },
    180_000,
  );

  it("the example pool's is at most 300 kB", () => {
    expect(statSync(reports.get("example") ?? "").size).toBeLessThanOrEqual(300_000);
  });

  it("opens a cell by keyboard, and closes it", async () => {
    const { page, close } = await open(urlOf("intel"));
    await page.locator("table.grid a").first().focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    expect(await page.evaluate("document.activeElement.ariaLabel")).toMatch(
      /Ice Lake-SP .* to Skylake-SP .*: incompatible/,
    );
    await page.keyboard.press("Enter");
    const detail = page.locator(".detail:target");
    expect(await detail.textContent()).toMatch(/die of SIGILL/);
    expect(await detail.textContent()).toMatch(/What to do:/);
    expect(page.url()).toMatch(/#compatibility-map1-3-1$/);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    await detail.getByRole("link", { name: "Close" }).press("Enter");
    expect(await page.locator(".detail:target").count()).toBe(0);
    await close();
  });

  it("has one stop of the Tab key in a heat map", async () => {
    const { page, close } = await open(urlOf("intel"));
    const stops = page.locator("table.grid").first().locator('a:not([tabindex="-1"])');
    expect(await stops.count()).toBe(1);
    await close();
  });

  it("moves the cut of the merge tree", async () => {
    const { page, close } = await open(urlOf("split"));
    const input = page.getByLabel("Cut");
    const pools = async () => await page.locator(".leaf .pool").allTextContents();
    expect(new Set(await pools()).size).toBe(2);
    await input.focus();
    await page.keyboard.press("ArrowRight");
    expect(new Set(await pools()).size).toBe(1);
    await page.keyboard.press("Home");
    expect(new Set(await pools()).size).toBe(4);
    expect(await page.locator(".cutter output").textContent()).toContain("--split 4");
    await close();
  });

  it("finds a feature, folded ones too", async () => {
    const { page, close } = await open(urlOf("example"));
    await page.getByLabel(/Search features/).fill("avx512f");
    expect(await page.locator(".guest-cpu tbody tr:visible").allTextContents()).toEqual([
      expect.stringContaining("AVX512F"),
    ]);
    await close();
  });

  it("changes the theme, and keeps it", async () => {
    const { page, close } = await open(urlOf("example"), { colorScheme: "light" });
    const background = async () =>
      await page.evaluate("getComputedStyle(document.body).backgroundColor");
    const before = await background();
    await page.getByRole("button", { name: "Dark" }).press("Enter");
    const after = await background();
    expect(after).not.toBe(before);
    await page.reload();
    expect(await background()).toBe(after);
    await close();
  });

  it("can be read without JavaScript", async () => {
    const { page, close } = await open(urlOf("example"), { javaScriptEnabled: false });
    expect(await page.locator("table.grid .cell.incompatible").count()).toBe(2);
    await page.locator("table.grid .cell.incompatible a").first().click();
    expect(await page.locator(".detail:target").isVisible()).toBe(true);
    expect(await page.locator("button:visible").count()).toBe(0);
    await close();
  });

  it("runs nothing that a node's name says", async () => {
    const own = temporaryDirectory();
    const profile = readFileSync(
      join(ROOT, "examples/bug-report-pool/xeon-silver-4314.json"),
      "utf8",
    );
    const name = `</script><script>document.title='owned'</script><img src=x onerror="document.title='owned'">\u202e`;
    const hostile = { ...(JSON.parse(profile) as object), name };
    writeFileSync(join(own, "hostile.json"), JSON.stringify(hostile));
    const out = join(own, "hostile.html");
    const { status } = await run(["report", own, "--example", "--out", out]);
    expect(status).toBe(0);
    const { page, complaints, close } = await open(pathToFileURL(out).href);
    expect(await page.title()).toBe("evenkeel report");
    expect(await page.locator("img").count()).toBe(0);
    expect(await page.textContent("body")).toContain("</script><script>");
    expect(complaints).toEqual([]);
    await close();
  });
});
