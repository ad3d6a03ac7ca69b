/**
 * A capture: the changes of chosen tables of one PostgreSQL database (a shard), as events. Declared at run time
 * (`/v1/captures`, `muara capture add`); the database's address is the configuration's. What the capture has done
 * stands beside it in the registry (`CaptureState`).
 */
import { z } from "zod";
import { DATABASE_NAME } from "./database-address.ts";
import { EVENT_TYPE_NAME, EVENT_TYPE_NAME_LENGTH_MAX } from "./event-type.ts";

export const captureName = z.string().regex(DATABASE_NAME, "1 to 63 of a-z, 0-9, - and _");
const eventTypeName = z
  .string()
  .max(EVENT_TYPE_NAME_LENGTH_MAX)
  .regex(EVENT_TYPE_NAME, "no name of an event type");
/** As `schema.table`; quoting is not needed. */
export const tableName: z.ZodString = z.string().regex(/^[^.]{1,63}\.[^.]{1,63}$/, "schema.table");

export const captureRequestSchema = z.strictObject({
  name: captureName,
  /** Name in the configuration's `postgres`. */
  database: captureName,
  /** In every change; captures of databases with the same tables feed the same event types under other shards. */
  shard: z.string().min(1).max(63).optional(),
  /** Tables, or tables and the names of their event types; default names are `PREFIX.SCHEMA.TABLE`. */
  tables: z.union([z.array(tableName).min(1), z.record(tableName, eventTypeName)]),
  prefix: eventTypeName.optional(),
  /** `global`: a key means the same row on every shard; `shard`: only within its own. */
  keys: z.enum(["shard", "global"]).default("shard"),
  /** What is there already: copied first, or left out. */
  copy: z.enum(["initial", "none"]).default("initial"),
  /** Whether Muara may write messages into the source's log every now and then. */
  heartbeat: z.boolean().default(false),
  owning_application: z.string().min(1).max(255).default("muara"),
  /** Messages whose prefix is here become events of these types (pg_logical_emit_message). */
  messages: z.record(z.string().min(1).max(63), eventTypeName).default({}),
  /** A table whose inserts are events: names of its columns. Its own rows become no change events. */
  outbox: z
    .strictObject({
      table: tableName,
      event_type: z.string().min(1).max(63).default("event_type"),
      payload: z.string().min(1).max(63).default("payload"),
    })
    .optional(),
  description: z.string().max(200).default(""),
});

/** What the registry keeps under its name (kind `capture`). */
export interface Capture extends Omit<z.infer<typeof captureRequestSchema>, "shard"> {
  readonly shard: string;
  /** Of this declaration: one declared again under its name begins anew. */
  readonly id: string;
  readonly isPaused: boolean;
  /** Tables that somebody wants to have copied anew, each with the id of that wish. */
  readonly again?: Readonly<Record<string, string>>;
  readonly by: string;
  readonly createdMs: number;
}

/** How far it is (kind `capture-state`, under the capture's name). */
export interface CaptureState {
  readonly captureId: string;
  /** Where the slot is, as the configuration names it: it outlives the declaration until it is dropped. */
  readonly database: string;
  /** Whoever removed the capture wants its slot to stay. */
  readonly isKept?: boolean;
  /** Of the slot: a number that none had before (core/change.ts). */
  readonly incarnation: number;
  readonly slot: string;
  readonly publication: string;
  /** Of the source, as it was when the slot was made; another one is never continued. */
  readonly systemId: string;
  readonly timeline: number;
  /** End of the last transaction that is durable here, as text of an integer. */
  readonly lsn: string;
  /** What is here beyond `lsn` was appended then or later, ms: whoever goes on looks for it from there. */
  readonly sinceMs: number;
  readonly phase: "preparing" | "copying" | "streaming" | "stopped";
  /** Per table, `schema.table`. */
  readonly tables: Readonly<Record<string, CapturedTable>>;
  /** By table: why changes of it may be missing since its copy, and will be until it is copied anew. */
  readonly missed?: Readonly<Record<string, string>>;
  /** Why it stands still, and what to do. */
  readonly problem: string | null;
  readonly atMs: number;
}

export interface CapturedTable {
  readonly eventType: string;
  readonly partition: number;
  readonly copy: "none" | "waiting" | "copying" | "done";
  /** Of a copy that can be resumed: the last key that is durable, as JSON array of texts. */
  readonly copiedTo: readonly string[] | null;
  readonly copiedRows: number;
  /** Whether that is the last one of all. */
  readonly isCopiedToEnd?: boolean;
  /** Keys (of records) whose rows are to be read again before the copy is whole. */
  readonly copyAgain?: readonly string[];
  /** Numbers below it may have been given to copied rows (core/copy-place.ts). */
  readonly copyNumbers?: number;
  /** The last wish for another copy that was begun. */
  readonly again?: string;
  /** The copy is whole once the stream has passed this, as text of an integer. */
  readonly completeAt: string | null;
}
