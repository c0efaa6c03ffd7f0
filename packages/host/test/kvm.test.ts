import { readdirSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatProfile, readDocument } from "@evenkeel/core";
import { HostError } from "../src/errors.ts";
import { callForList, withKvm, withVcpu, withVm } from "../src/kvm/device.ts";
import * as requests from "../src/kvm/requests.ts";
import {
  addVcpuFeature,
  cpuidBuffer,
  decodeCpuid,
  decodeMsrs,
  decodeRegister,
  encodeCpuid,
  encodeMsrs,
  encodeOneReg,
  registerSize,
  vcpuInitBuffer,
} from "../src/kvm/structs.ts";
import { readMsrs, setCpuid, supportedCpuid, withX86Vcpu, writeMsrs } from "../src/kvm/x86.ts";
import { probe } from "../src/probe/probe.ts";
import {
  canReadIndependently,
  entryOf,
  hasKvm,
  independentReading,
  openDescriptors,
  withoutApicIds,
} from "./kvm-support.ts";

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const entry = fc.record({
  leaf: u32,
  subleaf: u32,
  flags: u32,
  eax: u32,
  ebx: u32,
  ecx: u32,
  edx: u32,
});
const msr = fc.record({ addr: u32, value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) });

describe("KVM's structs", () => {
  test("CPUID lists come back as they were written", () => {
    fc.assert(
      fc.property(fc.array(entry), (entries) => {
        expect(decodeCpuid(encodeCpuid(entries))).toEqual(entries);
      }),
    );
  });

  test("MSR lists come back as far as KVM says it read them", () => {
    fc.assert(
      fc.property(fc.array(msr), fc.nat(40), (msrs, count) => {
        expect(decodeMsrs(encodeMsrs(msrs), count)).toEqual(msrs.slice(0, count));
      }),
    );
  });

  test("a count larger than its buffer is not believed", () => {
    const bytes = cpuidBuffer(2);
    new DataView(bytes.buffer).setUint32(0, 1000, true);
    expect(decodeCpuid(bytes)).toHaveLength(2);
  });

  test("a register's size is in its id, and its bytes are little-endian", () => {
    expect(registerSize(0x6030_0000_0013_c020n)).toBe(8);
    expect(registerSize(0x6040_0000_0010_0054n)).toBe(16);
    expect(decodeRegister(Uint8Array.from([0x34, 0x12, 0, 0]))).toBe(0x1234n);
    expect([...encodeOneReg(0x6030_0000_0013_c020n, 0x7fff_0000_1000n)]).toEqual([
      0x20, 0xc0, 0x13, 0, 0, 0, 0x30, 0x60, 0, 0x10, 0, 0, 0xff, 0x7f, 0, 0,
    ]);
  });

  test("a vCPU feature is a bit behind the target", () => {
    const init = vcpuInitBuffer();
    addVcpuFeature(init, 2);
    addVcpuFeature(init, 33);
    expect([...init.subarray(0, 12)]).toEqual([0, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0]);
  });

  test.runIf(canReadIndependently)("requests have the numbers of the kernel's header", () => {
    const lines = independentReading()("constants").map((line) => line.split(" "));
    const numbers = Object.values(requests).map(({ name, number }) => [name, number.toString(16)]);
    expect(new Map(numbers as [string, string][])).toEqual(new Map(lines as [string, string][]));
  });
});

describe.runIf(hasKvm)("this machine's KVM", () => {
  test.runIf(canReadIndependently)("is read the same by a program of its own", async () => {
    const read = independentReading();
    const profile = await probe({ name: "self" });
    expect(profile.cpu.cpuid).toEqual(withoutApicIds(read("supported").map(entryOf)));
    const [khz = ""] = read("tsc");
    expect(Math.abs((profile.tsc?.khz ?? 0) - Number(khz))).toBeLessThan(Number(khz) * 1e-3);
  });

  test.runIf(canReadIndependently)(
    "a trial agrees with a vCPU that was asked by hand",
    async () => {
      const read = independentReading();
      const { kvm } = await probe({ name: "self" });
      const masks = ["0", "ffffffff", "ffffffff", "ffffffff"];
      const back = read("cleared", "7", "0", ...masks).map(entryOf);
      const words = back.find(({ leaf, subleaf }) => leaf === 7 && subleaf === 0);
      expect(words).toBeDefined();
      const { ebx = 0, ecx = 0, edx = 0 } = words ?? {};
      const honoured = [ebx, ecx & ~(1 << 4), edx].every((word) => word === 0);
      const changed = kvm?.enforcement?.changed.some(({ leaf }) => leaf === 7) ?? false;
      expect(changed).toBe(!honoured);
    },
  );

  test("makes a profile that reads back as it was written", async () => {
    const profile = await probe({ name: "self", firecracker: ["1.14.1"] });
    expect(profile.incomplete).toEqual([]);
    expect(profile.cpu.msrs.map(({ addr }) => addr)).toContain(0x8b);
    const document = readDocument(JSON.parse(formatProfile(profile)), "");
    expect(document).toEqual({ kind: "profile", profile });
  });

  test("says the same whenever it is asked", async () => {
    const [first, second] = [await probe(), await probe()];
    expect({ ...second, tsc: first.tsc }).toEqual(first);
  });

  test("leaves no descriptor open, even where a step fails", async () => {
    await probe();
    const before = openDescriptors(readdirSync);
    await probe();
    await expect(probe({ kvm: "/dev/null" })).rejects.toThrow("is not KVM");
    const broken = withKvm("/dev/kvm", (kvm) =>
      withVm(kvm, (vm) =>
        withVcpu(vm, 0, () => {
          throw new Error("in the middle");
        }),
      ),
    );
    await expect(broken).rejects.toThrow("in the middle");
    expect(openDescriptors(readdirSync)).toBe(before);
  });

  test("is asked again with more room until a list fits", async () => {
    const rooms: number[] = [];
    const entries = await withKvm("/dev/kvm", (kvm) =>
      callForList(kvm, requests.KVM_GET_SUPPORTED_CPUID, 1, (count) => {
        rooms.push(count);
        return cpuidBuffer(count);
      }),
    );
    expect(rooms.slice(0, 3)).toEqual([1, 2, 4]);
    expect(decodeCpuid(entries).length).toBeGreaterThan(10);
  });

  test("MSRs that cannot be read or set are named, and the others are done", async () => {
    const UNKNOWN = 0x123_4567;
    await withKvm("/dev/kvm", (kvm) => {
      const cpuid = supportedCpuid(kvm);
      withX86Vcpu(kvm, (vcpu) => {
        setCpuid(vcpu, cpuid);
        const { msrs, unreadable } = readMsrs(vcpu, [0x174, UNKNOWN, 0x175]);
        expect(msrs.map(({ addr }) => addr)).toEqual([0x174, 0x175]);
        expect(unreadable).toEqual([UNKNOWN]);
        const value = 0x1000n;
        const refused = writeMsrs(vcpu, [
          { addr: UNKNOWN, value },
          { addr: 0x175, value },
        ]);
        expect(refused).toEqual([UNKNOWN]);
        expect(readMsrs(vcpu, [0x175]).msrs).toEqual([{ addr: 0x175, value }]);
      });
    });
  });

  test("a pinned buffer is where its address says", async () => {
    // Too little room for the list, so KVM writes the number of MSRs there are at the address.
    const pinned = await withKvm("/dev/kvm", ({ fd, libc }) =>
      libc.withPinned(4, (buffer) => {
        libc.ioctl(fd, requests.KVM_GET_MSR_INDEX_LIST, Number(buffer.address));
        return decodeRegister(buffer.bytes);
      }),
    );
    expect(pinned).toBeGreaterThan(10n);
  });

  test("errors are in words", async () => {
    const failing = withKvm("/dev/kvm", (kvm) => withVcpu(kvm, 0, () => 0));
    await expect(failing).rejects.toThrow(/^KVM_CREATE_VCPU: .+ \(E[A-Z]+\)$/);
    await expect(failing).rejects.toMatchObject({ code: "KVM_FAILED", exitCode: 3 });
  });
});

test("a machine without KVM is told what is missing", async () => {
  const error = await probe({ kvm: "/nonexistent/kvm" }).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(HostError);
  expect(error).toMatchObject({ code: "NO_KVM", exitCode: 3 });
  expect(String(error)).toContain("there is no such device");
});
