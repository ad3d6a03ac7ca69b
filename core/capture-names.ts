/** What a capture calls things at its source, and the event types of its tables. */
import type { Capture } from "./capture.ts";
import { MuaraError } from "./errors.ts";
import { EVENT_TYPE_NAME } from "./event-type.ts";

const SLUG_MAX = 36;
/** Of an id: what names at the source have of it. */
export const STEM_LENGTH = 6;

/** Of the declaration: another Muara, or a capture declared anew, has others. */
function stem({ name, id }: Pick<Capture, "name" | "id">): string {
  return `muara_${name.replaceAll("-", "_").slice(0, SLUG_MAX)}_${id.slice(0, STEM_LENGTH)}`;
}

/** Each incarnation has a slot of its own, which nobody else can have made. */
export function slotName(capture: Pick<Capture, "name" | "id">, incarnation: number): string {
  return `${stem(capture)}_${incarnation}`;
}

export function publicationName(capture: Pick<Capture, "name" | "id">): string {
  return stem(capture);
}

/** Of tables that have no identity: PostgreSQL refuses their updates once those are published. */
export function insertsPublicationName(capture: Pick<Capture, "name" | "id">): string {
  return `${stem(capture)}_inserts`;
}

/** Names of event types by `schema.table`. @throws event_type.invalid for a table that needs a name of its own */
export function eventTypeNames({
  tables,
  prefix,
  database,
  outbox,
}: Pick<Capture, "tables" | "prefix" | "database" | "outbox">): ReadonlyMap<string, string> {
  const entries = Array.isArray(tables)
    ? tables.map((table) => [table, `${prefix ?? database}.${table}`] as const)
    : Object.entries(tables);
  for (const [table, name] of entries)
    if (!EVENT_TYPE_NAME.test(name))
      throw new MuaraError(
        "event_type.invalid",
        `"${name}" for ${table} is no name of an event type: give one.`,
        {
          details: { table, event_type: name },
        },
      );
  const own = entries.filter(([table]) => table !== outbox?.table);
  const twice = own.find(([, name], i) => own.findIndex(([, other]) => other === name) < i);
  // Rows of two tables may have the same key.
  if (twice)
    throw new MuaraError("event_type.invalid", `Two tables would feed "${twice[1]}": give each its own.`, {
      details: { table: twice[0], event_type: twice[1] },
    });
  return new Map(own);
}
