/**
 * Follows one function for a CPU that has nothing: which of its instructions run there, what it
 * calls, keeps and returns. What only runs where an answer was yes is guarded; the rest is open.
 */
import { Flow } from "../code/codes.ts";
import {
  findingsOf,
  newRecording,
  type Findings,
  type Recording,
  type Summary,
  type Surroundings,
} from "./findings.ts";
import type { IcedReader } from "../code/iced-reader.ts";
import { shortFlow } from "../code/short-flow.ts";
import type { Block, FunctionBytes } from "./blocks.ts";
import { ARGUMENTS, argumentsOf } from "./arguments.ts";
import { fixedPlace, isConditional } from "./branches.ts";
import { holds } from "./flags.ts";
import { afterCall, computedTarget, executeIced, executeShort } from "./machine.ts";
import type { Machine, Place } from "./operands.ts";
import { decodeShort, short } from "../code/short.ts";
import {
  copyState,
  entryState,
  joinParted,
  joinStates,
  preferState,
  isOwnSlot,
  RAX,
  RBX,
  RCX,
  RDI,
  RDX,
  RSP,
  sameState,
  setSlot,
  type State,
} from "./state.ts";
import { ASKED, isSame, join, markAsked, NO, UNKNOWN, type Value } from "./values.ts";

const MORE_RESULTS = [RDX, RBX, RCX, RDI];
/** So often all blocks are gone through before their function is given up. */
const MOST_SWEEPS = 64;

const NO_PARAMETERS: ReadonlyMap<number, Value> = new Map();

/** What is followed, and what decodes the rarer of its instructions. */
export interface Followable extends FunctionBytes {
  readonly blocks: readonly Block[];
  readonly iced: IcedReader;
}

class Follower {
  readonly #f: Followable;
  readonly #start: number;
  readonly #around: Surroundings;
  readonly #parameters: ReadonlyMap<number, Value>;
  readonly #blocks: readonly Block[];
  readonly #open: (State | undefined)[] = [];
  readonly #guarded: (State | undefined)[] = [];
  readonly #done = new Map<number, State>();
  readonly #resumes = new Set<number>();
  /** By block, guarded and open. */
  readonly #queued: Uint8Array;
  #waiting = 0;
  readonly recording: Recording = newRecording();
  #recorded = false;
  #isOpen = true;
  #state: State = entryState(new Map());

  constructor(
    f: Followable,
    start: number,
    around: Surroundings,
    parameters: ReadonlyMap<number, Value>,
  ) {
    this.#parameters = parameters;
    this.#f = f;
    this.#start = start;
    this.#around = around;
    this.#blocks = f.blocks;
    this.#queued = new Uint8Array(this.#blocks.length * 2);
  }

  /** Whether it came to an end. */
  run(): boolean {
    const parameters = this.#parameters;
    for (const [i, { root }] of this.#blocks.entries()) {
      if (root) this.#deliver(i, entryState(i === 0 ? parameters : NO_PARAMETERS), true);
    }
    // In the order of addresses, which is nearly that of execution: few blocks are met twice.
    for (let sweep = 0; this.#waiting > 0; sweep++) {
      if (sweep > MOST_SWEEPS) return false;
      for (let key = 0; key < this.#queued.length; key++) {
        if (this.#queued[key] === 0) continue;
        this.#queued[key] = 0;
        this.#waiting -= 1;
        this.#visit(key >> 1, (key & 1) === 1);
      }
    }
    this.#recorded = true;
    for (const i of this.#blocks.keys()) {
      const open = this.#open[i] !== undefined;
      const entering = this.#entering(i, open);
      if (entering !== undefined) this.#execute(i, open, entering);
    }
    return true;
  }

  #deliver(index: number, state: State, open: boolean, parted = false): void {
    if (this.#recorded) return;
    const states = open ? this.#open : this.#guarded;
    const known = states[index];
    const joined =
      known === undefined ? state : parted ? joinParted(known, state) : joinStates(known, state);
    if (known !== joined) {
      states[index] = joined;
      this.#enqueue(index * 2 + (open ? 1 : 0));
      // What is open is also judged by what meets it there.
      if (!open && this.#open[index] !== undefined) this.#enqueue(index * 2 + 1);
    }
    if (!open && this.#resumes.has(index)) this.#deliver(index, state, true, true);
  }

  #enqueue(key: number): void {
    if (this.#queued[key] === 1) return;
    this.#queued[key] = 1;
    this.#waiting += 1;
  }

  #entering(index: number, open: boolean): State | undefined {
    const state = open ? this.#open[index] : this.#guarded[index];
    const other = open ? this.#guarded[index] : undefined;
    if (state === undefined) return undefined;
    const entering = copyState(other === undefined ? state : preferState(state, other));
    entering.conditions = entering.conditions.filter((block) => block !== index);
    return entering;
  }

  #visit(index: number, open: boolean): void {
    const entering = this.#entering(index, open);
    const key = index * 2 + (open ? 1 : 0);
    const before = this.#done.get(key);
    if (entering === undefined || (before !== undefined && sameState(before, entering))) return;
    this.#done.set(key, entering);
    this.#execute(index, open, copyState(entering));
  }

  #execute(index: number, open: boolean, entering: State): void {
    const block = this.#blocks[index];
    if (block === undefined) return;
    this.#state = entering;
    this.#isOpen = open;
    const machine: Machine = { state: entering, memory: this, next: 0 };
    const { bytes, iced } = this.#f;
    for (let at = block.start; at < block.end;) {
      const length = decodeShort(bytes, at);
      if (length > 0) {
        at += length;
        machine.next = this.#start + at;
        this.#short(machine, shortFlow());
        continue;
      }
      const { code, length: size } = executeIced(machine, iced, at);
      if (this.#recorded && this.#isOpen) this.recording.open.add(code);
      at += size;
      machine.next = this.#start + at;
    }
    this.#leave(block, machine);
  }

  #short(machine: Machine, flow: Flow): void {
    if (flow === Flow.call32) this.#call(machine, this.#start + short.target);
    else if (flow === Flow.call) this.#callComputed(machine);
    else if (flow === Flow.next || flow === Flow.nop) executeShort(machine);
  }

  // What a machine's memory is.

  load(address: number, size: number): Value | undefined {
    const value = this.#around.load(address, size);
    if (this.#recorded && size === 8) this.recording.loaded.push(address);
    // What is not known may be a pointer to functions, or to tables of them.
    if (value === undefined && size === 8) this.take(address, false);
    return value;
  }

  isAnswerField(displacement: number, size: number): boolean {
    return this.#around.isAnswerField(displacement, size);
  }

  name(address: number): void {
    if (this.#recorded && this.#isOpen) this.recording.named.add(address);
  }

  take(address: number, asked: boolean): void {
    if (!this.#recorded || (!this.#around.isCode(address) && !this.#around.isData(address))) return;
    const { taken } = this.recording;
    const open = this.#isOpen && !asked;
    taken.set(address, open || taken.get(address) === true);
    this.recording.indexed.add(address);
  }

  store(place: Place, value: Value, size: number): void {
    if (!this.#recorded) return;
    this.#hand(value);
    const depends = value.asked || this.#state.conditions.length > 0 || !this.#isOpen;
    if (place.kind === "fixed") {
      const kept = depends ? markAsked(value) : value;
      this.recording.stores.push({ address: place.address, value: kept, open: this.#isOpen });
    } else if (place.kind === "field") {
      const { displacement } = place;
      if (value.asked) this.recording.fields.set(displacement, size);
    } else if (place.slot >= 8 && isOwnSlot(place.slot) && depends) {
      const { results } = this.recording;
      const known = results.get(place.slot);
      const kept = markAsked(value);
      results.set(place.slot, known === undefined ? kept : join(known, kept));
    }
  }

  /** An address that leaves the function's hands may be called, or read as a table. */
  #hand(value: Value): void {
    if (value.kind !== "number") return;
    if (!this.#around.isCode(value.n) && !this.#around.isData(value.n)) return;
    const { handed } = this.recording;
    handed.set(value.n, this.#isOpen || handed.get(value.n) === true);
  }

  #noteCall(target: number, open = this.#isOpen, jump = false): void {
    if (!this.#recorded) return;
    const values = argumentsOf(this.#state, jump);
    for (const value of values.values()) this.#hand(value);
    this.recording.calls.push({ target, open, values });
  }

  #call(machine: Machine, target: number): void {
    if (target === machine.next) return;
    this.#noteCall(target);
    this.#return(this.#around.summary(target, this.#state.registers[RDI] ?? UNKNOWN));
  }

  #callComputed(machine: Machine): void {
    const place = fixedPlace(machine);
    const argument = this.#state.registers[RDI] ?? UNKNOWN;
    const value = computedTarget(machine);
    const held = place === undefined ? undefined : this.#around.heldAt(place);
    if (value.kind === "number" && this.#around.isCode(value.n)) {
      this.#noteCall(value.n);
      this.#return(this.#around.summary(value.n, argument));
      return;
    }
    if (held !== undefined) this.#noteCall(held, this.#isOpen && !value.asked);
    else if (this.#recorded)
      for (const given of argumentsOf(this.#state, false).values()) this.#hand(given);
    const summary = place === undefined ? undefined : this.#around.summaryAt(place, argument);
    this.#return(summary);
  }

  /** What a call leaves behind. */
  #return(summary: Summary | undefined): void {
    // It comes back only where the answer was yes.
    if (summary?.refuses === true) this.#isOpen = false;
    const { registers } = this.#state;
    const top = registers[RSP];
    for (const register of ARGUMENTS) {
      const given = registers[register];
      if (given?.kind === "stack") this.#fill(given.n, summary);
      else if (given?.kind === "number" && summary?.fills === true && this.#recorded) {
        if (this.#around.isData(given.n)) {
          this.recording.stores.push({ address: given.n, value: NO, open: this.#isOpen });
        }
      }
    }
    afterCall(this.#state, summary?.value ?? UNKNOWN);
    for (const [register, value] of summary?.more ?? []) registers[register] = value;
    if (top?.kind !== "stack" || summary === undefined) return;
    for (const [slot, value] of summary.results) setSlot(this.#state, top.n + slot - 8, value);
  }

  /** The callee may have written to what it was given the address of. */
  #fill(slot: number, summary: Summary | undefined): void {
    for (const known of this.#state.stack.keys()) {
      if (known >= slot && known < slot + 256) setSlot(this.#state, known, UNKNOWN);
    }
    for (const field of summary?.fields.keys() ?? []) setSlot(this.#state, slot + field, ASKED);
    if (summary?.fills !== true) return;
    for (let at = slot; at < slot + 32; at += 4) setSlot(this.#state, at, NO);
  }

  #leave(block: Block, machine: Machine): void {
    const { flow } = block;
    if (flow === Flow.branch8 || flow === Flow.branch32) this.#branch(block);
    else if (flow === Flow.jump) this.#jump(block, machine);
    else if (flow === Flow.jump8 || flow === Flow.jump32) {
      if (block.next.length === 0) this.#tailCall(this.#start + short.target);
    } else if (block.leaves && flow === Flow.end) this.#noteReturn();
    else if (block.leaves) this.#noteCall(this.#start + block.end, this.#isOpen, true);
    if (flow === Flow.branch8 || flow === Flow.branch32 || flow === Flow.jump) return;
    for (const next of block.next) this.#deliver(next, this.#state, this.#isOpen);
  }

  #tailCall(target: number): void {
    this.#noteCall(target, this.#isOpen, true);
    const argument = this.#state.registers[RDI] ?? UNKNOWN;
    this.#noteCallee(this.#around.summary(target, argument));
  }

  /** What a callee returns is returned in its stead. */
  #noteCallee(summary: Summary | undefined): void {
    if (this.#recorded) {
      for (const [register, value] of summary?.more ?? []) this.recording.more.set(register, value);
    }
    this.#note(summary?.value ?? UNKNOWN);
  }

  #noteReturn(): void {
    const { registers } = this.#state;
    if (this.#recorded) {
      for (const register of MORE_RESULTS) {
        const value = registers[register];
        const given = this.#parameters.get(register);
        // What is left as it was given is no result.
        if (value?.asked !== true || (given !== undefined && isSame(given, value))) continue;
        this.recording.more.set(register, value);
      }
    }
    this.#note(registers[RAX] ?? UNKNOWN);
  }

  /** Notes what is returned. */
  #note(value: Value): void {
    if (!this.#recorded) return;
    this.#hand(value);
    const { returned } = this.recording;
    const depends = this.#state.conditions.length > 0;
    const kept = depends ? markAsked(value) : value;
    if (this.#isOpen)
      returned.open = returned.open === undefined ? kept : join(returned.open, kept);
    else returned.guarded = returned.guarded === undefined ? value : join(returned.guarded, value);
  }

  #branch(block: Block): void {
    const [through, taken] = block.next;
    const { flags } = this.#state;
    // JRCXZ and its like are iced's: nothing is known of them.
    const known = short.length > 0 && isConditional() ? holds(short.opcode & 15, flags) : undefined;
    const asked = known === undefined && !isConditional() ? false : flags.asked;
    const outside = taken === undefined ? this.#start + short.target : undefined;
    if (!asked) {
      if (known !== true && through !== undefined) this.#go(through, this.#isOpen);
      if (known === false) return;
      if (taken !== undefined) this.#go(taken, this.#isOpen);
      else if (outside !== undefined) this.#noteCall(outside, this.#isOpen, true);
      return;
    }
    this.recording.chooses = true;
    this.#part(block, known === undefined ? undefined : known ? taken : through);
    if (outside !== undefined) this.#noteCall(outside, this.#isOpen && known === true, true);
  }

  #go(next: number, open: boolean): void {
    this.#deliver(next, this.#state, open);
  }

  /** Ways part by an answer: `chosen` is taken where it is no; undefined where that is not known. */
  #part(block: Block, chosen: number | undefined): void {
    const { next } = block;
    // Where one of two ways never returns, who comes back was told yes.
    const refuses = next.length > 1 && this.#returning(next) === 1;
    const meets = refuses ? undefined : block.meets;
    const before = this.#state.conditions;
    const conditions = [...new Set([...before, block.meets ?? -1])].toSorted((x, y) => x - y);
    if (chosen === undefined && this.#isOpen && meets === undefined && !refuses) {
      this.recording.lost = true;
    }
    const { registers, stack, flags } = this.#state;
    const parted = { registers, stack, ownsStack: false, flags, conditions };
    for (const to of new Set(next)) {
      const open = this.#isOpen && (to === chosen || to === meets);
      this.#deliver(to, parted, open, to === meets && to !== chosen);
    }
    if (chosen !== undefined || !this.#isOpen || meets === undefined) return;
    if (this.#resumes.has(meets)) return;
    this.#resumes.add(meets);
    const waiting = this.#guarded[meets];
    if (waiting !== undefined) this.#deliver(meets, waiting, true, true);
  }

  /** How many of these blocks lead to the function's end. */
  #returning(blocks: readonly number[]): number {
    return blocks.filter((i) => this.#blocks[i]?.returns === true).length;
  }

  #jump(block: Block, machine: Machine): void {
    const place = fixedPlace(machine);
    const value = computedTarget(machine);
    if (block.next.length > 0) {
      const offset = value.kind === "number" ? value.n - this.#start : undefined;
      const chosen = block.next.find((i) => this.#blocks[i]?.start === offset);
      if (value.asked) {
        this.recording.chooses = true;
        this.#part(block, chosen);
      } else for (const next of block.next) this.#go(next, this.#isOpen);
      return;
    }
    if (value.kind === "number" && this.#around.isCode(value.n)) {
      this.#tailCall(value.n);
      return;
    }
    const held = place === undefined ? undefined : this.#around.heldAt(place);
    const argument = this.#state.registers[RDI] ?? UNKNOWN;
    if (held !== undefined) this.#noteCall(held, this.#isOpen && !value.asked);
    else if (this.#recorded)
      for (const given of argumentsOf(this.#state, false).values()) this.#hand(given);
    this.#noteCallee(place === undefined ? undefined : this.#around.summaryAt(place, argument));
  }
}

/** Undefined where it does not come to an end. */
export function followFunction(
  f: Followable,
  start: number,
  around: Surroundings,
  parameters: ReadonlyMap<number, Value>,
): Findings | undefined {
  const follower = new Follower(f, start, around, parameters);
  return follower.run() ? findingsOf(follower.recording, around) : undefined;
}
