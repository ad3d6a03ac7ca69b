/**
 * Why an event has no row, for people: the kernel says only what kind of fault it is and at which byte.
 */
import { assert, unreachable } from "../../core/assert.ts";
import {
  REJECTED_INEXACT,
  REJECTED_MALFORMED,
  REJECTED_RANGE,
  REJECTED_TYPE,
} from "../../core/column-layout.ts";
import type { ColumnPlan, ColumnType } from "../../core/columns.ts";
import type { ErrorCode } from "../../core/errors.ts";
import type { RowRejection } from "../../core/kernel-columns.ts";

export interface Rejection {
  readonly code: Extract<ErrorCode, `event.value_${string}`>;
  /** RFC 6901, from the event's root. */
  readonly pointer: string;
  /** For people; never contains the value. */
  readonly detail: string;
}

const QUOTE = 34;
const COMMA = 44;
const OPEN_ARRAY = 91;
const BACKSLASH = 92;
const CLOSE_ARRAY = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** @param payload the event, which is well-formed JSON */
export function explainRejection(
  plan: ColumnPlan,
  payload: Uint8Array,
  { code, at }: RowRejection,
): Rejection {
  const path = pathTo(payload, at);
  const type = typeAt(plan, path);
  const pointer = path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
  switch (code) {
    case REJECTED_TYPE:
      return {
        code: "event.value_type",
        pointer,
        detail: `${jsonType(String.fromCharCode(payload[at]!))} where ${declared(type)} is declared`,
      };
    case REJECTED_MALFORMED:
      return { code: "event.value_type", pointer, detail: `the string is not ${wellFormed(type)}` };
    case REJECTED_INEXACT:
      return {
        code: "event.value_inexact",
        pointer,
        detail:
          type?.kind === "decimal"
            ? `more than ${type.scale} decimal places`
            : "a fraction where an integer is declared",
      };
    default:
      assert(code === REJECTED_RANGE, `the kernel rejects for a reason ${code} that nobody knows`);
      return { code: "event.value_out_of_range", pointer, detail: outOfRange(type) };
  }
}

/** Keys and indices that lead to the value at byte `at` of JSON text. */
function pathTo(text: Uint8Array, at: number): (string | number)[] {
  const path: (string | number)[] = [];
  const isList: boolean[] = [];
  let isKey = false;
  for (let i = 0; i < text.length; i++) {
    if (i === at && !isKey) return path;
    const character = text[i];
    if (character === QUOTE) {
      const end = endOfString(text, i + 1);
      if (isKey) path[path.length - 1] = keyText(text.subarray(i, end + 1));
      isKey = false;
      i = end;
    } else if (character === OPEN_OBJECT || character === OPEN_ARRAY) {
      isList.push(character === OPEN_ARRAY);
      path.push(character === OPEN_ARRAY ? 0 : "");
      isKey = character === OPEN_OBJECT;
    } else if (character === CLOSE_OBJECT || character === CLOSE_ARRAY) {
      isList.pop();
      path.pop();
      isKey = false;
    } else if (character === COMMA) {
      const last = path.at(-1);
      isKey = isList.at(-1) === false;
      if (typeof last === "number") path[path.length - 1] = last + 1;
    }
  }
  assert(false, `no value begins at byte ${at}`);
  return path;
}

function endOfString(text: Uint8Array, from: number): number {
  let i = from;
  while (text[i] !== QUOTE) i += text[i] === BACKSLASH ? 2 : 1;
  return i;
}

function keyText(quoted: Uint8Array): string {
  return String(JSON.parse(decoder.decode(quoted)));
}

/** Undefined: an object around columns. */
function typeAt(plan: ColumnPlan, path: readonly (string | number)[]): ColumnType | undefined {
  const [body] = plan.body;
  const isInBody = body !== undefined && path[0] === body;
  const inner = isInBody ? path.slice(1) : path;
  const columns = isInBody || body === undefined ? plan.payload : plan.beside;
  const column = columns.find(({ field }) => field === inner[0]);
  let type = column?.type;
  for (const part of inner.slice(1)) {
    if (type?.kind === "list") type = type.element;
    else if (type?.kind === "struct") type = type.fields.find(({ name }) => name === part)?.type;
  }
  return type;
}

function declared(type: ColumnType | undefined): string {
  if (type === undefined) return "an object";
  switch (type.kind) {
    case "struct":
      return "an object";
    case "list":
      return "an array";
    case "boolean":
      return "a boolean";
    case "long":
      return "an integer";
    case "double":
      return "a number";
    case "decimal":
      return type.quoted ? "a string" : "a number";
    case "timestamp":
      return "a date-time string";
    case "string":
    case "date":
      return "a string";
    case "json":
    case "binary":
      assert(false, "a column that takes any value rejected one");
      return "";
    default:
      return unreachable(type);
  }
}

function wellFormed(type: ColumnType | undefined): string {
  if (type?.kind === "timestamp") return "an RFC 3339 time";
  return type?.kind === "date" ? "an RFC 3339 date" : "a plain decimal";
}

function outOfRange(type: ColumnType | undefined): string {
  switch (type?.kind) {
    case "timestamp":
      return "the year is not 0001 to 9999";
    case "double":
      return "the number does not fit a 64-bit float";
    case "decimal":
      return `the number does not fit decimal(${type.precision},${type.scale})`;
    default:
      return "the integer does not fit 64 bits";
  }
}

function jsonType(character: string): string {
  switch (character) {
    case '"':
      return "a string";
    case "{":
      return "an object";
    case "[":
      return "an array";
    case "t":
    case "f":
      return "a boolean";
    case "n":
      return "null";
    default:
      return "a number";
  }
}
