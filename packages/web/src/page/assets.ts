/** The style sheet and the script of all pages: files, so that they are checked as what they are. */
import { readFileSync } from "node:fs";

/** Each place is written out: a build finds the files by them. */
const FILES = {
  css: () => readFileSync(new URL("../../assets/page.css", import.meta.url), "utf8"),
  js: () => readFileSync(new URL("../../assets/page.js", import.meta.url), "utf8"),
};

const texts = new Map<keyof typeof FILES, string>();

/** Read once. */
export function assetText(name: keyof typeof FILES): string {
  const text = texts.get(name) ?? FILES[name]();
  texts.set(name, text);
  return text;
}
