/** What following a function comes to. */
import { preferring, unknown, UNKNOWN, type Value } from "./values.ts";

/** What is known of a function before it is followed into. */
export interface Summary {
  readonly value: Value;
  /** What it leaves on its caller's stack, by the distance from its own entry's stack pointer. */
  readonly results: ReadonlyMap<number, Value>;
  /** Whether it writes answers through addresses that it is given. */
  readonly fills: boolean;
  /** Answers in other registers, as Go's functions return them. */
  readonly more: ReadonlyMap<number, Value>;
  /** Where it keeps answers in the structures that it is given. */
  readonly fields: ReadonlyMap<number, number>;
  /** Whether it comes back only where the answer was yes. */
  readonly refuses: boolean;
}

export interface Surroundings {
  load(address: number, size: number): Value | undefined;
  isAnswerField(displacement: number, size: number): boolean;
  /** What a call leads to: an address of code, or a place that holds one. */
  summary(target: number, argument: Value): Summary | undefined;
  summaryAt(place: number, argument: Value): Summary | undefined;
  /** The function that a place holds once the file is loaded, as far as nothing else is known. */
  heldAt(place: number): number | undefined;
  isCode(address: number): boolean;
  isData(address: number): boolean;
}

interface Call {
  readonly target: number;
  readonly open: boolean;
  /** The registers that carry arguments, by their numbers. */
  readonly values: ReadonlyMap<number, Value>;
}

export interface Store {
  readonly address: number;
  readonly value: Value;
  readonly open: boolean;
}

export interface Findings {
  readonly calls: readonly Call[];
  /** Addresses of functions and tables that are handed on or stored, and whether openly. */
  readonly taken: ReadonlyMap<number, boolean>;
  readonly stores: readonly Store[];
  /** Distances from the start of structures at which answers are kept, and their sizes. */
  readonly fields: ReadonlyMap<number, number>;
  readonly returned: Value;
  readonly results: ReadonlyMap<number, Value>;
  readonly more: ReadonlyMap<number, Value>;
  /** Iced's codes that run openly. */
  readonly open: ReadonlySet<number>;
  /** Whether it branches on an answer. */
  readonly chooses: boolean;
  /** Whether it fails, or never returns, only where the CPU has nothing. */
  readonly refuses: boolean;
  /** Whether it returns only where the CPU has something. */
  readonly returnsIfAny: boolean;
}

export interface Recording {
  calls: Call[];
  taken: Map<number, boolean>;
  /** What may be in other functions' hands. */
  handed: Map<number, boolean>;
  /** Tables of which this function itself picks something. */
  indexed: Set<number>;
  /** Addresses that came into a register, and places that were read. */
  named: Set<number>;
  loaded: number[];
  stores: Store[];
  fields: Map<number, number>;
  returned: { open: Value | undefined; guarded: Value | undefined };
  results: Map<number, Value>;
  more: Map<number, Value>;
  open: Set<number>;
  chooses: boolean;
  /** Whether it is not known which way an answer of no goes, and both may return. */
  lost: boolean;
}

export function newRecording(): Recording {
  return {
    calls: [],
    taken: new Map(),
    handed: new Map(),
    indexed: new Set(),
    named: new Set(),
    loaded: [],
    stores: [],
    fields: new Map(),
    returned: { open: undefined, guarded: undefined },
    results: new Map(),
    more: new Map(),
    open: new Set(),
    chooses: false,
    lost: false,
  };
}

function returnedOf({ open, guarded }: Recording["returned"]): Value {
  if (open === undefined) return guarded === undefined ? UNKNOWN : unknown(true);
  return guarded === undefined ? open : preferring(open, guarded);
}

/** `main` returns what it was told, or returns only where the answer was yes. */
function refusesBy({ returned: { open, guarded }, chooses }: Recording): boolean {
  if (open === undefined) return guarded !== undefined;
  if (open.kind === "unknown") return open.asked && chooses;
  return open.n !== 0 && open.asked;
}

/** What is read from the start of a table lies no further in it. */
const NEAR = 128;

/** Addresses that leave the function, or with which it does more than could be followed. */
function noteTaken(recording: Recording, around: Surroundings): void {
  const { taken, handed, indexed, named, loaded } = recording;
  // A table's address stays in its register when something else is called.
  for (const [address, open] of handed) {
    if (!indexed.has(address)) taken.set(address, open || taken.get(address) === true);
  }
  for (const address of named) {
    if (taken.has(address) || !around.isData(address)) continue;
    if (!loaded.some((place) => place >= address && place < address + NEAR))
      taken.set(address, true);
  }
}

/** The findings of a function that was followed to its end. */
export function findingsOf(recording: Recording, around: Surroundings): Findings {
  noteTaken(recording, around);
  const { returned } = recording;
  const returnsIfAny =
    returned.open === undefined && returned.guarded !== undefined && !recording.lost;
  return {
    ...recording,
    returned: returnedOf(returned),
    refuses: refusesBy(recording),
    returnsIfAny,
  };
}
