/**
 * A delta load: tables read again and again by a column that tells when a row last changed, for databases that do not
 * let their log be read. Declared in the configuration.
 *
 * It is what there was before capture, and sees less: no deletes, of several changes between two reads the last one, of
 * a row whose column was not set nothing; what commits later than `overlapMs` after the time that it bears is missed.
 */
import { z } from "zod";
import { captureName, tableName } from "./capture.ts";
import { DATABASE_NAME } from "./database-address.ts";
import { EVENT_TYPE_NAME } from "./event-type.ts";

export const deltaLoadSchema = z.strictObject({
  database: captureName.describe("name in `postgres`"),
  tables: z
    .union([z.array(tableName).min(1), z.record(tableName, z.string().regex(EVENT_TYPE_NAME))])
    .describe(
      "tables, or tables and the names of their event types; default names are DATABASE.SCHEMA.TABLE",
    ),
  column: z.string().min(1).max(63).describe("of a timestamp, in each of the tables; best with an index"),
  everyMs: z.int().min(100).default(10_000).describe("rest between two reads, ms"),
  overlapMs: z
    .int()
    .min(0)
    .default(60_000)
    .describe("how much of what was read is read again: transactions commit later than their times, ms"),
  rows: z.int().min(1).max(100_000).default(10_000).describe("read at once"),
  shard: z.string().min(1).max(63).optional().describe("in every change; default: the database's name"),
  owningApplication: z.string().min(1).max(255).default("muara"),
});

export const deltaLoadsSchema: z.ZodRecord<z.ZodString, typeof deltaLoadSchema> = z.record(
  z.string().regex(DATABASE_NAME, "a-z, 0-9, - and _"),
  deltaLoadSchema,
);

export type DeltaLoad = z.infer<typeof deltaLoadSchema> & { readonly name: string };

/** How far it is (registry, kind `delta-load-state`, by name), per table. */
export interface DeltaLoadState {
  readonly tables: Readonly<Record<string, DeltaLoadPlace>>;
  readonly atMs: number;
}

export interface DeltaLoadPlace {
  /** Newest time that is durable here, as the source shows it, and no later than the source's clock was. */
  readonly until: string | null;
  /** Rows ever appended. */
  readonly rows: number;
}
