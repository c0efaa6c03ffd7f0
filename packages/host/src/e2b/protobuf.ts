/**
 * Just enough of Protocol Buffers to read an answer: a message's fields by number; strings and
 * messages keep their bytes. Source: https://protobuf.dev/programming-guides/encoding/
 */

const VARINT = 0;
const FIXED_64 = 1;
const LENGTH = 2;
const FIXED_32 = 5;
/** A number has ten bytes at most, seven bits each. */
const VARINT_BYTES = 10;

/** Reads from the start; throws a RangeError where the bytes end too early. */
function varint(bytes: Buffer, at: number): { readonly value: bigint; readonly end: number } {
  let value = 0n;
  for (let i = 0; i < VARINT_BYTES; i += 1) {
    const byte = bytes.readUInt8(at + i);
    value |= BigInt(byte & 0x7f) << BigInt(7 * i);
    if (byte < 0x80) return { value, end: at + i + 1 };
  }
  throw new RangeError("a number has more than ten bytes");
}

/**
 * Strings and messages by field number; of a field that comes more than once, the last, as for any
 * field that is not repeated. Throws a RangeError where the bytes are no message.
 */
export function messageFields(bytes: Buffer): ReadonlyMap<number, Buffer> {
  const fields = new Map<number, Buffer>();
  let at = 0;
  while (at < bytes.length) {
    const key = varint(bytes, at);
    const [field, type] = [Number(key.value >> 3n), Number(key.value & 7n)];
    at = key.end;
    if (type === VARINT) at = varint(bytes, at).end;
    else if (type === FIXED_64) at += 8;
    else if (type === FIXED_32) at += 4;
    else if (type === LENGTH) {
      const length = varint(bytes, at);
      at = length.end + Number(length.value);
      if (at <= bytes.length) fields.set(field, bytes.subarray(length.end, at));
    } else throw new RangeError(`field ${field} has the unknown wire type ${type}`);
    if (at > bytes.length) throw new RangeError("the message ends early");
  }
  return fields;
}
