/**
 * HyperLogLog and DDSketch in plain TypeScript, with exact integers wherever the kernel has tables or bits: bins are
 * found by comparing 35th powers, hashes are arithmetic on bigints.
 */
import { sipHashModel } from "./siphash-model.ts";

const MASK = 0xffff_ffff_ffff_ffffn;
const PER_OCTAVE = 35n;

// ---- hashes

export function mixModel(value: bigint): bigint {
  let x = (value + 0x9e37_79b9_7f4a_7c15n) & MASK;
  x = ((x ^ (x >> 30n)) * 0xbf58_476d_1ce4_e5b9n) & MASK;
  x = ((x ^ (x >> 27n)) * 0x94d0_49bb_1331_11ebn) & MASK;
  return x ^ (x >> 31n);
}

export function bitsOf(value: number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  return view.getBigUint64(0);
}

export function hashInteger(value: bigint): bigint {
  return mixModel(BigInt.asUintN(64, value));
}

export function hashDecimal(value: bigint): bigint {
  const low = BigInt.asUintN(64, value);
  return mixModel(mixModel(low) ^ BigInt.asUintN(64, value >> 64n));
}

export function hashDouble(value: number): bigint {
  if (Number.isNaN(value)) return mixModel(0x7ff8_0000_0000_0000n);
  return mixModel(value === 0 ? 0n : bitsOf(value));
}

export function hashText(bytes: Uint8Array): bigint {
  const key = Uint8Array.from({ length: 16 }, (_, i) => i);
  return sipHashModel(key, bytes, false)[0]!;
}

// ---- HyperLogLog

/** Ertl 2017, algorithm 6, from the registers themselves. */
export function estimateModel(hashes: Iterable<bigint>, bits: number): number {
  const registers = Array.from({ length: 2 ** bits }, () => 0);
  const width = BigInt(64 - bits);
  for (const hash of hashes) {
    const register = Number(hash >> width);
    const rest = (hash & ((1n << width) - 1n)).toString(2).padStart(Number(width), "0");
    const one = rest.indexOf("1");
    const rank = (hash & ((1n << width) - 1n)) === 0n ? Number(width) + 1 : one + 1;
    registers[register] = Math.max(registers[register]!, rank);
  }
  const m = registers.length;
  const most = 64 - bits;
  const having = (rank: number): number => registers.filter((one) => one === rank).length;
  let z = m * tau(1 - having(most + 1) / m);
  for (let rank = most; rank >= 1; rank--) z = 0.5 * (z + having(rank));
  z += m * sigma(having(0) / m);
  return (0.721_347_520_444_481_7 * m * m) / z;
}

function sigma(start: number): number {
  if (start === 1) return Infinity;
  let [x, y, z] = [start, 1, start];
  for (;;) {
    x *= x;
    const before = z;
    z += x * y;
    y += y;
    if (z === before) return z;
  }
}

function tau(start: number): number {
  if (start === 0 || start === 1) return 0;
  let [x, y, z] = [start, 1, 1 - start];
  for (;;) {
    x = Math.sqrt(x);
    const before = z;
    y *= 0.5;
    z -= (1 - x) ** 2 * y;
    if (z === before) return z / 3;
  }
}

// ---- DDSketch

const INFINITE = 10_000_000;
const known = new Map<number, number>();

/** ⌊35 × log2(value)⌋ of a positive number, by comparing integers: value^35 ≥ 2^n. */
function exactNumber(value: number): number {
  const found = known.get(value);
  if (found !== undefined) return found;
  let exponent = 0;
  let mantissa = value;
  while (!Number.isInteger(mantissa)) {
    mantissa *= 2; // exact: it only moves the exponent
    exponent--;
  }
  const power = BigInt(mantissa) ** PER_OCTAVE;
  const number = power.toString(2).length - 1 + exponent * Number(PER_OCTAVE);
  known.set(value, number);
  return number;
}

/** By rank on one axis, so that bins compare as numbers. */
export function binModel(value: number): number {
  if (Number.isNaN(value)) return INFINITE + 1;
  if (value === 0) return 0;
  const magnitude = Math.abs(value);
  // + 50,000: bins of positive numbers are positive, those of negative ones negative
  const number = magnitude === Infinity ? INFINITE : exactNumber(magnitude) + 50_000;
  return value < 0 ? -number : number;
}

/** Integer root, rounded down. */
function root(value: bigint, degree: bigint): bigint {
  let low = 0n;
  let high = 1n << BigInt(Math.ceil(value.toString(2).length / Number(degree)) + 1);
  while (low < high) {
    const middle = (low + high + 1n) >> 1n;
    if (middle ** degree <= value) low = middle;
    else high = middle - 1n;
  }
  return low;
}

const SCALE = 120n;
const middles = new Map<number, number>();

/** 2γ/(1 + γ) × the bin's lower bound, rounded to a double. */
export function middleModel(bin: number): number {
  if (bin === 0) return 0;
  if (bin === INFINITE + 1) return Number.NaN;
  if (bin < 0) return -middleModel(-bin);
  if (bin === INFINITE) return Infinity;
  const number = bin - 50_000;
  const octave = Math.floor(number / 35);
  const place = number - octave * 35;
  let fraction = middles.get(place);
  if (fraction === undefined) {
    const power = (k: bigint): bigint => root(1n << (k + SCALE * PER_OCTAVE), PER_OCTAVE);
    const gamma = power(1n);
    const scaled = (2n * power(BigInt(place)) * gamma) / ((1n << SCALE) + gamma);
    fraction = Number(((scaled >> (SCALE - 53n)) + 1n) >> 1n) / 2 ** 52;
    middles.set(place, fraction);
  }
  return octave < -1022 ? fraction * 2 ** -1022 * 2 ** (octave + 1022) : fraction * 2 ** octave;
}

/** The quantiles of numbers by their bins, of which only the highest `binsMost` are told apart. */
export function quantilesModel(
  values: readonly number[],
  shares: readonly number[],
  binsMost: number,
): number[] {
  const bins = values.map(binModel).sort((a, b) => a - b);
  const different = [...new Set(bins)];
  const lowest = different[Math.max(0, different.length - binsMost)]!;
  return shares.map((share) => {
    const rank = Math.floor(share * (bins.length - 1));
    return middleModel(Math.max(bins[rank]!, lowest));
  });
}
