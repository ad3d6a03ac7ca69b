/**
 * Seeded JSON Schemas of the kind that the kernel checks, and JSON texts that come close to them: each is first made to
 * fit, then changed in a place or two, and spelled in one of the many ways that JSON allows.
 */
import { type Dice, randomString } from "../core-as/documents.ts";

/** A number stands for the text that says it. */
export class NumberText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type Value = string | NumberText | boolean | null | Value[] | Map<string, Value>;
export type Schema = boolean | { readonly [key: string]: unknown };

const KEYS: readonly string[] = [
  ..."a b c ab id é 🚀 0 ~ toString constructor hasOwnProperty length valueOf".split(" "),
  "a/b",
  "",
  '"',
  "\\",
  "\n",
  "a_key_of_fifteen",
  "a_key_of_sixteen_",
  "a key that is longer than thirty-two bytes, é",
];
const TYPES = ["string", "number", "integer", "boolean", "null", "object", "array"];
const NUMBERS: readonly string[] = [
  ..."0 -0 0.0 -0.0 1 1.0 1e0 10e-1 0.1e1 -1 2 3 0.5 1.5 -2.5 100 1e2 9007199254740991 9007199254740992".split(
    " ",
  ),
  ..."9007199254740993 -9007199254740993 2147483647 2147483648 -2147483648 -2147483649 1e308 1e309 -1e400".split(
    " ",
  ),
  ..."1e400 1e-400 5e-324 1.7976931348623157e308 1.7976931348623159e308 0.1 0.10000000000000001 0e999 0e-5".split(
    " ",
  ),
  "123456789012345678901234567890",
  "123456789012345678901234567890.5",
  "0.30000000000000004",
  `1${"0".repeat(400)}.5`,
  `0.${"9".repeat(40)}`,
  `1.${"0".repeat(30)}`,
  `1.${"0".repeat(30)}1`,
];
const TEXTS: readonly string[] = [
  ..."a b ab abc é 🚀 ✓✓".split(" "),
  "",
  '"\\/',
  "\u0000",
  "a/b",
  "x".repeat(17),
  "é".repeat(9),
];
const TIMES: readonly string[] = [
  "2026-03-01T12:00:00Z",
  "2026-03-01t12:00:00z",
  "2026-03-01 12:00:00.123456789+01:00",
  "2026-03-01\u00a012:00:00-0130",
  "2026-03-01\u300012:00:00+05",
  "2026-03-01\ufeff12:00:00Z",
  "2026-03-01\u180e12:00:00Z",
  "2026-03-01\u202812:00:00Z",
  "2026-03-01\u200b12:00:00Z",
  "0000-02-29T00:00:00Z",
  "2023-02-29T00:00:00Z",
  "1900-02-29T00:00:00Z",
  "2016-12-31T23:59:60Z",
  "2016-12-31T23:59:60.999999999999999999Z",
  "2016-12-31T23:59:59.99999999999999999Z",
  "2016-12-31T23:58:59.99999999999999999Z",
  "2016-12-31T23:58:59.999999999999993Z",
  "2016-12-31T24:59:00+01:00",
  "2016-12-31T22:99:00-00:40",
  "2016-12-31T00:29:60+00:30",
  "2016-12-31T23:59:61Z",
  "2026-03-01T12:00Z",
  "2026-03-01T12:00:00",
  "2026-03-01T12:00:00.Z",
  "2026-03-01T12:00:00+24:00",
  "2026-03-01T12:00:00+05:",
  "2026-03-01T12:00:00+5:00",
  "2026-03-01TT12:00:00Z",
  "2026-03-01T12:00:00Z ",
  "2026-13-01T12:00:00Z",
  "2026-04-31T12:00:00Z",
];
const UUIDS: readonly string[] = [
  "123e4567-e89b-12d3-a456-426614174000",
  "123E4567-E89B-12D3-A456-426614174000",
  "urn:uuid:123e4567-e89b-12d3-a456-426614174000",
  "URN:Uuid:123e4567-e89b-12d3-a456-426614174000",
  "urn_uuid:123e4567-e89b-12d3-a456-426614174000",
  "123e4567-e89b-12d3-a456-42661417400",
  "123e4567-e89b-12d3-a456-4266141740000",
  "123e4567e89b-12d3-a456-426614174000-",
  "123g4567-e89b-12d3-a456-426614174000",
];
const DATES = [
  "2026-03-01",
  "2024-02-29",
  "2023-02-29",
  "0000-01-01",
  "2026-3-01",
  "2026-03-01T",
  "é26-03-01",
];
const FORMATS: Readonly<Record<string, readonly string[]>> = { "date-time": TIMES, uuid: UUIDS, date: DATES };
const NUMBER_FORMATS = ["int32", "int64", "float", "double"];

/** A schema of keywords that the kernel knows, whether they make sense together or not. */
export function randomSchema(dice: Dice, depth: number): Schema {
  if (dice.chance(0.06)) return dice.chance(0.7);
  const schema: Record<string, unknown> = {};
  const kind = dice.roll(depth > 0 ? 8 : 5);
  const isTyped = dice.chance(0.7);
  if (kind === 0) addText(dice, schema, isTyped);
  else if (kind === 1) addNumber(dice, schema, isTyped);
  else if (kind === 2) addValues(dice, schema);
  else if (kind === 3) schema["type"] = dice.pick(TYPES);
  else if (kind === 4) schema["type"] = dice.chance(0.5) ? "boolean" : [dice.pick(TYPES)];
  else if (kind === 5) addArray(dice, schema, depth, isTyped);
  else addObject(dice, schema, depth, isTyped);
  if (dice.chance(0.25)) {
    // a second kind of keywords beside the first
    const other = randomSchema(dice, 0);
    if (typeof other === "object") Object.assign(schema, { ...other, ...schema });
  }
  if (dice.chance(0.1) && typeof schema["type"] === "string") {
    const other = dice.pick(TYPES);
    if (other !== schema["type"]) schema["type"] = [schema["type"], other];
  }
  if (dice.chance(0.05)) schema[dice.pick(["description", "title", "default", "$comment"])] = "says nothing";
  return schema;
}

/** The schema of an event: of an object. */
export function randomRoot(dice: Dice): { readonly [key: string]: unknown } {
  const schema: Record<string, unknown> = {};
  addObject(dice, schema, 3, dice.chance(0.5));
  return schema;
}

function addText(dice: Dice, schema: Record<string, unknown>, isTyped: boolean): void {
  if (isTyped) schema["type"] = "string";
  const kind = dice.roll(4);
  if (kind === 0) schema["format"] = dice.pick(Object.keys(FORMATS));
  if (kind & 1) schema["minLength"] = dice.pick([0, 1, 2, 3, 9, 17, 40]);
  if (kind & 2) schema["maxLength"] = dice.pick([0, 1, 2, 3, 9, 17, 40]);
}

function addNumber(dice: Dice, schema: Record<string, unknown>, isTyped: boolean): void {
  if (isTyped) schema["type"] = dice.pick(["number", "integer"]);
  if (dice.chance(0.5)) schema[dice.pick(["minimum", "exclusiveMinimum"])] = randomBound(dice);
  if (dice.chance(0.5)) schema[dice.pick(["maximum", "exclusiveMaximum"])] = randomBound(dice);
  if (dice.chance(0.1)) schema["exclusiveMinimum"] = dice.chance(0.3) ? dice.chance(0.5) : randomBound(dice);
  if (dice.chance(0.1)) schema["format"] = dice.pick(NUMBER_FORMATS);
}

function randomBound(dice: Dice): number {
  const bound = Number(dice.pick(NUMBERS));
  return Number.isFinite(bound) ? bound : Math.sign(bound) * Number.MAX_VALUE;
}

function addValues(dice: Dice, schema: Record<string, unknown>): void {
  if (dice.chance(0.3)) schema["const"] = randomScalar(dice);
  else {
    const many = dice.chance(0.05) ? 300 : 1 + dice.roll(5);
    const values = Array.from({ length: many }, (_, i) => (many > 99 ? `${i}` : randomScalar(dice)));
    schema["enum"] = [...new Map(values.map((value) => [JSON.stringify(value), value])).values()];
  }
  if (dice.chance(0.2)) schema["const"] = dice.pick(Array.isArray(schema["enum"]) ? schema["enum"] : [1]);
  if (dice.chance(0.3)) schema["type"] = dice.pick(TYPES);
}

function randomScalar(dice: Dice): unknown {
  const kind = dice.roll(5);
  if (kind < 2) return dice.pick(TEXTS);
  return kind < 4 ? randomBound(dice) : dice.pick([true, false, null]);
}

function addArray(dice: Dice, schema: Record<string, unknown>, depth: number, isTyped: boolean): void {
  if (isTyped) schema["type"] = "array";
  if (dice.chance(0.9)) schema["items"] = randomSchema(dice, depth - 1);
  if (dice.chance(0.2)) schema["minItems"] = dice.roll(4);
  if (dice.chance(0.2)) schema["maxItems"] = dice.roll(4);
}

function addObject(dice: Dice, schema: Record<string, unknown>, depth: number, isTyped: boolean): void {
  if (isTyped) schema["type"] = "object";
  const names = Array.from({ length: dice.roll(6) }, () => dice.pick(KEYS));
  if (dice.chance(0.9))
    schema["properties"] = Object.fromEntries(names.map((name) => [name, randomSchema(dice, depth - 1)]));
  if (dice.chance(0.6)) {
    const required = names.filter(() => dice.chance(0.5));
    if (dice.chance(0.1)) required.push(dice.pick(KEYS));
    schema["required"] = [...new Set(required)].filter((name) => name !== "" || dice.chance(0.1));
  }
  if (dice.chance(0.4)) schema["additionalProperties"] = dice.chance(0.8) ? false : dice.pick([true, {}]);
}

/** A value that mostly fits. */
export function fittingValue(dice: Dice, schema: unknown, depth: number): Value {
  if (typeof schema !== "object" || schema === null || dice.chance(0.02)) return randomValue(dice, depth);
  const { type, enum: choices, const: only } = schema as Readonly<Record<string, unknown>>;
  if (only !== undefined && dice.chance(0.9)) return spelled(dice, only);
  if (Array.isArray(choices) && dice.chance(0.9)) return spelled(dice, dice.pick(choices as unknown[]));
  const types: unknown[] = Array.isArray(type) ? type : type === undefined ? guesses(schema) : [type];
  return ofType(dice, dice.pick(types), schema as Readonly<Record<string, unknown>>, depth);
}

/** Which types the keywords are about. */
function guesses(schema: object): string[] {
  if ("properties" in schema || "required" in schema || "additionalProperties" in schema) return ["object"];
  if ("items" in schema || "minItems" in schema || "maxItems" in schema) return ["array"];
  const keys = Object.keys(schema).join(" ");
  if (/Length|date|uuid/.test(keys)) return ["string"];
  return /imum/.test(keys) ? ["number"] : "format" in schema ? ["string", "number"] : TYPES;
}

function ofType(dice: Dice, type: unknown, schema: Readonly<Record<string, unknown>>, depth: number): Value {
  switch (type) {
    case "string":
      return fittingText(dice, schema);
    case "number":
    case "integer":
      return fittingNumber(dice, schema, type === "integer");
    case "boolean":
      return dice.chance(0.5);
    case "null":
      return null;
    case "array": {
      const least = Number(schema["minItems"] ?? 0);
      const most = Math.min(Number(schema["maxItems"] ?? 4), 5);
      const length = dice.chance(0.9) ? least + dice.roll(Math.max(most - least, 0) + 1) : dice.roll(6);
      return Array.from({ length }, () => fittingValue(dice, schema["items"], depth - 1));
    }
    default:
      return fittingObject(dice, schema, depth);
  }
}

function fittingText(dice: Dice, schema: Readonly<Record<string, unknown>>): string {
  const formatted = FORMATS[String(schema["format"])];
  if (formatted && dice.chance(0.95)) return dice.pick(formatted);
  const least = Number(schema["minLength"] ?? 0);
  const most = Math.min(Number(schema["maxLength"] ?? 20), 45);
  const length = Math.max(
    least + dice.roll(Math.max(most - least, 0) + 1) + (dice.chance(0.2) ? dice.roll(3) - 1 : 0),
    0,
  );
  const text = Array.from(randomString(dice, length + 20).padEnd(length, dice.pick(["x", "é", "€", "🚀"])));
  return text.slice(0, length).join("").toWellFormed();
}

function fittingNumber(
  dice: Dice,
  schema: Readonly<Record<string, unknown>>,
  isInteger: boolean,
): NumberText {
  const bounds = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]
    .map((key) => schema[key])
    .filter((bound) => typeof bound === "number");
  if (bounds.length === 0 || dice.chance(0.2)) return new NumberText(dice.pick(NUMBERS));
  const bound = dice.pick(bounds);
  const near = [
    bound,
    bound + 1,
    bound - 1,
    bound * (1 + Number.EPSILON),
    bound * (1 - Number.EPSILON),
    bound / 2,
  ];
  const value = dice.pick(near);
  return spelledNumber(dice, isInteger && dice.chance(0.8) ? Math.round(value) : value);
}

function fittingObject(dice: Dice, schema: Readonly<Record<string, unknown>>, depth: number): Value {
  const object = new Map<string, Value>();
  const properties = (schema["properties"] ?? {}) as Readonly<Record<string, unknown>>;
  const required = new Set((schema["required"] ?? []) as string[]);
  for (const [key, inner] of Object.entries(properties))
    if (required.has(key) || dice.chance(0.6)) object.set(key, fittingValue(dice, inner, depth - 1));
  for (const key of required) if (!object.has(key)) object.set(key, randomValue(dice, depth - 1));
  if (schema["additionalProperties"] !== false && dice.chance(0.5))
    object.set(dice.chance(0.1) ? "__proto__" : dice.pick(KEYS), randomValue(dice, depth - 1));
  if (!dice.chance(0.3)) return object;
  return new Map([...object].sort(() => dice.roll(3) - 1));
}

function spelled(dice: Dice, value: unknown): Value {
  if (typeof value === "number") return spelledNumber(dice, value);
  return typeof value === "string" || typeof value === "boolean" ? value : null;
}

function spelledNumber(dice: Dice, value: number): NumberText {
  if (!Number.isFinite(value)) return new NumberText(value > 0 ? "1e999" : "-1e999");
  const plain = Object.is(value, -0) ? "-0" : String(value);
  const isShort = /^-?[1-9]\d{0,14}$/.test(plain);
  const more = isShort ? [`${plain}.0`, `${plain}e0`, `${plain}0e-1`, `${plain}.000E+0`] : [];
  return new NumberText(dice.pick([plain, plain, value.toExponential().replace("e+", "E"), ...more]));
}

export function randomValue(dice: Dice, depth: number): Value {
  const kind = dice.roll(depth > 0 ? 9 : 6);
  if (kind === 0) return dice.pick(TEXTS);
  if (kind === 1) return randomString(dice).toWellFormed();
  if (kind === 2) return new NumberText(dice.pick(NUMBERS));
  if (kind === 3) return dice.chance(0.5);
  if (kind === 4) return null;
  if (kind === 5) return dice.pick([TIMES, UUIDS, DATES].flat());
  if (kind === 6) return Array.from({ length: dice.roll(4) }, () => randomValue(dice, depth - 1));
  return new Map(Array.from({ length: dice.roll(4) }, () => [dice.pick(KEYS), randomValue(dice, depth - 1)]));
}

/** The value with one place in it changed. */
export function changed(dice: Dice, value: Value, depth = 3): Value {
  const inside = value instanceof Map ? value.size : Array.isArray(value) ? value.length : 0;
  if (inside === 0 || dice.chance(0.06)) return randomValue(dice, depth);
  const place = dice.roll(inside);
  if (Array.isArray(value)) {
    if (dice.chance(0.2)) return value.filter((_, i) => i !== place);
    return value.map((item, i) => (i === place ? changed(dice, item, depth - 1) : item));
  }
  const entries = [...(value as Map<string, Value>)];
  const kind = dice.roll(5);
  if (kind === 0) entries.splice(place, 1);
  else if (kind === 1) entries.push([dice.pick(KEYS), randomValue(dice, depth - 1)]);
  else entries[place] = [entries[place]![0], changed(dice, entries[place]![1], depth - 1)];
  return new Map(entries);
}

/** JSON, with white space and escapes where they are allowed. */
export function textOf(dice: Dice, value: Value): string {
  const gap = dice.chance(0.8) ? "" : dice.pick([" ", "\n", "\t "]);
  if (value instanceof NumberText) return value.text;
  if (typeof value === "string") return quoted(dice, value);
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) return `[${gap}${value.map((item) => textOf(dice, item)).join(`${gap},`)}${gap}]`;
  const members = [...value].map(([key, inner]) => `${quoted(dice, key)}${gap}:${gap}${textOf(dice, inner)}`);
  return `{${gap}${members.join(`,${gap}`)}${gap}}`;
}

function quoted(dice: Dice, text: string): string {
  const plain = JSON.stringify(text);
  if (!dice.chance(0.15)) return plain;
  let escaped = "";
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    const isHalf = unit >= 0xd800 && unit < 0xe000;
    const hex = unit.toString(16).padStart(4, "0");
    if (isHalf || dice.chance(0.3)) escaped += `\\u${dice.chance(0.5) ? hex : hex.toUpperCase()}`;
    else escaped += JSON.stringify(text[i]).slice(1, -1);
  }
  return `"${escaped}"`;
}
