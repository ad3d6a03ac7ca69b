/**
 * A JSON Schema for the kernel: the part of draft-07 that it checks while it scans, written down as
 * core-as/check.ts reads it. A schema that says anything else has no plan, and the validator of the whole language
 * judges its events.
 *
 * Surprising rule: what to say of a refused event, and which of several errors comes first, is not in the plan either.
 * The kernel only finds the events that somebody has to look at.
 */
import type { JsonSchema } from "./event-type.ts";
import {
  VALUE_ARRAY,
  VALUE_ESCAPED_STRING,
  VALUE_FALSE,
  VALUE_NULL,
  VALUE_NUMBER,
  VALUE_OBJECT,
  VALUE_STRING,
  VALUE_TRUE,
} from "./kernel-abi.ts";

export interface SchemaPlan {
  /** For the kernel's `createChecks`; null where the kernel cannot decide. */
  readonly description: Uint8Array<ArrayBuffer> | null;
  /** JSON pointer (as a URI fragment) of the first thing in the schema that the kernel does not know; null: none. */
  readonly beyond: string | null;
}

/** Bits per VALUE_* that a type allows. */
const TYPES: ReadonlyMap<unknown, number> = new Map([
  ["string", (1 << VALUE_STRING) | (1 << VALUE_ESCAPED_STRING)],
  ["number", 1 << VALUE_NUMBER],
  ["integer", 1 << VALUE_NUMBER],
  ["boolean", (1 << VALUE_TRUE) | (1 << VALUE_FALSE)],
  ["null", 1 << VALUE_NULL],
  ["object", 1 << VALUE_OBJECT],
  ["array", 1 << VALUE_ARRAY],
]);
const STRINGS = TYPES.get("string")!;
const NUMBERS = TYPES.get("number")!;
const ALL_TYPES = 0x1fe;
const FORMATS: ReadonlyMap<unknown, number> = new Map([
  ["date-time", 1],
  ["uuid", 2],
  ["date", 3],
]);
/** What else the door's validator knows; it lets any text have a format that it does not know. */
const FORMATS_BEYOND: ReadonlySet<unknown> = new Set([
  "byte",
  "duration",
  "email",
  "hostname",
  "ipv4",
  "ipv6",
  "iso-date-time",
  "iso-time",
  "json-pointer",
  "json-pointer-uri-fragment",
  "regex",
  "relative-json-pointer",
  "time",
  "uri",
  "uri-reference",
  "uri-template",
  "url",
]);
/** Say nothing about what is valid. `definitions` only matter to references, which have no plan. */
const SILENT: ReadonlySet<string> = new Set([
  "$comment",
  "$defs",
  "default",
  "definitions",
  "deprecated",
  "description",
  "examples",
  "readOnly",
  "title",
  "writeOnly",
]);
const WORD_MAX = 0xffff_ffff;
const KEY_BYTES_MAX = 0xffff;
const CHILDREN_MAX = 0xffff;

// As in core-as/check.ts.
const ONLY_INTEGERS = 1;
const MINIMUM_EXCLUDED = 2;
const MAXIMUM_EXCLUDED = 4;
const HAS_BOUNDS = 8;
const HAS_LENGTHS = 16;
const ANYTHING = 32;

interface Child {
  check: Check;
  isNeeded: boolean;
  isDeclared: boolean;
}

interface Check {
  types: number;
  isInteger: boolean;
  format: number;
  /** Allowed strings and numbers; null: all. */
  strings: ReadonlySet<string> | null;
  numbers: ReadonlySet<number> | null;
  minimum: number;
  isMinimumExcluded: boolean;
  maximum: number;
  isMaximumExcluded: boolean;
  minLength: number;
  maxLength: number;
  minItems: number;
  maxItems: number;
  isClosed: boolean;
  readonly children: Map<string, Child>;
  element: Check | null;
}

/** Something that the kernel does not know. */
class Beyond extends Error {
  readonly at: string;

  constructor(at: string) {
    super(`${at} is not for the kernel`);
    this.at = at;
  }
}

/**
 * @param schema in draft-07 terms and accepted by a validator
 * @param under keys from the record to what the schema is about
 */
export function planSchema(schema: JsonSchema, under: readonly string[] = []): SchemaPlan {
  try {
    let check = checkOf(schema, "#");
    for (const key of under.toReversed()) {
      const outer = anything();
      outer.children.set(key, { check, isNeeded: false, isDeclared: true });
      check = outer;
    }
    return { description: describe(check), beyond: null };
  } catch (error) {
    if (error instanceof Beyond) return { description: null, beyond: error.at };
    throw error;
  }
}

function anything(): Check {
  return {
    types: ALL_TYPES,
    isInteger: false,
    format: 0,
    strings: null,
    numbers: null,
    minimum: -Infinity,
    isMinimumExcluded: false,
    maximum: Infinity,
    isMaximumExcluded: false,
    minLength: 0,
    maxLength: WORD_MAX,
    minItems: 0,
    maxItems: WORD_MAX,
    isClosed: false,
    children: new Map(),
    element: null,
  };
}

function checkOf(schema: unknown, at: string): Check {
  const check = anything();
  if (schema === true) return check;
  if (schema === false) {
    check.types = 0;
    return check;
  }
  if (!isObject(schema)) throw new Beyond(at);
  for (const [key, value] of Object.entries(schema)) {
    if (!SILENT.has(key) && !apply(check, key, value, `${at}/${key}`)) throw new Beyond(`${at}/${key}`);
  }
  return check;
}

/** @returns whether the kernel knows what it says */
function apply(check: Check, key: string, value: unknown, at: string): boolean {
  switch (key) {
    case "type":
      return applyType(check, value);
    case "required":
      return applyRequired(check, value);
    case "properties":
      return applyProperties(check, value, at);
    case "additionalProperties":
      return applyRest(check, checkOf(value, at));
    case "items":
      if (Array.isArray(value)) return false;
      check.element = checkOf(value, at);
      return true;
    case "enum":
      return Array.isArray(value) && applyValues(check, value);
    case "const":
      return applyValues(check, [value]);
    case "format":
      return applyFormat(check, value);
    default:
      return typeof value === "number" && applyNumber(check, key, value);
  }
}

function applyType(check: Check, value: unknown): boolean {
  const names: readonly unknown[] = Array.isArray(value) ? value : [value];
  let types = 0;
  for (const name of names) types |= TYPES.get(name) ?? 0;
  check.types &= types;
  check.isInteger ||= names.includes("integer") && !names.includes("number");
  return names.length > 0 && names.every((name) => TYPES.has(name));
}

function applyRequired(check: Check, value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  for (const key of value) {
    // the door's validator misses that an empty key is missing; its rule stays
    if (!isKey(key) || key === "") return false;
    childOf(check, key).isNeeded = true;
  }
  return true;
}

function applyProperties(check: Check, value: unknown, at: string): boolean {
  if (!isObject(value)) return false;
  for (const [key, schema] of Object.entries(value)) {
    const step = `${at}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    if (!isKey(key)) throw new Beyond(step);
    const child = childOf(check, key);
    child.check = checkOf(schema, step);
    child.isDeclared = true;
  }
  return true;
}

function applyRest(check: Check, rest: Check): boolean {
  check.isClosed = rest.types === 0;
  return check.isClosed || isOpen(rest);
}

function childOf(check: Check, key: string): Child {
  let child = check.children.get(key);
  if (!child) check.children.set(key, (child = { check: anything(), isNeeded: false, isDeclared: false }));
  return child;
}

/** `__proto__` is no property to validators: it is theirs. Half a surrogate pair has no UTF-8. */
function isKey(key: unknown): key is string {
  return typeof key === "string" && key !== "__proto__" && key.isWellFormed();
}

function applyValues(check: Check, values: readonly unknown[]): boolean {
  let types = 0;
  const strings = new Set<string>();
  const numbers = new Set<number>();
  for (const value of values) {
    if (typeof value === "string") {
      if (!value.isWellFormed()) return false;
      types |= STRINGS;
      strings.add(value);
    } else if (typeof value === "number") {
      types |= NUMBERS;
      numbers.add(value);
    } else if (typeof value === "boolean") types |= 1 << (value ? VALUE_TRUE : VALUE_FALSE);
    else if (value === null) types |= 1 << VALUE_NULL;
    else return false;
  }
  check.types &= types;
  check.strings = check.strings ? new Set([...check.strings].filter((text) => strings.has(text))) : strings;
  check.numbers = check.numbers ? new Set([...check.numbers].filter((value) => numbers.has(value))) : numbers;
  // to the kernel, a list of none is no list
  if (check.strings.size === 0) check.types &= ~STRINGS;
  if (check.numbers.size === 0) check.types &= ~NUMBERS;
  return true;
}

function applyFormat(check: Check, value: unknown): boolean {
  check.format = FORMATS.get(value) ?? 0;
  if (value === "int64" || value === "int32") {
    check.isInteger = true;
    const isLong = value === "int64"; // which only means: finite
    tighten(check, "minimum", isLong ? -Number.MAX_VALUE : -(2 ** 31));
    tighten(check, "maximum", isLong ? Number.MAX_VALUE : 2 ** 31 - 1);
    return true;
  }
  // the validator looks formats up in an object, which has `toString` and the like
  return typeof value === "string" && !FORMATS_BEYOND.has(value) && !(value in {});
}

function applyNumber(check: Check, key: string, value: number): boolean {
  switch (key) {
    case "minimum":
    case "maximum":
    case "exclusiveMinimum":
    case "exclusiveMaximum":
      tighten(check, key, value);
      return true;
    case "minLength":
    case "minItems":
      check[key] = Math.min(value, WORD_MAX);
      return Number.isInteger(value) && value >= 0;
    case "maxLength":
    case "maxItems":
      check[key] = Math.min(value, WORD_MAX);
      return Number.isInteger(value) && value >= 0;
    default:
      return false;
  }
}

/** Of two bounds on the same side the narrower one stays; of equal ones that which leaves the bound itself out. */
function tighten(check: Check, key: string, value: number): void {
  const isExcluded = key.startsWith("exclusive");
  if (key.endsWith("inimum")) {
    check.isMinimumExcluded =
      value === check.minimum
        ? check.isMinimumExcluded || isExcluded
        : value > check.minimum
          ? isExcluded
          : check.isMinimumExcluded;
    check.minimum = Math.max(check.minimum, value);
  } else {
    check.isMaximumExcluded =
      value === check.maximum
        ? check.isMaximumExcluded || isExcluded
        : value < check.maximum
          ? isExcluded
          : check.isMaximumExcluded;
    check.maximum = Math.min(check.maximum, value);
  }
}

function isObject(value: unknown): value is JsonSchema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function needed(check: Check): number {
  let count = 0;
  for (const child of check.children.values()) if (child.isNeeded) count++;
  return count;
}

function hasBounds(check: Check): boolean {
  return (
    check.minimum > -Infinity ||
    check.maximum < Infinity ||
    check.isMinimumExcluded ||
    check.isMaximumExcluded
  );
}

/** Whether any value is right, whatever is inside of it. */
function isOpen(check: Check): boolean {
  return isLeafOpen(check) && check.element === null && check.children.size === 0 && !check.isClosed;
}

/** Whether nothing about the value itself can be wrong, though things inside of it may. */
function isLeafOpen(check: Check): boolean {
  const { types, isInteger, format, strings, numbers, minLength, maxLength, minItems, maxItems } = check;
  if (types !== ALL_TYPES || isInteger || format !== 0 || strings || numbers || hasBounds(check))
    return false;
  return (
    minLength === 0 &&
    maxLength === WORD_MAX &&
    minItems === 0 &&
    maxItems === WORD_MAX &&
    needed(check) === 0
  );
}

const HEAD_BYTES = 64;

/** Collects the description that core-as/check.ts reads. */
class Description {
  readonly #encoder = new TextEncoder();
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #length = 8;
  nodes = 0;
  tableWords = 0;

  /** Room for more. @returns where it starts */
  #room(bytes: number): number {
    const at = this.#length;
    this.#length += bytes;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(this.#length * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }

  add(check: Check): void {
    this.nodes++;
    const strings = [...(check.strings ?? [])];
    const numbers = [...(check.numbers ?? [])].toSorted((a, b) => a - b);
    const children = [...check.children].filter(
      ([, child]) => child.isNeeded || check.isClosed || !isOpen(child.check),
    );
    // an array's items have a node also where only their number counts
    const hasItems = check.minItems > 0 || check.maxItems < WORD_MAX;
    const element = check.element ?? (hasItems ? anything() : null);
    const slots = strings.length > 0 ? 2 ** Math.ceil(Math.log2(strings.length * 2)) : 0;
    this.tableWords += slots;
    const at = this.#room(HEAD_BYTES);
    const view = this.#view;
    view.setUint16(at, check.types, true);
    view.setUint8(at + 2, flagsOf(check));
    view.setUint8(at + 3, check.format);
    const words = [
      strings.length,
      numbers.length,
      check.minLength,
      check.maxLength,
      check.minItems,
      check.maxItems,
    ];
    words.forEach((word, i) => view.setUint32(at + 4 + i * 4, word, true));
    view.setUint16(at + 28, children.length, true);
    view.setUint8(at + 30, check.isClosed ? 1 : 0);
    view.setUint8(at + 31, element ? 1 : 0);
    view.setFloat64(at + 32, check.minimum, true);
    view.setFloat64(at + 40, check.maximum, true);
    view.setUint32(at + 48, needed(check), true);
    view.setUint32(at + 56, Math.max(slots - 1, 0), true);
    for (const text of strings) this.#text(text, 4);
    for (const number of numbers) {
      const place = this.#room(8);
      this.#view.setFloat64(place, number, true);
    }
    if (element) this.add(element);
    if (children.length > CHILDREN_MAX) throw new Beyond("#");
    for (const [key, child] of children) {
      this.#text(key, 2);
      const place = this.#room(2);
      this.#bytes[place] = child.isNeeded ? 1 : 0;
      this.#bytes[place + 1] = child.isDeclared ? 1 : 0;
      this.add(child.check);
    }
  }

  #text(text: string, lengthBytes: 2 | 4): void {
    const bytes = this.#encoder.encode(text);
    if (lengthBytes === 2 && bytes.length > KEY_BYTES_MAX) throw new Beyond("#");
    const at = this.#room(lengthBytes + bytes.length);
    if (lengthBytes === 2) this.#view.setUint16(at, bytes.length, true);
    else this.#view.setUint32(at, bytes.length, true);
    this.#bytes.set(bytes, at + lengthBytes);
  }

  finish(): Uint8Array<ArrayBuffer> {
    this.#view.setUint32(0, this.nodes, true);
    this.#view.setUint32(4, this.tableWords, true);
    return this.#bytes.slice(0, this.#length);
  }
}

function flagsOf(check: Check): number {
  let flags = 0;
  if (check.isInteger) flags |= ONLY_INTEGERS;
  if (check.isMinimumExcluded) flags |= MINIMUM_EXCLUDED;
  if (check.isMaximumExcluded) flags |= MAXIMUM_EXCLUDED;
  if (hasBounds(check)) flags |= HAS_BOUNDS;
  if (check.minLength > 0 || check.maxLength < WORD_MAX) flags |= HAS_LENGTHS;
  return isLeafOpen(check) ? flags | ANYTHING : flags;
}

function describe(check: Check): Uint8Array<ArrayBuffer> {
  const description = new Description();
  description.add(check);
  return description.finish();
}
