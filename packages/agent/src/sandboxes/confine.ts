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

/** The requested egress with defaults filled in: DNS is allowed if egress is. */
export function egressOf({ dns, ...policy }: Asked): EgressPolicy {
  return { ...policy, dns: dns ?? policy.default === "allow" };
}

/** Throws NETWORK_OFF if a guest needs a network and this node has none. */
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

/** A slot for a microVM whose disks are in its directory; undefined without isolation. */
export async function takeCell(
  { cells, sandboxes }: Context,
  { binary }: VmmDriver,
  id: string,
  { vcpus, memoryMib }: Size,
  drives: readonly Drive[],
): Promise<{ cell?: Cell }> {
  if (cells === undefined) return {};
  const largestDisk = Math.max(0, ...drives.map(({ path }) => statSync(path).size));
  // A template build is not a sandbox: it gets the operator's defaults.
  const asked = sandboxes.find(id)?.record.egress;
  const egress = asked === undefined ? undefined : egressOf(asked);
  const which = binary === undefined ? {} : { binary };
  return { cell: await cells.take(id, { vcpus, memoryMib, largestDisk, egress, ...which }) };
}

/** The guest network's part of a boot. */
export function networkOf({ network, bootArgs }: { network: boolean; bootArgs: string }) {
  if (!network) return { bootArgs };
  const { id, tap, mac } = GUEST_NETWORK;
  const networks: BootSpec["networks"] = [{ id, hostDevice: tap, mac }];
  return { bootArgs: `${bootArgs} ${GUEST_BOOT_ARGUMENT}`, networks };
}
