/**
 * XML as far as libvirt's `<cpudata>` needs it: elements with attributes, comments, a declaration.
 * No text, no entities, no DTD, so that nothing in it can refer to anything else.
 */
import { badDump } from "../../kvm/dump.ts";

export interface XmlTag {
  readonly kind: "open" | "empty" | "close";
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly line: number;
}

const SPACE = /\s*/y;
const SKIPPED = /<\?xml\s[^<>]{0,200}\?>|<!--[\s\S]*?-->/y;
const OPEN = /<([A-Za-z][\w.-]{0,60})/y;
const CLOSE = /<\/([A-Za-z][\w.-]{0,60})\s*>/y;
const ATTRIBUTE = /\s+([A-Za-z_][\w.:-]{0,60})\s*=\s*(?:"([^"<&]{0,200})"|'([^'<&]{0,200})')/y;
const END = /\s*(\/?)>/y;

/** Tags in the order of the text; throws BAD_DUMP with the line of what is no such XML. */
export function* xmlTags(text: string): Generator<XmlTag> {
  let offset = 0;
  let line = 1;
  let counted = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = offset;
    const found = pattern.exec(text);
    if (found !== null) offset += found[0].length;
    return found;
  };
  const lineHere = () => {
    for (; counted < offset; counted++) if (text.charCodeAt(counted) === 10) line++;
    return line;
  };
  for (;;) {
    take(SPACE);
    if (offset >= text.length) return;
    if (take(SKIPPED) !== null) continue;
    const number = lineHere();
    const closing = take(CLOSE);
    if (closing !== null) {
      yield { kind: "close", name: closing[1] ?? "", attributes: new Map(), line: number };
      continue;
    }
    const opening = take(OPEN);
    if (opening === null) {
      badDump(number, `not an XML tag: ${JSON.stringify(text.slice(offset, offset + 20))}`);
    }
    const attributes = new Map<string, string>();
    for (let found = take(ATTRIBUTE); found !== null; found = take(ATTRIBUTE)) {
      const name = found[1] ?? "";
      if (attributes.has(name)) badDump(lineHere(), `duplicate attribute ${name}`);
      attributes.set(name, found[2] ?? found[3] ?? "");
    }
    const end = take(END);
    if (end === null) badDump(lineHere(), `<${opening[1]}> has a damaged attribute or no end`);
    const kind = end[1] === "/" ? "empty" : "open";
    yield { kind, name: opening[1] ?? "", attributes, line: number };
  }
}
