/** Nodes of an aarch64 class whose KVM takes the same writes, as far as is known. */
import { groupBy } from "../../group.ts";
import type { NodeProfile } from "../profile.ts";
import { writerOf, type ArmWriter } from "./takes.ts";

interface ClassWriter {
  readonly writer: ArmWriter;
  readonly nodes: readonly string[];
}

/** Text that is the same where two nodes' KVMs are known to take the same writes. */
export function armWriterKey({ host, kvm }: NodeProfile): string {
  const { release, distribution } = writerOf(host.kernel, kvm);
  const fields = kvm?.takenFields?.map(({ id, hi, lo, values, ignored }) =>
    [id.toString(16), hi, lo, values.join(), ignored.join()].join(":"),
  );
  return `${release ?? "?"} ${distribution} ${fields?.join(" ") ?? "untried"}`;
}

export function writersOf(profiles: readonly NodeProfile[]): ClassWriter[] {
  return [...groupBy(profiles, armWriterKey).values()].flatMap((alike) =>
    alike.slice(0, 1).map(({ host, kvm }) => {
      return { writer: writerOf(host.kernel, kvm), nodes: alike.map(({ name }) => name) };
    }),
  );
}
