/**
 * libvirt's `<cpu>`: a model's name and features by theirs, as in `virsh capabilities`, a domain's
 * XML, or what `virsh cpu-baseline --features` prints.
 * Source: https://libvirt.org/formatdomain.html#cpu-model-and-topology and formatcaps.html.
 */
import { badDump, type RawDump } from "../../kvm/dump.ts";
import type { Vendor } from "../../tables/field.ts";
import type { FamilyModelStepping } from "../../tables/models.ts";
import { fieldByName } from "../../tables/lookup.ts";
import { NAMED_MODELS, VMM_NAMES } from "../../tables/vmm-names.ts";
import { composeCpu } from "./names.ts";
import { xmlTags, type XmlTag } from "./xml.ts";

export function isLibvirtModel(text: string): boolean {
  // One after the other: a pattern for all of it would try each comment with each end there is.
  const skipped = /\s+|<\?xml[^<>]{0,200}\?>|<!--[\s\S]*?-->/y;
  let at = 0;
  while (skipped.exec(text) !== null) at = skipped.lastIndex;
  return /^<cpu[\s>]/.test(text.slice(at, at + 5));
}

/** Elements whose text is what they say; as attributes, they are tags like all others. */
const TEXT = /<(arch|model|vendor)((?:\s[^<>]{0,400})?)>([\w.-]{1,80})<\/\1>/g;

/** Policies by which a guest has the feature; `optional` says that it may. */
const ON: ReadonlySet<string> = new Set(["require", "force"]);
const OFF: ReadonlySet<string> = new Set(["disable", "forbid"]);
const VENDORS: Readonly<Record<string, Vendor>> = { Intel: "intel", AMD: "amd" };

interface Told {
  readonly on: Set<string>;
  readonly optional: Set<string>;
  model: XmlTag | undefined;
  vendor: Vendor | undefined;
  signature: FamilyModelStepping | undefined;
  physicalBits: number | undefined;
}

function numberOf({ attributes, line, name }: XmlTag, key: string, most: number): number {
  const text = attributes.get(key) ?? "";
  const value = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (value <= most) return value;
  return badDump(line, `${key} of <${name}> must be a number up to ${most}, but is "${text}"`);
}

function readFeature(tag: XmlTag, told: Told): void {
  const name = tag.attributes.get("name");
  if (name === undefined) badDump(tag.line, "<feature> lacks name");
  // Without a policy it is a host's, which has it.
  const policy = tag.attributes.get("policy") ?? "require";
  if (ON.has(policy)) told.on.add(name);
  else if (policy === "optional") told.optional.add(name);
  else if (!OFF.has(policy)) badDump(tag.line, `unknown policy ${JSON.stringify(policy)}`);
}

function readVendor({ attributes, line }: XmlTag): Vendor {
  const name = attributes.get("text") ?? "";
  const vendor = Object.hasOwn(VENDORS, name) ? VENDORS[name] : undefined;
  return vendor ?? badDump(line, `vendor must be Intel or AMD, but is ${JSON.stringify(name)}`);
}

function readTag(tag: XmlTag, told: Told): void {
  if (tag.name === "feature") readFeature(tag, told);
  else if (tag.name === "model") told.model = tag;
  else if (tag.name === "vendor") told.vendor = readVendor(tag);
  else if (tag.name === "maxphysaddr" && tag.attributes.has("bits")) {
    told.physicalBits = numberOf(tag, "bits", 64);
  } else if (tag.name === "signature") {
    told.signature = {
      family: numberOf(tag, "family", 0x10e),
      model: numberOf(tag, "model", 0xff),
      stepping: numberOf(tag, "stepping", 15),
    };
  } else if (tag.name === "arch" && tag.attributes.get("text") !== "x86_64") {
    badDump(tag.line, "arch must be x86_64");
  }
}

function readTold(text: string): Told {
  const flat = text.replaceAll(TEXT, (_, name: string, attributes: string, said: string) => {
    return `<${name}${attributes} text="${said}"/>`;
  });
  const found: Told = {
    on: new Set(),
    optional: new Set(),
    model: undefined,
    vendor: undefined,
    signature: undefined,
    physicalBits: undefined,
  };
  let depth = 0;
  let closed = false;
  for (const tag of xmlTags(flat)) {
    if (closed) badDump(tag.line, `unexpected <${tag.name}> after </cpu>`);
    if (tag.kind === "open") depth++;
    else if (tag.kind === "close") depth--;
    // What stands deeper, such as caches of a NUMA cell, is no word about features.
    else if (depth === 1) readTag(tag, found);
    closed = depth === 0;
  }
  if (!closed) badDump(text.split("\n").length, "the text ends before </cpu>");
  return found;
}

/** Which rows a vendor's names mean. Names without a row come back as they are. */
function rowsNamed(names: ReadonlySet<string>, vendor: Vendor): string[] {
  return [...names].flatMap((name) => {
    const rows = VMM_NAMES.filter(({ field, libvirt }) => {
      const row = libvirt === name ? fieldByName(field) : undefined;
      return row !== undefined && "vendors" in row && row.vendors.includes(vendor);
    });
    return rows.length > 0 ? rows.map(({ field }) => field) : [name];
  });
}

/** A model's own features are not in the text, unless every one is listed: then its FPU is. */
function incompleteness({ on, optional }: Told, model: string): string[] {
  return [
    ...(on.has("fpu")
      ? []
      : [
          `the features that ${model} implies are not listed; ` +
            "`virsh cpu-baseline --features` lists them all",
        ]),
    ...(optional.size === 0
      ? []
      : [`guests may lack these, depending on the host: ${[...optional].join(" ")}`]),
  ];
}

export function readLibvirtModel(text: string): RawDump {
  const found = readTold(text);
  const { model: tag } = found;
  const name = tag?.attributes.get("text");
  if (tag === undefined || name === undefined) return badDump(1, "<cpu> names no <model>");
  const known = NAMED_MODELS.find((model) => model.name === name);
  const vendor = found.vendor ?? known?.vendor;
  const signature = found.signature ?? known?.shows;
  if (vendor === undefined || signature === undefined) {
    const names = NAMED_MODELS.map((model) => model.name).join(", ");
    return badDump(
      tag.line,
      `${name} is not a known model (${names}): also give <vendor> and <signature family= model= stepping=>`,
    );
  }
  const { cpu, unknown, incomplete } = composeCpu({
    label: "the model",
    line: tag.line,
    vendor,
    signature,
    brand: undefined,
    // libvirt sets it for every guest; in a dump it would say that the host is one.
    flags: rowsNamed(found.on, vendor).filter((flag) => flag !== "HYPERVISOR"),
    unsaid: new Set(),
    maxBasicLeaf: undefined,
    physicalBits: found.physicalBits,
    linearBits: undefined,
  });
  return {
    format: "libvirt cpu model",
    cpus: [cpu],
    host: {},
    notes: [
      "features only, by libvirt's names",
      ...(unknown.length === 0
        ? []
        : [`features without a row in the tables: ${unknown.join(" ")}`]),
    ],
    incomplete: [...incompleteness(found, name), ...incomplete],
  };
}
