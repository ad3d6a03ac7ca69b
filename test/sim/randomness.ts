/** core/clock.ts's seeded randomness (mulberry32), with ids that cost less to make. */
import type { Randomness } from "../../core/clock.ts";

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

function two(bits: number): string {
  return HEX[(bits >>> 8) & 255]! + HEX[bits & 255]!;
}

export function simRandomness(seed: number): Randomness {
  let state = seed >>> 0;
  const word = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return {
    fraction: () => word() / 4_294_967_296,
    uuid: () => {
      const [a, b, c, d] = [word(), word(), word(), word()];
      const third = two((b & 0x0fff) | 0x4000);
      const fourth = two((c & 0x3fff) | 0x8000);
      return `${two(a >>> 16)}${two(a)}-${two(b >>> 16)}-${third}-${fourth}-${two(c >>> 16)}${two(d >>> 16)}${two(d)}`;
    },
  };
}
