/** What a microVM is made of, as a caller asks for it. */
import { z } from "zod";
import { Name } from "../names.ts";

/** As many as Firecracker takes. */
export const Vcpus = z.int().min(1).max(32);
export const MemoryMib = z.int().min(16).max(1_048_576);

const Seconds = z.int().min(1).max(3600);

/** How the agent knows that a guest is ready to be snapshotted. */
export const Readiness = z
  .discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("serial"),
      text: z
        .string()
        .min(1)
        .max(256)
        .meta({ description: "Text to wait for on the serial console." }),
      timeoutSeconds: Seconds.default(60),
    }),
    z.strictObject({
      kind: z.literal("vsock"),
      port: z.int().min(1).max(0xff_ff_ff_ff),
      timeoutSeconds: Seconds.default(60),
    }),
    z.strictObject({
      kind: z.literal("http"),
      port: z.int().min(1).max(0xff_ff_ff_ff).meta({ description: "A vsock port." }),
      path: z
        .string()
        .regex(/^\/[\x21-\x7e]{0,255}$/)
        .default("/"),
      timeoutSeconds: Seconds.default(60),
    }),
    z.strictObject({
      kind: z.literal("delay"),
      milliseconds: z.int().min(0).max(600_000),
    }),
  ])
  .meta({
    id: "Readiness",
    description:
      "serial: a text on the console; vsock: a listener on a port; http: a 2xx answer over vsock; " +
      "delay: a fixed time after the boot.",
  });

/** What shapes the guest CPU. Left out: as the agent is configured. */
export const CpuSelection = z
  .discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("none") }),
    z.strictObject({
      kind: z.literal("built-in"),
      name: z.enum(["T2", "T2S", "T2CL", "T2A", "C3", "V1N1"]),
    }),
    z.strictObject({
      kind: z.literal("template"),
      name: Name.optional().meta({ description: "The address as contracts write it." }),
      template: z
        .record(z.string(), z.unknown())
        .meta({ description: "A Firecracker custom CPU template." }),
    }),
  ])
  .meta({ id: "CpuSelection" });

const Disk = z
  .strictObject({
    id: Name,
    image: Name.meta({ description: "A file in the node's directory of images." }),
    readOnly: z.boolean().default(false),
    root: z.boolean().default(false),
  })
  .meta({ id: "Disk" });

/** The members of a machine; templates and cold sandboxes have the same. */
export const Machine = z
  .strictObject({
    kernel: Name.meta({ description: "A kernel of this node: <kernels>/<name>/vmlinux.bin." }),
    initrd: Name.optional().meta({ description: "A file in the node's directory of images." }),
    disks: z
      .array(Disk)
      .max(8)
      .default([])
      .refine((disks) => new Set(disks.map(({ id }) => id)).size === disks.length, {
        error: "has two disks with the same id",
      })
      .refine((disks) => disks.filter(({ root }) => root).length <= 1, {
        error: "has more than one root disk",
      }),
    bootArgs: z
      .string()
      .max(2048)
      .regex(/^[\x20-\x7e]*$/, { error: "must be printable ASCII" })
      .default("console=ttyS0 reboot=k panic=1 pci=off"),
    vcpus: Vcpus.default(1),
    smt: z.boolean().default(false),
    memoryMib: MemoryMib.default(256),
    vsock: z.boolean().default(false).meta({ description: "Give the guest a vsock, with CID 3." }),
    network: z.boolean().default(false).meta({
      description: "Give the guest a network interface: 169.254.0.21/30 behind 169.254.0.22.",
    }),
    firecracker: Name.optional().meta({
      description: "The release that boots it; GET /v1/health lists them.",
    }),
    cpu: CpuSelection.optional(),
  })
  .meta({ id: "Machine" });

export type Machine = z.infer<typeof Machine>;
export type Readiness = z.infer<typeof Readiness>;
export type CpuSelection = z.infer<typeof CpuSelection>;
