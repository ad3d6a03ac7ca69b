/**
 * Seeded damage to JSON documents. Exhaustive first: every byte value in the place of every byte of a document and
 * in front of it, every byte gone, every truncation, neighbours swapped. Then by chance: several damages at once,
 * pieces of one document in another, numbers, escapes, UTF-8 sequences and nesting around their limits.
 */
import { type Dice, mutate, randomObject, randomValue, spell } from "../core-as/documents.ts";

const encoder = new TextEncoder();

/** Documents as producers send them, and documents with everything that the grammar has. */
const DOCUMENTS: readonly string[] = [
  ' {"a\\u00e9":"x\\ud83d\\ude80é🚀","n":[-1.5e+7,0,true,null],"o":{"k":{},"l":[]}}\n',
  '{"metadata":{"eid":"550e8400-e29b-41d4-a716-446655440000","occurred_at":"2026-03-01T10:00:00.123Z"},"total":12.50}',
  '{"\\\\":1,"\\n":{"\\"":[]},"\\u0061":"\\/","":{"":0},"b":[[],{},"",-0,0e0,1E-2]}',
  '{"s":"\\ud800\\udc00\\udbff\\udfff\\ufffe","t":"\u007f\u0080\u07ff\u0800\uffff\u{10000}\u{10ffff}","u":"\u2028"}',
  '{\r\n\t"items" : [ {"sku":"shoes-118" , "price":89.95} , {"sku":"socks-7","price":4.95} ] ,\n"ok" : false }',
  '{"a":[[[[[[[[{"b":[[{}]]}]]]]]]]],"aa":1,"aaa":1,"a_key_of_sixteen":1,"a_key_of_sixteem":1}',
  '{"long":"0123456789abcdef0123456789abcdef0123456789abcdef\\u0030123456789abcdef","k":[1,2,3,4,5,6,7,8,9,10]}',
  '{"__proto__":{"constructor":1},"toString":"é","data":{"x":1e308,"y":-1e-308,"z":123456789012345678901234567890}}',
];

/** Every small damage of the first `documents` documents, in order. */
export function* exhaustive(documents: number): Generator<Uint8Array> {
  for (const text of DOCUMENTS.slice(0, documents)) {
    const whole = encoder.encode(text);
    yield whole;
    for (let at = 0; at <= whole.length; at++) {
      yield whole.slice(0, at);
      yield whole.slice(at);
      for (let value = 0; value < 256; value++) {
        if (at < whole.length) yield whole.with(at, value);
        yield replaced(whole, at, 0, Uint8Array.of(value));
      }
      if (at === whole.length) continue;
      yield replaced(whole, at, 1, new Uint8Array(0));
      yield replaced(whole, at, 0, whole.slice(at, at + 1));
      if (at + 1 < whole.length) yield whole.with(at, whole[at + 1]!).with(at + 1, whole[at]!);
    }
  }
}

/** Without end. Each base serves several damages. */
export function* byChance(dice: Dice): Generator<Uint8Array> {
  let [one, other] = [base(dice), base(dice)];
  for (let turn = 0; ; turn++) {
    if (turn % 20 === 0) [one, other] = [base(dice), one];
    const kind = dice.roll(20);
    if (kind === 0) yield encoder.encode(`{"n":${scramble(dice, "0123456789-+.eE", 8)}}`);
    else if (kind === 1) yield encoder.encode(`{"s":"${escapes(dice)}","t":"${escapes(dice)}"}`);
    else if (kind === 2) yield withSequence(dice, one);
    else if (kind === 3) yield nested(dice);
    else if (kind === 4) yield spliced(dice, one, other);
    else if (kind === 5) yield encoder.encode(`{${twoKeys(dice)}}`);
    else if (kind === 6) yield encoder.encode(`{"a":${scramble(dice, '[]{},:"0a\\ \n\t', 12)}}`);
    else {
      let bytes = one;
      for (let damages = dice.pick([0, 1, 1, 1, 1, 2, 2, 3, 6]); damages > 0; damages--)
        bytes = mutate(dice, bytes);
      yield bytes;
    }
  }
}

function base(dice: Dice): Uint8Array {
  if (dice.chance(0.3)) return encoder.encode(dice.pick(DOCUMENTS));
  const value = dice.chance(0.95) ? randomObject(dice, 4) : randomValue(dice, 4);
  return encoder.encode(spell(dice, value, 0.02));
}

function scramble(dice: Dice, alphabet: string, longest: number): string {
  return Array.from({ length: 1 + dice.roll(longest) }, () => alphabet[dice.roll(alphabet.length)]!).join("");
}

/** Escapes around the surrogates, whole and broken. */
function escapes(dice: Dice): string {
  const unit = (): string => {
    const code = dice.pick([
      0x0000, 0x0061, 0xd7ff, 0xd800, 0xd83d, 0xdbff, 0xdc00, 0xde80, 0xdfff, 0xe000, 0xffff,
    ]);
    const hex = code.toString(16).padStart(4, "0");
    return `\\u${dice.chance(0.5) ? hex : hex.toUpperCase()}`;
  };
  const part = (): string => {
    const text = dice.pick([unit, unit, unit, () => "x", () => "\\n", () => "\\\\", () => "🚀"])();
    return dice.chance(0.04) ? text.slice(0, dice.roll(text.length + 1)) : text;
  };
  return Array.from({ length: dice.roll(5) }, part).join("");
}

const EDGES = [
  0x00, 0x1f, 0x22, 0x41, 0x5c, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1,
].concat([0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf7, 0xf8, 0xfc, 0xfe, 0xff]);

/** Bytes from the edges of UTF-8's tables, mostly inside of a string. */
function withSequence(dice: Dice, bytes: Uint8Array): Uint8Array {
  const sequence = Uint8Array.from({ length: 1 + dice.roll(5) }, () => dice.pick(EDGES));
  if (dice.chance(0.2)) return replaced(bytes, dice.roll(bytes.length + 1), 0, sequence);
  const whole = encoder.encode('{"k":"","":""}');
  return replaced(whole, dice.pick([2, 6, 9, 12]), 0, sequence);
}

/** Around 64 levels, sometimes not closed as it was opened. */
function nested(dice: Dice): Uint8Array {
  const levels = dice.pick([1, 2, 31, 62, 63, 64, 65, 70]) - 1;
  const opened = Array.from({ length: levels }, () => dice.pick(["[", '{"a":']));
  const closed: string[] = opened.toReversed().map((open) => (open === "[" ? "]" : "}"));
  if (dice.chance(0.2) && closed.length > 0)
    closed[dice.roll(closed.length)] = dice.pick(["", "]", "}", "]]"]);
  return encoder.encode(`{"a":${opened.join("")}0${closed.join("")}}`);
}

/** Two keys, often the same in another spelling. */
function twoKeys(dice: Dice): string {
  const key = dice.pick([
    "a",
    "",
    "\\",
    '"',
    "/",
    "é",
    "🚀",
    "aa",
    "\n",
    "\u0000",
    "key of sixteen c",
    "x".repeat(40),
  ]);
  const spelling = (): string => {
    const text = dice.chance(0.8) ? key : `${key}${dice.pick(["", "a", "\u0000"])}`;
    if (dice.chance(0.4)) return JSON.stringify(text);
    const units = Array.from({ length: text.length }, (_, i) => text.charCodeAt(i));
    return `"${units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("")}"`;
  };
  const between = dice.pick(["", '"b":1,', '"b":{"a":1},', `"c":[{${spelling()}:1}],`]);
  return `${spelling()}:1,${between}${spelling()}:${dice.pick(["2", "{}", '""'])}`;
}

function spliced(dice: Dice, one: Uint8Array, other: Uint8Array): Uint8Array {
  const from = dice.roll(other.length + 1);
  const piece = other.slice(from, from + dice.roll(30));
  const at = dice.roll(one.length + 1);
  return replaced(one, at, Math.min(dice.roll(10), one.length - at), piece);
}

function replaced(bytes: Uint8Array, at: number, removed: number, added: Uint8Array): Uint8Array {
  const result = new Uint8Array(bytes.length - removed + added.length);
  result.set(bytes.subarray(0, at));
  result.set(added, at);
  result.set(bytes.subarray(at + removed), at + added.length);
  return result;
}
