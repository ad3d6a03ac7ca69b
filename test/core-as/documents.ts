/** Seeded JSON texts for tests: every feature of the grammar, in every spelling, and ways to break them. */
import type { Randomness } from "../../core/clock.ts";

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

export class Dice {
  readonly #random: Randomness;

  constructor(random: Randomness) {
    this.#random = random;
  }

  /** A whole number in [0, below). */
  roll(below: number): number {
    return Math.floor(this.#random.fraction() * below);
  }

  chance(fraction: number): boolean {
    return this.#random.fraction() < fraction;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.roll(choices.length)]!;
  }

  uuid(): string {
    return this.#random.uuid();
  }
}

const CHARACTERS = Array.from('abcXYZ019 _-"\\/\b\f\n\r\t\u0000\u001f\u007f\u0080').concat(
  Array.from("\u00e9\u00df\u00f1\u07ff\u0800\u4e2d\ufffd\uffff\u{1f680}\u{10000}\u{10ffff}"),
);
const NUMBERS = [
  "0",
  "-0",
  "1",
  "-12",
  "0.5",
  "123456789012345678901",
  "1e400",
  "-1.5E-7",
  "2e+3",
  "0.0",
  "1E5",
];
const KEYS = [
  "a",
  "b",
  "id",
  "key",
  "metadata",
  "occurred_at",
  "a_key_of_fifteen",
  "a_key_of_sixteen",
  "",
  "é",
  "🚀",
];

export function randomString(dice: Dice, longest = 40): string {
  const length = dice.chance(0.05) ? dice.roll(longest * 8) : dice.roll(longest);
  let text = "";
  const isPlain = dice.chance(0.5);
  while (text.length < length) text += isPlain ? "lorem ipsum"[dice.roll(11)]! : dice.pick(CHARACTERS);
  return text;
}

export function randomKey(dice: Dice): string {
  return dice.chance(0.8) ? dice.pick(KEYS) : randomString(dice, 30);
}

/** A number stands for itself; `spell` chooses its spelling. */
export function randomValue(dice: Dice, depth: number): Json {
  const kind = dice.roll(depth > 0 ? 10 : 6);
  if (kind < 3) return randomString(dice);
  if (kind === 3) return dice.roll(100_000) - 50_000;
  if (kind === 4) return dice.chance(0.5);
  if (kind === 5) return null;
  if (kind < 8) return Array.from({ length: dice.roll(4) }, () => randomValue(dice, depth - 1));
  return randomObject(dice, depth);
}

export function randomObject(dice: Dice, depth: number): { [key: string]: Json } {
  const entries = Array.from({ length: dice.roll(6) }, () => [randomKey(dice), randomValue(dice, depth - 1)]);
  return Object.fromEntries(entries) as { [key: string]: Json };
}

function space(dice: Dice): string {
  return dice.chance(0.85) ? "" : dice.pick([" ", "  ", "\t", "\n", "\r\n", " \n    ", " ".repeat(20)]);
}

/** A string literal, its characters escaped or not by chance. */
export function spellString(dice: Dice, text: string, escaping = 0.03): string {
  const short: Record<string, string> = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
  };
  const units = Array.from(text).map((character) => {
    const isForced = character < " " || character === '"' || character === "\\";
    if (!isForced && !dice.chance(escaping)) return character;
    if (short[character] !== undefined && dice.chance(0.7)) return short[character];
    if (character === "/" && dice.chance(0.5)) return "\\/";
    return Array.from({ length: character.length }, (_, i) => {
      const hex = character.charCodeAt(i).toString(16).padStart(4, "0");
      return `\\u${dice.chance(0.5) ? hex : hex.toUpperCase()}`;
    }).join("");
  });
  return `"${units.join("")}"`;
}

/** JSON text of a value, spelled by chance; a member of an object is repeated with chance `repeating`. */
export function spell(dice: Dice, value: Json, repeating = 0): string {
  const gap = (): string => space(dice);
  if (typeof value === "string") return spellString(dice, value);
  if (typeof value === "number" && dice.chance(0.3)) return dice.pick(NUMBERS);
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) {
    return `[${gap()}${value.map((item) => spell(dice, item, repeating)).join(`${gap()},${gap()}`)}${gap()}]`;
  }
  const entries = Object.entries(value);
  if (entries.length > 0 && dice.chance(repeating)) entries.push(dice.pick(entries));
  const members = entries.map(
    ([key, member]) => `${spellString(dice, key)}${gap()}:${gap()}${spell(dice, member, repeating)}`,
  );
  return `{${gap()}${members.join(`${gap()},${gap()}`)}${gap()}}`;
}

const encoder = new TextEncoder();
const FRAGMENTS = [
  '"',
  "\\",
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  " ",
  "\n",
  "0",
  "1",
  "-",
  ".",
  "e",
  "\\u",
  "\\ud83d",
]
  .concat([
    "\\udc00",
    "true",
    "null",
    '"a":1,',
    '"a":',
    "[[[[",
    "]]",
    "\u0000",
    "\u001f",
    "é",
    "🚀",
    "//",
    "'",
  ])
  .map((text) => encoder.encode(text))
  .concat([
    Uint8Array.of(0x80),
    Uint8Array.of(0xc0, 0x80),
    Uint8Array.of(0xc3),
    Uint8Array.of(0xe0, 0x80, 0x80),
    Uint8Array.of(0xe2, 0x82),
    Uint8Array.of(0xed, 0xa0, 0x80),
    Uint8Array.of(0xef, 0xbb, 0xbf),
    Uint8Array.of(0xf0, 0x80, 0x80, 0x80),
    Uint8Array.of(0xf0, 0x9f, 0x9a),
    Uint8Array.of(0xf4, 0x90, 0x80, 0x80),
    Uint8Array.of(0xf8),
    Uint8Array.of(0xff),
  ]);

function splice(bytes: Uint8Array, at: number, removed: number, added: Uint8Array): Uint8Array {
  const result = new Uint8Array(bytes.length - removed + added.length);
  result.set(bytes.subarray(0, at));
  result.set(added, at);
  result.set(bytes.subarray(at + removed), at + added.length);
  return result;
}

/** One small damage, anywhere. */
export function mutate(dice: Dice, bytes: Uint8Array): Uint8Array {
  const at = dice.roll(bytes.length + 1);
  const rest = bytes.length - at;
  switch (dice.roll(7)) {
    case 0:
      return splice(bytes, at, Math.min(1, rest), Uint8Array.of(dice.roll(256)));
    case 1:
      return splice(bytes, at, Math.min(1, rest), dice.pick(FRAGMENTS));
    case 2:
      return splice(bytes, at, 0, dice.pick(FRAGMENTS));
    case 3:
      return splice(bytes, at, Math.min(1 + dice.roll(3), rest), new Uint8Array(0));
    case 4:
      return bytes.slice(0, at);
    case 5: {
      const from = dice.roll(bytes.length + 1);
      return splice(bytes, at, 0, bytes.slice(from, from + dice.roll(20)));
    }
    default: {
      const copy = bytes.slice();
      if (rest > 0) copy[at]! ^= 1 << dice.roll(8);
      return copy;
    }
  }
}
