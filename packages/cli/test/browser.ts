/** Debian's Chromium, as tests open pages in it. */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import axe from "axe-core";
import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";
import { afterAll, beforeAll, expect } from "vitest";
import { ROOT } from "./run.ts";

const CHROMIUM = process.env["EVENKEEL_CHROMIUM"] ?? "/usr/bin/chromium";
const SHOTS = join(ROOT, ".report/screenshots");

/** In CI it must be there. */
export const withoutChromium = !existsSync(CHROMIUM) && process.env["CI"] === undefined;
if (withoutChromium) console.log(`skipped: no Chromium at ${CHROMIUM} (apt-get install chromium)`);

export const WIDTHS = [360, 1280, 2560] as const;
export const THEMES = ["light", "dark"] as const;

export interface Opened {
  readonly page: Page;
  /** Addresses of everything that was asked for, the page itself included. */
  readonly requests: readonly string[];
  /** Errors of scripts, and what the policy forbade. */
  readonly complaints: readonly string[];
  readonly close: () => Promise<void>;
}

let browser: Browser | undefined;

/** To be called once in a test file. */
export function useBrowser(): void {
  beforeAll(async () => {
    if (withoutChromium) return;
    // Root has no sandbox of Chromium's; nothing but our own pages is opened.
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  });
  afterAll(async () => {
    await browser?.close();
  });
}

export async function open(url: string, options: BrowserContextOptions = {}): Promise<Opened> {
  if (browser === undefined) throw new Error("no browser was started");
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const requests: string[] = [];
  const complaints: string[] = [];
  page.on("request", (request) => requests.push(request.url()));
  page.on("pageerror", ({ message }) => complaints.push(message));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  await page.goto(url);
  return { page, requests, complaints, close: async () => await context.close() };
}

/** What axe finds, each with the first element that it concerns. */
export async function violationsIn(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  return await page.evaluate(async () => {
    const { axe: inPage } = globalThis as unknown as {
      axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
    };
    const { violations } = await inPage.run();
    return violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html ?? ""}`);
  });
}

export async function shoot(page: Page, name: string, fullPage = true): Promise<void> {
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage });
}

/** Nothing but what scrolls by itself is wider than the screen. */
export async function expectToFit(page: Page): Promise<void> {
  const [wide, room] = await page.evaluate<[number, number]>(
    "[document.documentElement.scrollWidth, window.innerWidth]",
  );
  expect(wide).toBeLessThanOrEqual(room);
}
