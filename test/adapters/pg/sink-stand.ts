/** A PostgreSQL database with sinks into it, for tests. */
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import { createPostgresSink } from "../../../adapters/pg/sink.ts";
import { createSinkPlaces } from "../../../adapters/pg/sink-places.ts";
import { databaseAddressSchema } from "../../../core/database-address.ts";
import type { PostgresTarget } from "../../../core/delivery.ts";
import type { Sink, SinkBatch, SinkColumn, SinkRow } from "../../../core/ports/sink.ts";
import { type PostgresServer, startPostgres } from "../../services/postgres.ts";

export interface SinkStand {
  readonly database: string;
  readonly open: (target: Omit<PostgresTarget, "target">, id?: string, timeoutMs?: number) => Sink;
  readonly sql: (text: string) => Promise<Record<string, unknown>[]>;
  readonly close: () => Promise<void>;
}

export function column(
  name: string,
  kind: "string" | "long" | "timestamp" | "json" | "double" | "date" = "string",
): SinkColumn {
  return { name, type: { kind }, nullable: true };
}

/** What a captured table has before the columns of its rows. */
export const CAPTURED_ENVELOPE: readonly SinkColumn[] = [
  column("event_id"),
  column("event_key"),
  column("data_op"),
  { name: "source", type: { kind: "struct", fields: [] }, nullable: true },
  column("before", "json"),
  column("extra", "json"),
];

export async function sinkStand(server: PostgresServer): Promise<SinkStand> {
  const database = await server.freshDatabase();
  const { host, port, user } = server;
  const address = databaseAddressSchema.parse({ host, port, user, database });
  const sinks: Sink[] = [];
  return {
    database,
    sql: (text) => server.sql(text, [], database),
    open: (target, id = "d1", timeoutMs = 20_000) => {
      const sink = createPostgresSink({
        address,
        readSecret: () => Promise.reject(new Error("no secret")),
        id,
        name: "shop",
        target,
        timeoutMs,
        places: createSinkPlaces(4),
      });
      sinks.push(sink);
      return sink;
    },
    close: async () => void (await Promise.all(sinks.map((sink) => sink.close()))),
  };
}

/** A server for all tests of the file, and for each a stand of its own, which the answer is while it runs. */
export function eachSinkStand(): SinkStand {
  let server: PostgresServer | undefined;
  let stand: SinkStand | undefined;
  beforeAll(async () => {
    server = await startPostgres();
  }, 60_000);
  afterAll(() => server?.stop());
  beforeEach(async () => {
    stand = await sinkStand(server!);
  });
  afterEach(() => stand?.close());
  return {
    get database() {
      return stand!.database;
    },
    open: (...target) => stand!.open(...target),
    sql: (text) => stand!.sql(text),
    close: () => stand!.close(),
  };
}

export function sinkBatch(
  sequence: number,
  columns: readonly SinkColumn[],
  rows: readonly (SinkRow["values"] & { readonly event_key?: string | null })[],
  more: Partial<SinkBatch> = {},
): SinkBatch {
  return {
    id: `d1.0.${sequence}-${rows.length}`,
    delivery: "shop",
    table: "order.created",
    committedMs: 1_772_366_400_000,
    generation: 0,
    sequence,
    columns,
    hasMore: false,
    rows: rows.map((values) => ({ key: values.event_key ?? null, json: "{}", values })),
    ...more,
  };
}
