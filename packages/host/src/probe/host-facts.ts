/** Facts about the machine that no KVM gives: kernel, firmware, what it runs on. */
import { readdirSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import type { HostFacts } from "@evenkeel/core";

function read(root: string, path: string): string | undefined {
  try {
    const text = readFileSync(join(root, path), "utf8").trim();
    return text === "" ? undefined : text;
  } catch {
    // The kernel or the firmware does not say; every fact here is optional.
    return undefined;
  }
}

/** The first value of a key in /proc/cpuinfo. */
function cpuinfoValue(cpuinfo: string, key: string): string | undefined {
  const line = cpuinfo.split("\n").find((text) => text.split(":")[0]?.trim() === key);
  const value = line?.slice(line.indexOf(":") + 1).trim();
  return value === "" ? undefined : value;
}

/** x86 CPUs tell by a bit whether a hypervisor runs them; its name is in the firmware or nowhere. */
function hypervisor(root: string, cpuinfo: string): string | undefined {
  const flags = cpuinfoValue(cpuinfo, "flags");
  if (flags === undefined) return undefined;
  if (!flags.split(" ").includes("hypervisor")) return "none";
  const dmi = ["sys_vendor", "product_name"].flatMap(
    (n) => read(root, `sys/class/dmi/id/${n}`) ?? [],
  );
  return read(root, "sys/hypervisor/type") ?? (dmi.length > 0 ? dmi.join(" ") : "unknown");
}

/** `root`: where /proc and /sys are. */
export function readHostFacts(root = "/"): HostFacts {
  const cpuinfo = read(root, "proc/cpuinfo") ?? "";
  const facts: { readonly [K in keyof HostFacts]: string | undefined } = {
    kernel: read(root, "proc/sys/kernel/osrelease") ?? release(),
    microcode: cpuinfoValue(cpuinfo, "microcode"),
    biosVersion: read(root, "sys/class/dmi/id/bios_version"),
    biosRevision: read(root, "sys/class/dmi/id/bios_release"),
    cpuModel: cpuinfoValue(cpuinfo, "model name"),
    bootId: read(root, "proc/sys/kernel/random/boot_id"),
    smt: read(root, "sys/devices/system/cpu/smt/control"),
    hypervisor: hypervisor(root, cpuinfo),
  };
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined));
}

/** The CPU as /proc/cpuinfo names it on x86; members that it does not name are undefined. */
export interface CpuIdentity {
  readonly vendor: string | undefined;
  readonly family: number | undefined;
  readonly model: number | undefined;
  readonly stepping: number | undefined;
}

/** `root`: where /proc is. */
export function readCpuIdentity(root = "/"): CpuIdentity {
  const cpuinfo = read(root, "proc/cpuinfo") ?? "";
  const number = (key: string) => {
    const text = cpuinfoValue(cpuinfo, key);
    return text === undefined || !/^\d+$/.test(text) ? undefined : Number(text);
  };
  return {
    vendor: cpuinfoValue(cpuinfo, "vendor_id"),
    family: number("cpu family"),
    model: number("model"),
    stepping: number("stepping"),
  };
}

/** The module behind KVM, e.g. `kvm_amd`; undefined where it is built in without a name. */
export function kvmBackend(root = "/"): string | undefined {
  try {
    const modules = readdirSync(join(root, "sys/module")).filter((name) => name.startsWith("kvm_"));
    return modules.length === 0 ? undefined : modules.toSorted().join(", ");
  } catch {
    return undefined;
  }
}
