/**
 * QEMU's answer to `query-cpu-model-expansion` (QMP): properties of an x86 CPU model, those that
 * are true being the features.
 * Source: https://qemu-project.gitlab.io/qemu/interop/qemu-qmp-ref.html.
 */
import { isObject, Problems, type JsonObject } from "../../json/problems.ts";
import { number } from "../../json/reader.ts";
import { vendorNamed } from "../../tables/vendors.ts";
import { composeCpu, type NamedCpu } from "./names.ts";
import type { RawDump } from "../../kvm/dump.ts";

/** Properties that are settings of QEMU or parts of nested virtualization, not features. */
const QEMUS_OWN =
  /^(?:check|enforce|migratable|host-phys-bits|pmu|tcg-cpuid|xen-vapic|lmce|full-cpuid-auto-level|fill-mtrr-mask|cpuid-0xb|l3-cache|legacy-cache|cache-info-passthrough|start-powered-off|realized|hotplugged|hotpluggable|pcommit|(?:hv|vmx|vmware|x|svm|kvm|kvmclock|xen|v|avic|lbrv|npt|nrip|nrip-save|nrip_save|decodeassists|flushbyasid|pausefilter|pfthreshold|tsc-scale|tsc_scale|vmcb-clean|vmcb_clean|vgif|vnmi)(?:-.*|_.*)?)$/;

function modelOf(json: JsonObject): unknown {
  const answer = json["return"] ?? json;
  return isObject(answer) ? answer["model"] : undefined;
}

export function isQemuModel(json: JsonObject): boolean {
  const model = modelOf(json);
  return isObject(model) && isObject(model["props"]);
}

/** The answer among what QEMU printed: a greeting and one answer per command, each on a line. */
export function isQmpLines(text: string): boolean {
  return text.startsWith('{"QMP"') && text.includes("\n");
}

/** 0 is QEMU's way to leave a number to the accelerator. */
function unlessZero(value: unknown): number | undefined {
  return typeof value === "number" && value > 0 && value < 2 ** 31 ? value : undefined;
}

export function readQemuModel(json: JsonObject): RawDump {
  const problems = new Problems("model.props");
  const model = modelOf(json);
  const props = isObject(model) && isObject(model["props"]) ? model["props"] : {};
  const vendor = vendorNamed(typeof props["vendor"] === "string" ? props["vendor"] : "");
  if (vendor === undefined) {
    problems.add("must be GenuineIntel or AuthenticAMD", "vendor");
  }
  // QEMU sets it for every guest; in a dump it would say that the host is one.
  const flags = Object.keys(props).filter((key) => props[key] === true && key !== "hypervisor");
  const physicalBits = unlessZero(props["phys-bits"]);
  const numberAt = (key: string, most: number) =>
    problems.within(key, number(`a number up to ${most}`, { least: 0, most }), props[key]);
  const named: Omit<NamedCpu, "vendor"> = {
    label: "the model",
    line: 1,
    signature: {
      family: numberAt("family", 0x10e),
      model: numberAt("model", 0xff),
      stepping: numberAt("stepping", 0xf),
    },
    brand: typeof props["model-id"] === "string" ? props["model-id"] : undefined,
    flags,
    unsaid: new Set(),
    maxBasicLeaf: unlessZero(props["level"]),
    physicalBits: physicalBits !== undefined && physicalBits <= 64 ? physicalBits : undefined,
    linearBits: undefined,
  };
  problems.throwIfAny("BAD_FIELD");
  if (vendor === undefined) throw new Error("an unknown vendor is a problem by itself");
  const { cpu, unknown, incomplete } = composeCpu({ ...named, vendor });
  const unnamed = unknown.filter((flag) => !QEMUS_OWN.test(flag));
  return {
    format: "QEMU query-cpu-model-expansion",
    cpus: [cpu],
    host: {},
    notes: [
      "features only, as QEMU would give them to its own guest",
      ...(unnamed.length === 0
        ? []
        : [`properties without a row in the tables: ${unnamed.join(" ")}`]),
    ],
    incomplete,
  };
}
