/** The few C library calls that Node does not offer, through koffi. */
import { getSystemErrorMap } from "node:util";
import { HostError } from "../errors.ts";
import type { Request } from "./requests.ts";

interface Answer {
  /** What the call returned; negative where it failed. */
  readonly result: number;
  /** 0 where it did not fail. */
  readonly errno: number;
}

export interface Libc {
  /** Buffers are passed by address, numbers by value. */
  ioctl(fd: number, request: Request, argument?: Uint8Array | number): Answer;
  /** flock(2). */
  flock(fd: number, operation: number): Answer;
  /** x86-64 only. */
  archPrctl(code: number, argument: Uint8Array | number): Answer;
  /** Sets a limit, soft and hard, of a running process: prlimit(2). */
  setLimit(pid: number, resource: number, value: number): Answer;
  /** A buffer that stays where it is, for structs that hold a pointer. */
  withPinned<T>(size: number, use: (buffer: Pinned) => T): T;
}

interface Pinned {
  readonly address: bigint;
  /** The buffer itself; not to be kept. */
  readonly bytes: Uint8Array;
}

export const EINTR = 4;
export const E2BIG = 7;
export const EBUSY = 16;
export const EAGAIN = 11;

/** `argument list too long (E2BIG)`. */
export function errnoText(errno: number): string {
  const [name, words] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, "unknown error"];
  return `${words} (${name})`;
}

let loaded: Promise<Libc> | undefined;

/** Loads koffi on the first call. Throws NO_FFI where it has no library for this platform. */
export function loadLibc(): Promise<Libc> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<Libc> {
  try {
    const { default: koffi } = await import("koffi");
    const library = koffi.load(null);
    const ioctlNumber = library.func("ioctl", "int", ["int", "ulong", "uintptr_t"]);
    const ioctlBuffer = library.func("ioctl", "int", ["int", "ulong", "void *"]);
    const flock = library.func("flock", "int", ["int", "int"]);
    const answer = (result: number): Answer => ({
      result,
      errno: result < 0 ? koffi.errno() : 0,
    });
    return {
      ioctl: (fd, { number }, argument = 0) =>
        answer(
          typeof argument === "number"
            ? (ioctlNumber(fd, number, argument) as number)
            : (ioctlBuffer(fd, number, argument) as number),
        ),
      flock: (fd, operation) => answer(flock(fd, operation) as number),
      archPrctl: (code, argument) => {
        const type = typeof argument === "number" ? "uintptr_t" : "void *";
        return answer(library.func("arch_prctl", "int", ["int", type])(code, argument) as number);
      },
      setLimit: (pid, resource, value) => {
        const limit = new BigUint64Array([BigInt(value), BigInt(value)]);
        const types = ["int", "int", "void *", "void *"];
        return answer(
          library.func("prlimit64", "int", types)(pid, resource, limit, null) as number,
        );
      },
      withPinned: (size, use) => {
        const pointer = koffi.alloc("uint8_t", size) as object;
        try {
          const bytes = new Uint8Array(koffi.view(pointer, size));
          return use({ address: koffi.address(pointer), bytes });
        } finally {
          koffi.free(pointer);
        }
      },
    };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new HostError("NO_FFI", `cannot call into the system: ${why}`, { cause: error });
  }
}
