/**
 * SHA-256 of text, synchronous and without the host's crypto, so that `core` gives the same
 * digests in a browser. Source: FIPS 180-4.
 */
function primes(count: number): number[] {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) {
    if (found.every((p) => n % p !== 0)) found.push(n);
  }
  return found;
}

/** The first 32 bits of a number's fraction, which is how the standard defines its constants. */
function fractionBits(value: number): number {
  return ((value - Math.floor(value)) * 2 ** 32) >>> 0;
}

const ROUND_CONSTANTS = Int32Array.from(primes(64), (p) => fractionBits(Math.cbrt(p)));
const INITIAL_HASH = primes(8).map((p) => fractionBits(Math.sqrt(p)));

function rotateRight(x: number, n: number): number {
  return (x >>> n) | (x << (32 - n));
}

/** At most three bytes per UTF-16 unit. */
function utf8(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 3);
  let length = 0;
  while (length < text.length && text.charCodeAt(length) < 0x80) {
    bytes[length] = text.charCodeAt(length);
    length += 1;
  }
  const add = (byte: number) => {
    bytes[length++] = byte;
  };
  for (const character of text.slice(length)) {
    const point = character.codePointAt(0) ?? 0;
    if (point < 0x80) {
      add(point);
      continue;
    }
    const tails = point < 0x800 ? 1 : point < 0x1_0000 ? 2 : 3;
    // As many ones as there are bytes, then a zero.
    const head = (0xf00 >> (tails + 1)) & 0xff;
    add(head | (point >> (6 * tails)));
    for (let shift = 6 * (tails - 1); shift >= 0; shift -= 6) add(0x80 | ((point >> shift) & 0x3f));
  }
  return bytes.subarray(0, length);
}

function padded(bytes: Uint8Array): DataView {
  const length = Math.ceil((bytes.length + 9) / 64) * 64;
  const block = new Uint8Array(length);
  block.set(bytes);
  const view = new DataView(block.buffer);
  view.setUint8(bytes.length, 0x80);
  view.setUint32(length - 8, Math.floor((bytes.length * 8) / 2 ** 32));
  view.setUint32(length - 4, (bytes.length * 8) >>> 0);
  return view;
}

/** Words of one block, written anew for each. */
const words = new Int32Array(64);

function schedule(view: DataView, offset: number): void {
  for (let t = 0; t < 16; t++) words[t] = view.getInt32(offset + t * 4);
  for (let t = 16; t < 64; t++) {
    const w15 = words[t - 15] ?? 0;
    const w2 = words[t - 2] ?? 0;
    const s0 = rotateRight(w15, 7) ^ rotateRight(w15, 18) ^ (w15 >>> 3);
    const s1 = rotateRight(w2, 17) ^ rotateRight(w2, 19) ^ (w2 >>> 10);
    words[t] = (words[t - 16] ?? 0) + s0 + (words[t - 7] ?? 0) + s1;
  }
}

function compress(state: Int32Array): void {
  let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state;
  for (let t = 0; t < 64; t++) {
    const s1 = rotateRight(e, 6) ^ rotateRight(e, 11) ^ rotateRight(e, 25);
    const choice = (e & f) ^ (~e & g);
    const t1 = (h + s1 + choice + (ROUND_CONSTANTS[t] ?? 0) + (words[t] ?? 0)) | 0;
    const s0 = rotateRight(a, 2) ^ rotateRight(a, 13) ^ rotateRight(a, 22);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + s0 + majority) | 0;
  }
  const added = [a, b, c, d, e, f, g, h];
  for (let i = 0; i < 8; i++) state[i] = (state[i] ?? 0) + (added[i] ?? 0);
}

/** SHA-256 of the text's UTF-8 bytes, as 64 hexadecimal digits. */
export function sha256(text: string): string {
  const view = padded(utf8(text));
  const state = Int32Array.from(INITIAL_HASH);
  for (let offset = 0; offset < view.byteLength; offset += 64) {
    schedule(view, offset);
    compress(state);
  }
  return Array.from(state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}
