/**
 * Whose data an erasure is about: the events of a type whose payload has a value in a field. As SQL over the columns
 * of the type's table, and over the bytes of what could not land, which may be no JSON at all: there the value's text
 * anywhere in them counts. Too much is blanked rather than too little.
 */
import { envelopePaths, type EventType } from "../core/event-type.ts";
import { isCaptured } from "../core/event-type-annotations.ts";
import { quoteName, quoteText } from "./query/view.ts";

export interface Subject {
  /** A column of the table, or a field inside of one: `customer.email`. */
  readonly column: string;
  readonly value: string | number | boolean;
}

/** Changes of a captured type: of the row as it is then, or as it was before. */
export function changesOf(subject: Subject): string {
  const path = ["$", ...subject.column.split(".").map((key) => JSON.stringify(key))].join(".");
  const before = `TRY(json_extract_string("before", ${quoteText(path)})) = ${quoteText(String(subject.value))}`;
  return `coalesce(${rowsOf(subject)}, false) OR coalesce(${before}, false)`;
}

/** Rows of the event type's table. */
export function rowsOf({ column, value }: Subject): string {
  return `${column.split(".").map(quoteName).join(".")} = ${quoteText(String(value))}`;
}

/**
 * Rows with raw bytes in `payload` and the id in `event_id`; `noted_ids` are the ids of the subject's rows.
 * @param bodies paths of object keys to what has the field inside of the event
 */
export function recordsOf({ column, value }: Subject, bodies: readonly (readonly string[])[]): string {
  const text = quoteText(String(value));
  const parts = [idsOf()];
  for (const body of bodies) {
    const path = ["$", ...[...body, ...column.split(".")].map((key) => JSON.stringify(key))].join(".");
    parts.push(`TRY(json_extract_string(decode(payload), ${quoteText(path)})) = ${text}`);
  }
  // Digits or "true" would be found in every other event.
  for (const spelling of spellingsOf(value))
    parts.push(`contains(hex(payload), '${Buffer.from(spelling).toString("hex").toUpperCase()}')`);
  return parts.map((part) => `coalesce(${part}, false)`).join(" OR ");
}

/** Rows that bear an id of the subject's rows. */
export function idsOf(): string {
  return "lower(event_id) IN (SELECT event_id FROM noted_ids)";
}

/**
 * Tells whether an event is one of the subject's. Numbers are compared as doubles: too much rather than too little.
 * @param bodies as in `recordsOf`
 */
export function payloadMatcher(
  { column, value }: Subject,
  bodies: readonly (readonly string[])[],
): (payload: Uint8Array) => boolean {
  const field = column.split(".");
  const texts = spellingsOf(value);
  // An event that holds none of these has the field with another value, or none.
  const hints = typeof value === "string" ? texts : [field.at(-1)!];
  return (payload) => {
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
    if (!bytes.includes("\\") && !hints.some((hint) => bytes.includes(hint))) return false;
    let event: unknown;
    try {
      event = JSON.parse(bytes.toString());
    } catch {
      return texts.some((text) => bytes.includes(text));
    }
    return bodies.some((body) => isValue(at(event, [...body, ...field]), value));
  };
}

function at(event: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (node, key) =>
      typeof node === "object" && node !== null
        ? (node as Readonly<Record<string, unknown>>)[key]
        : undefined,
    event,
  );
}

function isValue(found: unknown, value: Subject["value"]): boolean {
  const isPlain = typeof found === "string" || typeof found === "number" || typeof found === "boolean";
  return isPlain && String(found) === String(value);
}

/** Where in an event of the type its fields are. */
export function bodiesOf(type: EventType): readonly (readonly string[])[] {
  const { body } = envelopePaths(type);
  return isCaptured(type) ? [body, ["before"]] : [body];
}

/** How a text may stand in bytes that are no JSON; digits or "true" would be found in every other event. */
function spellingsOf(value: Subject["value"]): readonly string[] {
  if (typeof value !== "string") return [];
  return [...new Set([value, JSON.stringify(value).slice(1, -1), escaped(value)])];
}

/** As writers put it that keep to ASCII. */
function escaped(text: string): string {
  return JSON.stringify(text)
    .slice(1, -1)
    .replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
