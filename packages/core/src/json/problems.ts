/** Collects everything that is wrong with a file, each with its place, before saying so. */
import { CoreError, type CoreErrorCode, type Problem } from "../errors.ts";

/** A hostile file may have a problem in every line; a person reads the first few. */
const ENOUGH = 50;

/** The key of an object's member, or the index of a list's item. */
type Step = string | number;

export class Problems {
  readonly list: Problem[] = [];
  readonly #steps: Step[] = [];

  /** `place`: where in its document that stands which is read. */
  constructor(place = "") {
    if (place !== "") this.#steps.push(place);
  }

  /** Something is wrong with what is being read, or with a part of it. */
  add(message: string, part?: Step): void {
    if (this.list.length < ENOUGH) this.list.push({ path: this.place(part), message });
  }

  /** `cpuid_modifiers[3].leaf`: the place of what is being read, or of a part of it. */
  place(part?: Step): string {
    const steps = part === undefined ? this.#steps : [...this.#steps, part];
    return steps.reduce<string>(
      (path, step) =>
        typeof step === "number" ? `${path}[${step}]` : path === "" ? step : `${path}.${step}`,
      "",
    );
  }

  within<T>(
    part: Step,
    reader: { readonly read: (json: unknown, problems: Problems) => T },
    json: unknown,
  ): T {
    this.#steps.push(part);
    const value = reader.read(json, this);
    this.#steps.pop();
    return value;
  }

  throwIfAny(code: CoreErrorCode): void {
    if (this.list.length > 0) throw new CoreError(code, this.list);
  }
}

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What a value is, in a reader's words. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (value === undefined) return "missing";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** A string or a number as it stands, shortened; of all else its kind. */
export function foundText(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 40));
  return typeof value === "number" ? String(value) : kindOf(value);
}
