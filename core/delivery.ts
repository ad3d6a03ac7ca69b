/**
 * A delivery: the rows that come into a table, sent to somewhere else, each at least once and under a stable id.
 * Declared at run time (`/v1/deliveries`); how far it is stands beside it in the registry, moved by compare-and-set, so
 * that of two processes that deliver the same only one gets on.
 */
import { z } from "zod";
import { DATABASE_NAME } from "./database-address.ts";
import { EVENT_TYPE_NAME, EVENT_TYPE_NAME_LENGTH_MAX } from "./event-type.ts";
import { searchTargetSchema } from "./search-target.ts";

const NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/;
const MIB = 1_048_576;

export const deliveryName = z.string().regex(NAME, "1 to 63 of a-z, 0-9, - and _");

/** PostgreSQL cuts longer names off, silently; a table's columns are checked when it is made. */
const IDENTIFIER_BYTES_MAX = 63;
const identifier = z
  .string()
  .min(1)
  .refine((text) => isIdentifier(text), `1 to ${IDENTIFIER_BYTES_MAX} bytes, without a NUL`);

/** A table of an operational data store, and what rows do there. */
export const postgresTargetSchema = z
  .strictObject({
    /** Name in the configuration's `postgres`. */
    target: z.string().regex(DATABASE_NAME, "1 to 63 of a-z, 0-9, - and _"),
    table: z
      .string()
      .regex(/^[^.]+\.[^.]+$/, "schema.table")
      .refine((text) => text.split(".").every(isIdentifier), `names of 1 to ${IDENTIFIER_BYTES_MAX} bytes`),
    /**
     * `append`: each row once, by event_id. `upsert`: of each key the row that was accepted last. `state`: what the
     * changes of a captured table make of its rows.
     */
    mode: z.enum(["append", "upsert", "state"]),
    /** Columns; of `state` those of the source's key, by default the record's key is one column. */
    key: z.array(identifier).min(1).max(32).optional(),
  })
  .refine(({ mode, key }) => mode !== "upsert" || key !== undefined, {
    path: ["key"],
    message: "upsert needs the columns of the key",
  })
  .refine(({ key }) => new Set(key).size === (key?.length ?? 0), {
    path: ["key"],
    message: "a column twice",
  });

export type PostgresTarget = z.infer<typeof postgresTargetSchema>;

function isIdentifier(text: string): boolean {
  const { length } = new TextEncoder().encode(text);
  return length >= 1 && length <= IDENTIFIER_BYTES_MAX && !text.includes("\0") && text.isWellFormed();
}

export const deliveryRequestSchema = z
  .strictObject({
    name: deliveryName,
    table: z.string().min(1).max(255),
    /** Webhook: where its POST requests go. */
    url: z
      .url({ protocol: /^https?$/ })
      .max(2_048)
      .optional(),
    /** Kafka: one of the addresses that the configuration names, and the topic there. */
    kafka: z.strictObject({ target: deliveryName, topic: z.string().regex(/^[\w.-]{1,200}$/) }).optional(),
    /** An operational data store. */
    postgres: postgresTargetSchema.optional(),
    /** An index of a search engine. */
    elasticsearch: searchTargetSchema.optional(),
    /** An event type of the same Muara: each row is an event. */
    log: z
      .strictObject({ event_type: z.string().max(EVENT_TYPE_NAME_LENGTH_MAX).regex(EVENT_TYPE_NAME) })
      .optional(),
    /** Rows that are there, or only those to come. */
    from: z.enum(["begin", "now"]).default("now"),
    batch_rows: z.int().min(1).max(10_000).optional().describe("default: 500, of postgres 5000"),
    batch_bytes: z
      .int()
      .min(1_024)
      .max(16 * MIB)
      .optional()
      .describe("default: 1 MiB, of postgres 8 MiB"),
    timeout_ms: z.int().min(100).max(120_000).default(10_000),
    description: z.string().max(200).default(""),
  })
  .refine(
    ({ url, kafka, postgres, elasticsearch, log }) =>
      [url, kafka, postgres, elasticsearch, log].filter((one) => one !== undefined).length === 1,
    "one of url, kafka, postgres, elasticsearch and log",
  )
  .transform((request) => {
    const isLarge = request.postgres !== undefined;
    const { batch_rows: rows = isLarge ? 5_000 : 500, batch_bytes: bytes = isLarge ? 8 * MIB : MIB } =
      request;
    return { ...request, batch_rows: rows, batch_bytes: bytes };
  });

/** What the registry keeps under its name. */
export interface Delivery extends z.infer<typeof deliveryRequestSchema> {
  /** Of this declaration: one declared again under its name begins anew. */
  readonly id: string;
  readonly isPaused: boolean;
  /** Signs webhooks: 32 bytes, base64. Whoever can read the log has it, and the rows as well. */
  readonly secret: string;
  readonly by: string;
  readonly createdMs: number;
  /** Name of the job whose sink it is: paused, resumed and removed with it. */
  readonly job?: string;
}

/** How far a delivery is: the changes of the versions up to `version`, and some rows of the next step. */
export interface DeliveryPosition {
  /** Of the declaration. */
  readonly id: string;
  /** Of the table's incarnation; "" before its first commit. */
  readonly tableId: string;
  /** How often the delivery has begun again. */
  readonly generation: number;
  /** Everything of it, and of those before it, is delivered or dead; -1 for nothing. */
  readonly version: number;
  /** Rows of the step after it that are delivered or dead. */
  readonly rows: number;
  /** That step is not the version's changes but the whole table at this version. */
  readonly snapshot: number | null;
  readonly delivered: number;
  readonly dead: number;
  /** Written now and then by who delivers it. */
  readonly state: "delivering" | "failing";
  readonly problem: string | null;
  readonly atMs: number;
}

/** Of a delivery whose table has no commit yet. */
export function nothingDelivered({ id }: Pick<Delivery, "id">, atMs: number): DeliveryPosition {
  const none = { tableId: "", generation: 0, version: -1, rows: 0, snapshot: null, delivered: 0, dead: 0 };
  return { id, ...none, state: "delivering", problem: null, atMs };
}

export const DELIVERY_FOLDER = "_deliveries";

/** Who reads a table commit by commit: versions up to this one are not needed any more. */
export function neededAfter(position: DeliveryPosition): number {
  return position.snapshot === null ? position.version : Math.min(position.version, position.snapshot - 1);
}
