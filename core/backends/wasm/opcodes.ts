/** The instructions of WebAssembly that kernels use: numbers and types by the names of the text format. */

/** The type of a value. */
export type Type = "i32" | "i64" | "f32" | "f64" | "v128";

/** An instruction without immediates. */
export interface Opcode {
  /** The byte of its group, or `null` if it has one byte. */
  readonly prefix: number | null;
  readonly code: number;
  readonly takes: readonly Type[];
  readonly returns: Type;
}

const TYPES: Readonly<Record<string, Type>> = { i: "i32", l: "i64", f: "f32", d: "f64", v: "v128" };

/** Instructions of one signature with consecutive numbers. A name that stands for none is `-`. */
type Run = readonly [prefix: number | null, first: number, signature: string, names: string];

const INTEGER_COMPARISONS = "eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u";
const FLOAT_COMPARISONS = "eq ne lt gt le ge";
const INTEGER_ARITHMETIC = "add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr";
const FLOAT_UNARY = "abs neg ceil floor trunc nearest sqrt";
const FLOAT_BINARY = "add sub mul div min max copysign";

const under = (shape: string, names: string): string =>
  names.split(" ").map((name) => (name === "-" ? name : `${shape}.${name}`)).join(" ");

const SIMD = 0xfd;

const RUNS: readonly Run[] = [
  [null, 0x45, "i>i", "i32.eqz"],
  [null, 0x46, "ii>i", under("i32", INTEGER_COMPARISONS)],
  [null, 0x50, "l>i", "i64.eqz"],
  [null, 0x51, "ll>i", under("i64", INTEGER_COMPARISONS)],
  [null, 0x5b, "ff>i", under("f32", FLOAT_COMPARISONS)],
  [null, 0x61, "dd>i", under("f64", FLOAT_COMPARISONS)],
  [null, 0x67, "i>i", "i32.clz i32.ctz i32.popcnt"],
  [null, 0x6a, "ii>i", under("i32", INTEGER_ARITHMETIC)],
  [null, 0x79, "l>l", "i64.clz i64.ctz i64.popcnt"],
  [null, 0x7c, "ll>l", under("i64", INTEGER_ARITHMETIC)],
  [null, 0x8b, "f>f", under("f32", FLOAT_UNARY)],
  [null, 0x92, "ff>f", under("f32", FLOAT_BINARY)],
  [null, 0x99, "d>d", under("f64", FLOAT_UNARY)],
  [null, 0xa0, "dd>d", under("f64", FLOAT_BINARY)],
  [null, 0xa7, "l>i", "i32.wrap_i64"],
  [null, 0xac, "i>l", "i64.extend_i32_s i64.extend_i32_u"],
  [null, 0xb2, "i>f", "f32.convert_i32_s f32.convert_i32_u"],
  [null, 0xb6, "d>f", "f32.demote_f64"],
  [null, 0xb7, "i>d", "f64.convert_i32_s f64.convert_i32_u"],
  [null, 0xb9, "l>d", "f64.convert_i64_s"],
  [null, 0xbb, "f>d", "f64.promote_f32"],
  [null, 0xbc, "f>i", "i32.reinterpret_f32"],
  [null, 0xbd, "d>l", "i64.reinterpret_f64"],
  [null, 0xbe, "i>f", "f32.reinterpret_i32"],
  [null, 0xbf, "l>d", "f64.reinterpret_i64"],
  [0xfc, 0, "f>i", "i32.trunc_sat_f32_s i32.trunc_sat_f32_u"],
  [0xfc, 2, "d>i", "i32.trunc_sat_f64_s i32.trunc_sat_f64_u"],
  [SIMD, 14, "vv>v", "i8x16.swizzle"],
  [SIMD, 17, "i>v", "i32x4.splat"],
  [SIMD, 18, "l>v", "i64x2.splat"],
  [SIMD, 19, "f>v", "f32x4.splat"],
  [SIMD, 20, "d>v", "f64x2.splat"],
  [SIMD, 55, "vv>v", under("i32x4", INTEGER_COMPARISONS)],
  [SIMD, 65, "vv>v", under("f32x4", FLOAT_COMPARISONS)],
  [SIMD, 71, "vv>v", under("f64x2", FLOAT_COMPARISONS)],
  [SIMD, 77, "v>v", "v128.not"],
  [SIMD, 78, "vv>v", "v128.and v128.andnot v128.or v128.xor"],
  [SIMD, 82, "vvv>v", "v128.bitselect"],
  [SIMD, 83, "v>i", "v128.any_true"],
  [SIMD, 94, "v>v", "f32x4.demote_f64x2_zero f64x2.promote_low_f32x4"],
  [SIMD, 103, "v>v", under("f32x4", "ceil floor trunc nearest")],
  [SIMD, 116, "v>v", "f64x2.ceil f64x2.floor"],
  [SIMD, 122, "v>v", "f64x2.trunc"],
  [SIMD, 148, "v>v", "f64x2.nearest"],
  [SIMD, 160, "v>v", "i32x4.abs i32x4.neg"],
  [SIMD, 163, "v>i", "i32x4.all_true i32x4.bitmask"],
  [SIMD, 171, "vi>v", under("i32x4", "shl shr_s shr_u")],
  [SIMD, 174, "vv>v", under("i32x4", "add - - sub - - - mul min_s min_u max_s max_u")],
  [SIMD, 199, "v>v", under("i64x2", "extend_low_i32x4_s extend_high_i32x4_s extend_low_i32x4_u extend_high_i32x4_u")],
  [SIMD, 203, "vi>v", under("i64x2", "shl shr_s shr_u")],
  [SIMD, 206, "vv>v", under("i64x2", "add - - sub - - - mul eq ne lt_s gt_s le_s ge_s")],
  [
    SIMD,
    220,
    "vv>v",
    under("i64x2", "extmul_low_i32x4_s extmul_high_i32x4_s extmul_low_i32x4_u extmul_high_i32x4_u"),
  ],
  [SIMD, 224, "v>v", under("f32x4", "abs neg - sqrt")],
  [SIMD, 228, "vv>v", under("f32x4", "add sub mul div min max pmin pmax")],
  [SIMD, 236, "v>v", under("f64x2", "abs neg - sqrt")],
  [SIMD, 240, "vv>v", under("f64x2", "add sub mul div min max pmin pmax")],
  [SIMD, 248, "v>v", "i32x4.trunc_sat_f32x4_s i32x4.trunc_sat_f32x4_u"],
  [SIMD, 250, "v>v", "f32x4.convert_i32x4_s f32x4.convert_i32x4_u"],
  [SIMD, 252, "v>v", "i32x4.trunc_sat_f64x2_s_zero i32x4.trunc_sat_f64x2_u_zero"],
  [SIMD, 254, "v>v", "f64x2.convert_low_i32x4_s f64x2.convert_low_i32x4_u"],
  [SIMD, 0x105, "vvv>v", "f32x4.relaxed_madd f32x4.relaxed_nmadd f64x2.relaxed_madd f64x2.relaxed_nmadd"],
];

function expand(): Map<string, Opcode> {
  const all = new Map<string, Opcode>();
  for (const [prefix, first, signature, names] of RUNS) {
    const [from, to] = signature.split(">");
    const takes = [...from].map((letter) => TYPES[letter]);
    names.split(" ").forEach((name, i) => {
      if (name !== "-") all.set(name, { prefix, code: first + i, takes, returns: TYPES[to] });
    });
  }
  return all;
}

/** Instructions that take operands alone, by their names in the text format. */
export const OPCODES: ReadonlyMap<string, Opcode> = expand();

/** Instructions on one lane of a vector: the number, and the type of the lane. */
export const LANES: Readonly<Record<string, readonly [code: number, type: Type, lanes: number]>> = {
  "i32x4.extract_lane": [27, "i32", 4],
  "i32x4.replace_lane": [28, "i32", 4],
  "f32x4.extract_lane": [31, "f32", 4],
  "f32x4.replace_lane": [32, "f32", 4],
  "f64x2.extract_lane": [33, "f64", 2],
  "f64x2.replace_lane": [34, "f64", 2],
};

/** Loads: the prefix, the number, the type of the result. */
export const LOADS: Readonly<Record<string, readonly [prefix: number | null, code: number, type: Type]>> = {
  "i32.load": [null, 0x28, "i32"],
  "i64.load": [null, 0x29, "i64"],
  "f32.load": [null, 0x2a, "f32"],
  "f64.load": [null, 0x2b, "f64"],
  "v128.load": [SIMD, 0, "v128"],
  "v128.load32_splat": [SIMD, 9, "v128"],
  "v128.load32_lane": [SIMD, 86, "v128"],
  "v128.load32_zero": [SIMD, 92, "v128"],
  "v128.load64_zero": [SIMD, 93, "v128"],
  "i32.atomic.load": [0xfe, 0x10, "i32"],
};

/** Stores: the prefix, the number, the type of the stored value. */
export const STORES: typeof LOADS = {
  "i32.store": [null, 0x36, "i32"],
  "i64.store": [null, 0x37, "i64"],
  "f32.store": [null, 0x38, "f32"],
  "f64.store": [null, 0x39, "f64"],
  "v128.store": [SIMD, 11, "v128"],
  "i32.atomic.store": [0xfe, 0x17, "i32"],
};

/** Atomic updates that return the value before: the number. */
export const ATOMICS: Readonly<Record<string, number>> = {
  "i32.atomic.rmw.add": 0x1e,
  "i32.atomic.rmw.sub": 0x25,
};
