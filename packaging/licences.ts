/** The licences of what a bundle contains, whose texts must travel with it. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

export interface Component {
  readonly name: string;
  readonly version: string;
  /** An SPDX expression. */
  readonly license: string;
  readonly text: string;
}

/** What its package.json says, for those that carry no text of their own. */
function textOf(folder: string, license: string): string {
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
  if (file !== undefined) return readFileSync(join(folder, file), "utf8").trim();
  return `Published under ${license}; the package carries no text of it.`;
}

/** Throws where a folder names no licence: nothing is bundled without one. */
function componentOf(folder: string): Component {
  const { name, version, license } = JSON.parse(
    readFileSync(join(folder, "package.json"), "utf8"),
  ) as { name: string; version: string; license?: string };
  if (license === undefined) throw new Error(`${basename(folder)}: its package names no licence`);
  return { name, version, license, text: textOf(folder, license) };
}

export function licencesText(components: readonly Component[]): string {
  const head =
    "evenkeel is licensed under Apache-2.0, see LICENSE. It contains these components, each\n" +
    "under its own licence:\n";
  const list = components.map(({ name, version, license }) => `  ${name} ${version}: ${license}`);
  const texts = components.map(
    ({ name, version, text }) => `\n${"=".repeat(78)}\n${name} ${version}\n\n${text}\n`,
  );
  return `${head}\n${list.join("\n")}\n${texts.join("")}`;
}

export function componentsIn(folders: readonly string[]): Component[] {
  return folders.filter((folder) => existsSync(join(folder, "package.json"))).map(componentOf);
}
