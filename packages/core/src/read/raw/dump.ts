/** What the readers of foreign dumps share: lines, and CPUs that are collected line by line. */
import { keyOf, type CpuidEntry } from "../../cpuid.ts";
import { CoreError } from "../../errors.ts";
import type { HostFacts } from "../../profile/profile.ts";
import { at, badDump, type RawCpu, type RawDump } from "../../kvm/dump.ts";

/** Lines with their numbers, whatever ends them. */
export function* numberedLines(text: string): Generator<readonly [line: string, number: number]> {
  let number = 0;
  let start = 0;
  while (start < text.length) {
    const end = text.indexOf("\n", start);
    const line = text.slice(start, end < 0 ? text.length : end);
    yield [line.endsWith("\r") ? line.slice(0, -1) : line, ++number];
    if (end < 0) return;
    start = end + 1;
  }
}

export function hex(digits: string | undefined): number {
  return Number.parseInt(digits ?? "", 16);
}

/** What a dump says that has nothing but CPUs. */
export function rawDump(format: string, cpus: RawDump["cpus"], host: HostFacts = {}): RawDump {
  return { format, cpus, host, notes: [], incomplete: [] };
}

interface Building {
  readonly label: string;
  readonly line: number;
  readonly entries: Map<string, CpuidEntry>;
  readonly msrs: Map<number, bigint>;
}

/** What a dump may hold: far above any machine, far below what exhausts a reader's memory. */
export const MOST_CPUS = 8192;
const MOST_ENTRIES = 4096;

export class DumpBuilder {
  readonly #cpus: Building[] = [];
  readonly #byLabel = new Map<string, Building>();

  /** Further entries belong to this CPU; a label that was there before continues its CPU. */
  begin(label: string, line: number): void {
    const known = this.#byLabel.get(label);
    if (known !== undefined) {
      this.#cpus.splice(this.#cpus.indexOf(known), 1);
      this.#cpus.push(known);
      return;
    }
    if (this.#cpus.length === MOST_CPUS) badDump(line, `more than ${MOST_CPUS} logical CPUs`);
    const cpu = { label, line, entries: new Map(), msrs: new Map() };
    this.#cpus.push(cpu);
    this.#byLabel.set(label, cpu);
  }

  /** The CPU at hand; a dump of one CPU may go without naming it. */
  #current(line: number): Building {
    const cpu = this.#cpus.at(-1);
    if (cpu !== undefined) return cpu;
    this.begin("CPU 0", line);
    return this.#current(line);
  }

  entry(entry: Omit<CpuidEntry, "flags">, line: number): void {
    const { label, entries } = this.#current(line);
    const key = keyOf(entry);
    if (entries.has(key)) badDump(line, `duplicate leaf for ${label}`);
    if (entries.size === MOST_ENTRIES) badDump(line, `more than ${MOST_ENTRIES} leaves`);
    entries.set(key, { ...entry, flags: 0 });
  }

  /** The first reading counts: some MSRs are read repeatedly to watch them change. */
  msr(addr: number, value: bigint, line: number): void {
    const { msrs } = this.#current(line);
    if (msrs.size < MOST_ENTRIES && !msrs.has(addr)) msrs.set(addr, value);
  }

  /** The CPUs in the order of the text; throws where there is none. */
  cpus(): readonly [RawCpu, ...RawCpu[]] {
    const [first, ...rest] = this.#cpus
      .filter(({ entries }) => entries.size > 0)
      .toSorted((a, b) => a.line - b.line);
    if (first === undefined) {
      throw new CoreError("BAD_DUMP", [{ path: at(1), message: "names no CPUID leaf" }]);
    }
    return [first, ...rest];
  }
}
