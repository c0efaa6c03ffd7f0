/** Confining a microVM, and its guest's network. */
import { statSync } from "node:fs";
import type { EgressPolicy as Asked } from "@evenkeel/api";
import {
  GUEST_BOOT_ARGUMENT,
  GUEST_NETWORK,
  HostError,
  type BootSpec,
  type Cell,
  type Drive,
  type EgressPolicy,
  type VmmDriver,
} from "@evenkeel/host";
import type { Context } from "./context.ts";
import { AgentError } from "../errors.ts";

interface Size {
  readonly vcpus: number;
  readonly memoryMib: number;
}

/** What a caller asks for, with what follows from it: names are looked up where egress is allowed. */
export function egressOf({ dns, ...policy }: Asked): EgressPolicy {
  return { ...policy, dns: dns ?? policy.default === "allow" };
}

/** Throws NETWORK_OFF where a guest would need a network that this node does not have. */
export function requireNetwork({ cells }: Context, wanted: boolean): void {
  if (!wanted || cells?.hasNetwork === true) return;
  throw new AgentError("NETWORK_OFF", "guest networks are not enabled on this node");
}

/** Throws EGRESS_REFUSED, NETWORK_OFF. */
export function requireEgress(context: Context, asked: Asked | undefined): void {
  if (asked === undefined) return;
  requireNetwork(context, true);
  try {
    context.cells?.checkEgress(egressOf(asked));
  } catch (cause) {
    if (!(cause instanceof HostError)) throw cause;
    throw new AgentError("EGRESS_REFUSED", cause.message, { cause });
  }
}

/** A slot for a microVM of a driver's whose disks stand in its directory; nothing where nothing is isolated. */
export async function takeCell(
  { cells, sandboxes }: Context,
  { binary }: VmmDriver,
  id: string,
  { vcpus, memoryMib }: Size,
  drives: readonly Drive[],
): Promise<{ cell?: Cell }> {
  if (cells === undefined) return {};
  const largestDisk = Math.max(0, ...drives.map(({ path }) => statSync(path).size));
  // A template's build is no sandbox: it has what the operator gives to all.
  const asked = sandboxes.find(id)?.record.egress;
  const egress = asked === undefined ? undefined : egressOf(asked);
  const which = binary === undefined ? {} : { binary };
  return { cell: await cells.take(id, { vcpus, memoryMib, largestDisk, egress, ...which }) };
}

/** What a boot is told of the guest's network. */
export function networkOf({ network, bootArgs }: { network: boolean; bootArgs: string }) {
  if (!network) return { bootArgs };
  const { id, tap, mac } = GUEST_NETWORK;
  const networks: BootSpec["networks"] = [{ id, hostDevice: tap, mac }];
  return { bootArgs: `${bootArgs} ${GUEST_BOOT_ARGUMENT}`, networks };
}
