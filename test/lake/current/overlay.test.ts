/** Queries over more unmerged changes than the engine's memory holds: the right rows, and no more disk than allowed. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { letSpill, openEngine, pinTables, prepareSelect } from "../../../lake/query/session.ts";
import type { PinnedTable } from "../../../lake/query/view.ts";
import { arrayOf, field, formatSchema, struct } from "../../../lake/table/delta-schema.ts";

const MEMORY_BYTES = 256 * 1_048_576;
const ROWS = 300_000;
const SOURCE = struct(
  field("shard", "string"),
  field("incarnation", "long"),
  field("lsn", "long"),
  field("index", "long"),
  field("change", "string"),
  field("unchanged", arrayOf("string")),
);
const COLUMNS = [
  field("event_id", "string"),
  field("event_time", "timestamp"),
  field("ingest_time", "timestamp"),
  field("event_key", "string"),
  field("source", SOURCE),
  field("id", "long"),
  field("name", "string"),
  field("bio", "string"),
  field("extra", "string"),
];
const CURRENT = formatSchema(struct(...COLUMNS));
const CHANGES = formatSchema(struct(...COLUMNS, field("log_partition", "long"), field("log_offset", "long")));

/** A create of each row, then an update of each that leaves `bio` alone where `isOpen`, and a delete of each third. */
function changesOf(isOpen: boolean): string {
  return `SELECT md5(i::VARCHAR) AS event_id, to_timestamp(i) AS event_time, to_timestamp(1e9) AS ingest_time,
    '[' || id || ']' AS event_key, {shard: 's', incarnation: 1::BIGINT, lsn: i * 8, "index": 0::BIGINT,
      change: CASE WHEN i < ${ROWS} THEN 'create' WHEN id % 3 = 0 THEN 'delete' ELSE 'update' END,
      unchanged: CASE WHEN i >= ${ROWS} AND ${isOpen} AND id % 3 > 0 THEN ['bio'] END} AS source,
    id, 'name ' || i AS name,
    CASE WHEN i < ${ROWS} OR NOT ${isOpen} THEN 'bio ' || id || repeat(md5(i::VARCHAR), 8) END AS bio,
    NULL::VARCHAR AS extra, 0::BIGINT AS log_partition, i AS log_offset
    FROM (SELECT i, i % ${ROWS} AS id FROM range(${2 * ROWS}) AS r(i))`;
}

async function asked(folder: string, isOpen: boolean, spillBytes: number): Promise<readonly unknown[]> {
  const path = join(folder, `changes-${isOpen}.parquet`);
  const writer = await openEngine({ memoryBytes: 500_000_000, threads: 1 });
  await writer.run(`COPY (${changesOf(isOpen)}) TO '${path}' (FORMAT parquet, COMPRESSION zstd)`);
  writer.closeSync();
  const table: PinnedTable = {
    names: ["t.current"],
    schemaString: CURRENT,
    partitionColumns: [],
    files: [],
    ingestedUntilMs: null,
    overlay: {
      rows: null,
      changes: {
        schemaString: CHANGES,
        partitionColumns: [],
        files: [{ path, partitionValues: {} }],
        rows: 2 * ROWS,
        condition: "log_offset >= 0",
      },
    },
  };
  const connection = await openEngine({ memoryBytes: MEMORY_BYTES, threads: 1 });
  try {
    await letSpill(connection, { folder: join(folder, `spill-${isOpen}`), bytes: spillBytes });
    await pinTables(connection, [table], [], undefined);
    const sql = `SELECT count(*), sum(id), count(bio), sum(length(bio)), min(name), count(source.unchanged),
      count(*) FILTER (NOT starts_with(bio, 'bio ' || id)) FROM "t.current"`;
    const answer = await (await prepareSelect(connection, sql)).stream();
    return (await answer.fetchChunk())!.getRows()[0]!.map(String);
  } finally {
    connection.closeSync();
  }
}

test("changes of several times the memory are folded, whole ones and such as leave columns alone", async () => {
  const folder = await mkdtemp(join(tmpdir(), "muara-overlay-"));
  try {
    const left = Array.from({ length: ROWS }, (_, id) => id).filter((id) => id % 3 > 0);
    const length = left.reduce((sum, id) => sum + 4 + String(id).length + 256, 0);
    const ids = left.reduce((sum, id) => sum + id, 0);
    const wanted = [left.length, ids, left.length, length, `name ${ROWS + 1}`, 0, 0].map(String);
    expect(await asked(folder, false, 4e9), "whole").toEqual(wanted);
    expect(await asked(folder, true, 4e9), "open").toEqual(wanted);
    await expect(asked(folder, true, 8_388_608)).rejects.toThrow(/Out of Memory/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}, 120_000);
