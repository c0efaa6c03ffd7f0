/** A probed node for people: the machine, whether it enforces templates, what guests see. */
import {
  cpuModel,
  cpuTypeOf,
  decode,
  formatFms,
  formatLines,
  ignoresTemplates,
  knownVersions,
  levelOf,
  simulate,
  type NodeProfile,
} from "@evenkeel/core";
import { enforcementLines } from "./enforcement.ts";
import { featureLines } from "./features.ts";
import { heading, paragraph } from "./layout.ts";
import { fact, isFeature } from "./show.ts";

function modelLine(profile: NodeProfile): string | undefined {
  const own = profile.host.cpuModel;
  const type = cpuTypeOf(profile.cpu);
  const model = type === undefined ? undefined : cpuModel(profile.cpu, type);
  if (model?.signature === undefined) return own;
  const known = `${model.name} (${formatFms(model.signature)})`;
  return own === undefined ? known : `${known}, calls itself ${own}`;
}

function tscText({ tsc }: NodeProfile): string | undefined {
  if (tsc === undefined) return undefined;
  return `${tsc.khz} kHz, ${tsc.scaling === true ? "can be scaled" : "cannot be scaled"} for guests`;
}

function machineLines(profile: NodeProfile): string[] {
  const { host, kvm, firecracker } = profile;
  const runsOn = host.hypervisor === "none" ? "bare metal" : `a hypervisor (${host.hypervisor})`;
  const bios = [host.biosVersion, host.biosRevision].filter((part) => part !== undefined);
  return [
    ...fact("CPU", modelLine(profile)),
    ...fact("kernel", host.kernel),
    ...fact("microcode", host.microcode),
    ...fact("BIOS", bios.join(", revision ")),
    ...fact("SMT", host.smt),
    ...fact("runs on", host.hypervisor === undefined ? undefined : runsOn),
    ...fact("KVM", kvm === undefined ? undefined : `API ${kvm.apiVersion}, ${kvm.backend ?? "?"}`),
    ...fact("TSC", tscText(profile)),
    ...fact("Firecracker", firecracker.length === 0 ? "none found" : firecracker.join(", ")),
    ...(profile.notes ?? []).flatMap((note) => fact("note", note)),
    ...fact("incomplete", profile.incomplete.join("; ")),
  ];
}

interface Guest {
  readonly lines: string[];
  readonly features: { readonly name: string; readonly group: string }[];
}

/** What guests see without a template; release lines that show the same are grouped. */
function guestsOf(profile: NodeProfile, lines: readonly string[]): Guest[] {
  const type = cpuTypeOf(profile.cpu);
  if (type === undefined || type === "aarch64") return [];
  const guests = new Map<string, Guest>();
  for (const line of lines) {
    const view = simulate(profile.cpu, type, line);
    const features = decode({ type, ...view }).filter(isFeature);
    const key = features.map(({ name }) => name).join();
    const known = guests.get(key);
    if (known === undefined) guests.set(key, { lines: [line], features });
    else known.lines.push(line);
  }
  return [...guests.values()];
}

function guestLines(profile: NodeProfile): string[] {
  const { lines, installed } = knownVersions(profile.firecracker);
  const where = installed ? "" : " (none is installed)";
  return guestsOf(profile, lines).flatMap(({ lines: own, features }) => {
    const level = levelOf(new Set(features.map(({ name }) => name)));
    const title = `Guests of Firecracker ${formatLines(own)}${where}, without a template`;
    return [
      "",
      heading(`${title}: ${features.length} features, ${level}`),
      ...featureLines(features, 2),
    ];
  });
}

function nextLines(profile: NodeProfile, out: string | undefined): string[] {
  if (out === undefined) return paragraph("Keep the profile: evenkeel probe --out FILE", 2);
  const written = `${out} is written.`;
  if (ignoresTemplates(profile)) return paragraph(written, 2);
  return paragraph(`${written} Plan it with the others: evenkeel plan ${out} …`, 2);
}

export function probeReport(profile: NodeProfile, out: string | undefined): string {
  return [
    heading(`Node ${profile.name} (${profile.cpu.arch})`),
    ...(profile.estimate
      ? paragraph(
          "An estimate made without KVM: good for planning, but no verdict on it is compatible.",
          2,
        )
      : []),
    ...machineLines(profile),
    ...enforcementLines(profile),
    ...guestLines(profile),
    "",
    heading("Next"),
    ...nextLines(profile, out),
    "",
  ].join("\n");
}
