/** Instructions on general registers, and those that act on a CPU's own state. */
import { Code, Register as R } from "iced-x86";
import { at, branch, imm, label, load, mem, op, reg, set, store } from "./assembler.ts";
import { A64, B64 } from "./inputs.ts";
import { crc32c, deposit, leadingZeros, ones } from "./models.ts";
import { integer, type CanaryRow } from "./row.ts";

const wrap = (value: bigint) => BigInt.asUintN(64, value);
const swapped = (value: bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes.readBigUInt64BE();
};

/** `HWCAP2_FSGSBASE`: the kernel lets programs use the instructions. Source: Linux asm/hwcap2.h. */
const FSGSBASE_ENABLED = { hwcap2: 1 };
/** The kernel has switched protection keys on. */
const PKU_ENABLED = { cpuid: "OSPKE" };

/** A random number generator may be out of entropy for a while. */
const ATTEMPTS = 100_000;
const ATTEMPTS_ALLOWED = { prepare: [set(R.R8, ATTEMPTS)] };

/** An address that fits both paging modes. */
const FS_BASE = 0x1234_5678_9abc;
/** Key 1 open, key 0 untouched: the rest as Linux starts programs. */
const PKRU = 0x5555_5550;

/** Asks a random number generator until it answers: it may be out of entropy for a while. */
const random = (code: Code) => [
  label("again"),
  reg(code, R.RAX),
  branch(Code.Jb_rel8_64, "answered"),
  reg(Code.Dec_rm64, R.R8),
  branch(Code.Jne_rel8_64, "again"),
  label("answered"),
  reg(Code.Setb_rm8, R.AL),
  reg(Code.Movzx_r32_rm8, R.EAX, R.AL),
];

/** `scratch`: 64 bytes that nothing else uses, aligned to a cache line. */
export function integerRows(scratch: number): readonly CanaryRow[] {
  const line = at(scratch);
  const filled = { prepare: [store(Code.Mov_rm64_r64, line, R.RCX)] };
  const keepLine = (code: Code) => [mem(code, line), load(Code.Mov_r64_rm64, R.RAX, line)];
  return [
    integer("POPCNT", "popcnt", [reg(Code.Popcnt_r64_rm64, R.RAX, R.RCX)], ones(A64)),
    integer("LZCNT", "lzcnt", [reg(Code.Lzcnt_r64_rm64, R.RAX, R.RCX)], leadingZeros(A64, 64)),
    // Of zero: BSF, which CPUs without BMI1 execute instead, leaves its target alone.
    integer("BMI1", "tzcnt", [reg(Code.Tzcnt_r64_rm64, R.RAX, R.RCX)], 64n, {
      prepare: [reg(Code.Xor_r32_rm32, R.ECX, R.ECX)],
    }),
    integer(
      "BMI1",
      "andn",
      [reg(Code.VEX_Andn_r64_r64_rm64, R.RAX, R.RCX, R.RDX)],
      wrap(~A64) & B64,
    ),
    integer(
      "BMI2",
      "pdep",
      [reg(Code.VEX_Pdep_r64_r64_rm64, R.RAX, R.RCX, R.RDX)],
      deposit(A64, B64),
    ),
    integer(
      "ADX",
      "adcx",
      [reg(Code.Adcx_r64_rm64, R.RAX, R.RDX)],
      wrap(A64 + B64),
      // Moving leaves the carry alone, which clearing RAX has cleared.
      { prepare: [reg(Code.Mov_r64_rm64, R.RAX, R.RCX)] },
    ),
    integer("MOVBE", "movbe", [load(Code.Movbe_r64_m64, R.RAX, line)], swapped(A64), {
      prepare: [store(Code.Mov_rm64_r64, line, R.RCX)],
    }),
    integer(
      "SSE4_2",
      "crc32",
      [reg(Code.Crc32_r64_rm64, R.RAX, R.RDX)],
      crc32c(A64 & 0xffff_ffffn, B64),
      { prepare: [reg(Code.Mov_r32_rm32, R.EAX, R.ECX)] },
    ),
    integer(
      "CMPXCHG16B",
      "cmpxchg16b",
      [mem(Code.Cmpxchg16b_m128, line), load(Code.Mov_r64_rm64, R.RAX, line)],
      B64,
      {
        prepare: [
          store(Code.Mov_rm64_r64, at(scratch), R.RCX),
          store(Code.Mov_rm64_r64, at(scratch + 8), R.RDX),
          reg(Code.Mov_r64_rm64, R.RAX, R.RCX),
          reg(Code.Xor_r32_rm32, R.ECX, R.ECX),
          reg(Code.Mov_r64_rm64, R.RBX, R.RDX),
        ],
      },
    ),
    integer(
      "LAHF_LM",
      "lahf",
      [
        op(Code.Lahf),
        imm(Code.Shr_rm32_imm8, [R.EAX], 8),
        // Carry is clear, parity and zero are set; bit 1 always is.
        imm(Code.And_rm32_imm32, [R.EAX], 0b0100_0111),
      ],
      0b0100_0110n,
      { prepare: [reg(Code.Xor_r32_rm32, R.EAX, R.EAX)] },
    ),
    integer("RDRAND", "rdrand", random(Code.Rdrand_r64), 1n, ATTEMPTS_ALLOWED),
    integer("RDSEED", "rdseed", random(Code.Rdseed_r64), 1n, ATTEMPTS_ALLOWED),
    integer("RDTSCP", "rdtscp", [op(Code.Rdtscp), imm(Code.Mov_r32_imm32, [R.EAX], 1)], 1n),
    integer(
      "RDPID",
      "rdpid",
      [reg(Code.Rdpid_r64, R.RAX), imm(Code.Mov_r32_imm32, [R.EAX], 1)],
      1n,
    ),
    integer(
      "FSGSBASE",
      "wrfsbase",
      [reg(Code.Wrfsbase_r64, R.R8), reg(Code.Rdfsbase_r64, R.RAX)],
      BigInt(FS_BASE),
      { enabledBy: FSGSBASE_ENABLED, prepare: [set(R.R8, FS_BASE)] },
    ),
    integer(
      "PKU",
      "wrpkru",
      [op(Code.Wrpkru), reg(Code.Xor_r32_rm32, R.EAX, R.EAX), op(Code.Rdpkru)],
      BigInt(PKRU),
      {
        enabledBy: PKU_ENABLED,
        prepare: [
          reg(Code.Xor_r32_rm32, R.ECX, R.ECX),
          reg(Code.Xor_r32_rm32, R.EDX, R.EDX),
          imm(Code.Mov_r32_imm32, [R.EAX], PKRU),
        ],
      },
    ),
    integer("XGETBV1", "xgetbv", [op(Code.Xgetbv), imm(Code.Mov_r32_imm32, [R.EAX], 1)], 1n, {
      prepare: [imm(Code.Mov_r32_imm32, [R.ECX], 1)],
    }),
    integer("CLFLUSHOPT", "clflushopt", keepLine(Code.Clflushopt_m8), A64, filled),
    integer("CLWB", "clwb", keepLine(Code.Clwb_m8), A64, filled),
    integer(
      "MOVDIRI",
      "movdiri",
      [store(Code.Movdiri_m64_r64, line, R.RCX), load(Code.Mov_r64_rm64, R.RAX, line)],
      A64,
    ),
    integer(
      "SERIALIZE",
      "serialize",
      [op(Code.Serialize), imm(Code.Mov_r32_imm32, [R.EAX], 1)],
      1n,
    ),
    integer(
      "RTM",
      "xtest",
      [op(Code.Xtest), reg(Code.Sete_rm8, R.AL), reg(Code.Movzx_r32_rm8, R.EAX, R.AL)],
      1n,
    ),
  ];
}
