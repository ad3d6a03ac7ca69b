/**
 * Looking at the members of one JSON object in place, without parsing it into objects. The bytes are known to be
 * valid JSON (the kernel has scanned them), so no case here is an error.
 */
import { isEqual } from "../../core/bytes.ts";

const SPACE = 32;
const QUOTE = 34;
const BACKSLASH = 92;
const COLON = 58;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const COMMA = 44;

const decoder = new TextDecoder();

/** What is wrong with a member of an object. */
export interface MemberFault {
  readonly key: string;
  readonly reason: string;
}

/** By name, as text and as the bytes that it mostly has. */
export type KnownMembers = readonly { readonly name: string; readonly bytes: Uint8Array }[];

/** A member whose key is not among those known. */
export interface OtherMember {
  readonly key: string;
  /** Of its value: the first byte. */
  readonly valueAt: number;
}

/** The members of the object at `bytes[start, end)` whose key is not among `known`. */
export function* otherMembers(
  bytes: Uint8Array,
  start: number,
  end: number,
  known: KnownMembers,
): Generator<OtherMember> {
  let at = start + 1;
  while (at < end) {
    const byte = bytes[at]!;
    if (byte !== QUOTE) {
      at++; // white space, a comma, the closing brace
      continue;
    }
    const keyEnd = stringEnd(bytes, at);
    const valueAt = passSpace(bytes, colonAfter(bytes, keyEnd) + 1);
    if (!known.some((member) => isEqual(bytes, at + 1, keyEnd - 1, member.bytes))) {
      const key = keyText(bytes, at, keyEnd);
      if (!known.some((member) => member.name === key)) yield { key, valueAt };
    }
    at = valueEnd(bytes, valueAt, end);
  }
}

/** The key of the first of them; undefined where all are known. */
export function unknownMember(
  bytes: Uint8Array,
  start: number,
  end: number,
  known: KnownMembers,
): string | undefined {
  const first = otherMembers(bytes, start, end, known).next();
  return first.done ? undefined : first.value.key;
}

export function keyText(bytes: Uint8Array, start: number, end: number): string {
  const key: unknown = JSON.parse(decoder.decode(bytes.subarray(start, end)));
  return String(key);
}

/** @param at of the opening quote. @returns behind the closing one */
export function stringEnd(bytes: Uint8Array, at: number): number {
  let i = at + 1;
  while (bytes[i] !== QUOTE) i += bytes[i] === BACKSLASH ? 2 : 1;
  return i + 1;
}

function colonAfter(bytes: Uint8Array, at: number): number {
  let i = at;
  while (bytes[i] !== COLON) i++;
  return i;
}

function passSpace(bytes: Uint8Array, at: number): number {
  let i = at;
  while (bytes[i]! <= SPACE) i++;
  return i;
}

/** Behind a value and white space: at the comma, or behind the closing brace of its object. */
function valueEnd(bytes: Uint8Array, at: number, end: number): number {
  let depth = 0;
  let i = at;
  while (i < end) {
    const byte = bytes[i]!;
    if (byte === QUOTE) {
      i = stringEnd(bytes, i);
      continue;
    }
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth--;
    else if (byte === COMMA && depth === 0) return i;
    i++;
  }
  return i;
}

/**
 * The JSON pointer (as a URI fragment) of what stands at `at` in the event at `bytes[start, …)`, as far as it can
 * be told from the bytes before. For messages: the event may be anything but a syntax error.
 */
export function pointerAt(bytes: Uint8Array, start: number, at: number): string {
  const steps: (string | number)[] = [];
  let i = start;
  let isKeyNext = false;
  while (i < at) {
    const byte = bytes[i]!;
    if (byte === QUOTE) {
      const end = stringEnd(bytes, i);
      if (isKeyNext) steps[steps.length - 1] = safeKey(bytes, i, end);
      if (end > at) break;
      isKeyNext = false;
      i = end;
      continue;
    }
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      steps.push(byte === OPEN_BRACE ? "" : 0);
      isKeyNext = byte === OPEN_BRACE;
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      steps.pop();
      isKeyNext = false; // of an empty object
    } else if (byte === COMMA) {
      const last = steps.at(-1);
      if (typeof last === "number") steps[steps.length - 1] = last + 1;
      else isKeyNext = true;
    }
    i++;
  }
  if (isKeyNext && bytes[at] === QUOTE) steps[steps.length - 1] = safeKey(bytes, at, stringEnd(bytes, at));
  return `#${steps.map((step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("")}`;
}

/** A key for a message: what is not text becomes replacement characters. */
function safeKey(bytes: Uint8Array, start: number, end: number): string {
  return keyText(bytes, start, end).toWellFormed();
}
