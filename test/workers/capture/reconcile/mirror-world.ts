/**
 * A source and a lake beside each other, without a capture between: the rows of a table are written as changes by the
 * adapter's own value writer, landed for real, and a test may falsify any of them on the way.
 */
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { createFileObjectStore } from "../../../../adapters/file/object-store.ts";
import { createMemoryLog } from "../../../../adapters/memory/log.ts";
import { ByteBuffer, viewOf } from "../../../../adapters/pg/byte-buffer.ts";
import { openSnapshot } from "../../../../adapters/pg/snapshot.ts";
import { writeText } from "../../../../adapters/pg/text-value.ts";
import { writeValue } from "../../../../adapters/pg/value.ts";
import { CAPTURED_ANNOTATION, changeId, type ChangeKind, DATA_OPS } from "../../../../core/change.ts";
import { seededRandomness, systemClock } from "../../../../core/clock.ts";
import { configSchema } from "../../../../core/config.ts";
import { databaseAddressSchema } from "../../../../core/database-address.ts";
import type { EventType } from "../../../../core/event-type.ts";
import { createKernel } from "../../../../core/kernel.ts";
import { silentLogger } from "../../../../core/logger.ts";
import { soleOwnership } from "../../../../core/ports/ownership.ts";
import type { SnapshotTable } from "../../../../core/ports/snapshot.ts";
import { packRecords } from "../../../../core/record.ts";
import { Registry } from "../../../../core/registry.ts";
import { createCatalog } from "../../../../lake/catalog.ts";
import { createQueryService } from "../../../../lake/query/service.ts";
import { openTableLog } from "../../../../lake/table/table-log.ts";
import type { Comparison } from "../../../../core/reconciliation.ts";
import { compareTable } from "../../../../workers/capture/reconcile/compare.ts";
import { placeColumns } from "../../../../workers/capture/reconcile/lake-columns.ts";
import { lakeRows } from "../../../../workers/capture/reconcile/lake-rows.ts";
import { mergeProperties } from "../../../../workers/capture/property-merge.ts";
import { TableLanding } from "../../../../workers/land/table-landing.ts";
import type { PostgresServer } from "../../../services/postgres.ts";
import { eventType, never, OPTIONS } from "../../land/setup.ts";

const SHARD = "shop1";
const INCARNATION = 3;
const module = new WebAssembly.Module(
  readFileSync(new URL("../../../../core-as/kernel.wasm", import.meta.url)),
);

/** A row as the source shows it: texts by column. */
export type Texts = Readonly<Record<string, string | null>>;

export interface Told {
  readonly change: ChangeKind;
  readonly row: Texts;
  /** Columns that are left out. */
  readonly unchanged?: readonly string[];
  readonly before?: Texts;
  /** Later than the snapshot. */
  readonly lsn?: bigint;
}

export type World = Awaited<ReturnType<typeof openWorld>>;

export async function openWorld(server: PostgresServer, database: string) {
  const root = await mkdtemp(path.join(os.tmpdir(), "muara-mirror-"));
  const services = { clock: systemClock, randomness: seededRandomness(5), logger: silentLogger };
  const log = createMemoryLog(services);
  const store = createFileObjectStore({ root });
  const registry = await Registry.open(log, "test", systemClock);
  const openTable = (name: string) => openTableLog(store, name, services);
  const kernel = createKernel(module, new Uint8Array(16).fill(5));
  const ports = { ...services, log, store, openTable, kernel, registry, ownership: soleOwnership };
  const catalog = createCatalog({ store, registry, clock: systemClock, openTable });
  const options = { ...configSchema.parse({}).query, warm: 1, namespace: "off" as const };
  const query = createQueryService({ catalog, options, clock: systemClock, logger: silentLogger });
  const address = databaseAddressSchema.parse({
    host: server.host,
    port: server.port,
    user: server.user,
    database,
  });
  const snapshotOptions = { ...services, readSecret: async () => "", waitMs: 5_000, restShare: 0 };
  const types = new Map<string, EventType>();
  let told = 0n;

  /** Declares the event type as a capture would, once. */
  const typeOf = async (table: SnapshotTable): Promise<EventType> => {
    const known = types.get(table.name);
    if (known) return known;
    const { properties } = mergeProperties({}, table.columns, false);
    const type = eventType({
      name: `${SHARD}.public.${table.name}`,
      category: "data",
      annotations: { [CAPTURED_ANNOTATION]: "on" },
      schema: { type: "json_schema", schema: JSON.stringify({ type: "object", properties }) },
    });
    await registry.put("event-type", type.name, 0, type);
    await log.createStream(type.name, { partitions: 1, cleanup: "delete", retentionMs: 1e12 });
    types.set(table.name, type);
    return type;
  };
  return {
    query,
    snapshot: () => openSnapshot(address, snapshotOptions),
    /** Rows as the source shows them. */
    texts: async (table: SnapshotTable): Promise<Texts[]> => {
      const list = table.columns.map(({ name }) => {
        const quoted = `"${name.replaceAll('"', '""')}"`;
        return `case when ${quoted} is distinct from null then concat(${quoted}) end as ${quoted}`;
      });
      const client = await server.connect(database);
      await client.query("set timezone = 'UTC'; set extra_float_digits = 3");
      const { rows } = await client.query(`select ${list.join(", ")} from "${table.name}"`);
      await client.end();
      return rows as Texts[];
    },
    /** Writes changes into the log, in this order, and lands them. */
    tell: async (table: SnapshotTable, changes: readonly Told[]): Promise<void> => {
      const type = await typeOf(table);
      const records = changes.map((change) => ({ payload: payloadOf(table, change, ++told) }));
      await log.append(type.name, 0, packRecords(records));
      const landing = await TableLanding.open(ports, OPTIONS, type);
      while ((await landing.step(never)).hasBacklog);
    },
    compare: async (table: SnapshotTable, lsn: bigint, named = 50): Promise<Comparison> => {
      const type = await typeOf(table);
      const lake = await lakeRows(
        {
          query,
          eventType: type.name,
          shard: SHARD,
          incarnation: INCARNATION,
          lsn,
          columns: placeColumns(type, table.columns),
          key: table.key,
        },
        never,
      );
      return compareTable(table, lake, named);
    },
    close: async () => {
      await query.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}

function payloadOf(
  table: SnapshotTable,
  { change, row, unchanged, before, lsn }: Told,
  index: bigint,
): Uint8Array {
  const place = { incarnation: INCARNATION, lsn: lsn ?? 1n, index: Number(index) };
  const left = unchanged ? `,"unchanged":${JSON.stringify(unchanged)}` : "";
  const source =
    `"source":{"shard":"${SHARD}","incarnation":${INCARNATION},"lsn":${place.lsn},"index":${place.index},"xid":1,` +
    `"change":"${change}"${left}}`;
  const old = before ? `,"before":${objectOf(table, before, [])}` : "";
  const metadata = `"metadata":{"eid":"${changeId(place)}","occurred_at":"2026-11-22T10:00:00.000000Z"}`;
  return new TextEncoder().encode(
    `{${metadata},"data_op":"${DATA_OPS[change]}","data_type":"public.${table.name}",${source}${old},` +
      `"data":${objectOf(table, row, unchanged ?? [])}}`,
  );
}

function objectOf(table: SnapshotTable, row: Texts, without: readonly string[]): string {
  const members = table.columns.flatMap((column): string[] => {
    const text = row[column.name];
    if (text === undefined || without.includes(column.name)) return [];
    const name = JSON.stringify(column.name);
    if (text === null) return [`${name}:null`];
    const bytes = new TextEncoder().encode(text);
    const source = { bytes, view: viewOf(bytes) };
    const out = new ByteBuffer();
    if (writeValue(out, column, source, 0, bytes.length)) return [`${name}:${shown(out)}`];
    out.length = 0;
    writeText(out, source, 0, bytes.length);
    return [`${name}:null,${JSON.stringify(`${column.name}__text`)}:${shown(out)}`];
  });
  return `{${members.join(",")}}`;
}

function shown(out: ByteBuffer): string {
  return new TextDecoder().decode(out.bytes.subarray(0, out.length));
}
