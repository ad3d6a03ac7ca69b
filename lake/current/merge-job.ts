/**
 * The merging of changes in the process that rewrites files: first it gathers the changes of the ranges that are asked
 * for and says which slices of the table they touch, then it folds them over these slices' rows.
 *
 * A range is cut before a delete that nothing of its shard follows yet and that is young: the create of the same row
 * under another key may be on its way, and what it needs of the row is gone once the delete is merged.
 */
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { CURRENT_SLICE } from "../../core/columns.ts";
import { columnsOf } from "../parquet/delta-type.ts";
import { deltaStats } from "../parquet/delta-stats.ts";
import { readFooter } from "../parquet/footer-file.ts";
import { footerStatistics } from "../parquet/footer-stats.ts";
import { listOfTexts, quoteName, readSchema } from "../query/view.ts";
import { copyToFile } from "../rewrite-file.ts";
import type { FoldJob, FoldedSlice, GatherJob, RewriteReport, SliceInput } from "../rewrite-job.ts";
import { parseSchema } from "../table/delta-schema.ts";
import { type OffsetRange, rangeCondition } from "./current-table.ts";
import { FOLD_PLACE, foldQuery, IS_CHANGE, IS_UNKEYED, linkedKeys, sliceOf } from "./fold.ts";

/** How long a delete waits for what may follow it, by the time at which the changes were accepted. */
const HOLD = "INTERVAL '60 seconds'";

export async function gatherChanges(connection: DuckDBConnection, job: GatherJob): Promise<RewriteReport> {
  const { inputs, schemaString, partitionColumns, columns, ranges, isFixed, slices } = job;
  const source = sourceOf(
    inputs.map(({ path }) => path),
    schemaString,
    partitionColumns,
  );
  const names = [...columns.map(({ name }) => quoteName(name)), FOLD_PLACE].join(", ");
  await connection.run("DROP TABLE IF EXISTS muara_changes");
  await connection.run(
    `CREATE TEMP TABLE muara_changes AS SELECT ${names} FROM ${source} WHERE ${rangeCondition(ranges)}`,
  );
  const cut: OffsetRange[] = [];
  for (const range of ranges) cut.push(isFixed ? range : await cutRange(connection, range));
  await connection.run(`DELETE FROM muara_changes WHERE NOT (${rangeCondition(cut)})`);
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE muara_linked AS ${linkedKeys(slices)};
    CREATE OR REPLACE TEMP TABLE muara_counts AS
      SELECT ${sliceOf(slices)} AS slice, count(*) AS changes FROM muara_changes GROUP BY ALL`,
  );
  const [sums] = await rowsOf(
    connection,
    `SELECT count(*), epoch_us(max(event_time)),
      count(*) FILTER ((${IS_CHANGE}) AND (${IS_UNKEYED})), bool_or(source.change = 'truncate') FROM muara_changes`,
  );
  const touched = await rowsOf(
    connection,
    `SELECT DISTINCT ${sliceOf(slices)} FROM muara_changes WHERE ${IS_CHANGE} AND source.change <> 'truncate'`,
  );
  const newest = await rowsOf(
    connection,
    `SELECT source.shard, max_by(source.lsn, (source.incarnation, source.lsn)) FROM muara_changes
      WHERE ${IS_CHANGE} GROUP BY ALL`,
  );
  const counts = await rowsOf(connection, "FROM muara_counts");
  const linked = await rowsOf(connection, `SELECT DISTINCT "slice=", "ps=" FROM muara_linked`);
  const ends: { to: number; ingestMs: number | null }[] = [];
  for (const range of cut) {
    const [row] = await rowsOf(
      connection,
      `SELECT epoch_ms(max(ingest_time)) FROM muara_changes WHERE ${rangeCondition([range])}`,
    );
    ends.push({ to: range.to!, ingestMs: row![0] === null ? null : Number(row![0]) });
  }
  return {
    report: "gathered",
    rows: Number(sums![0]),
    timeUs: sums![1] === null ? null : `${sums![1] as bigint}`,
    unkeyed: Number(sums![2]),
    slices: sums![3] === true ? null : touched.map(([slice]) => String(slice)),
    counts: Object.fromEntries(counts.map(([slice, count]) => [String(slice), Number(count)])),
    linked: linked.map(([slice, before]) => [String(slice), String(before)] as const),
    newest: newest.map(([shard, lsn]) => ({ shard: String(shard), lsn: String(lsn as bigint) })),
    ends,
  };
}

async function cutRange(connection: DuckDBConnection, range: OffsetRange): Promise<OffsetRange> {
  const condition = rangeCondition([range]);
  const [row] = await rowsOf(
    connection,
    `WITH here AS (FROM muara_changes WHERE ${condition}),
      last AS (SELECT max_by(source.change, log_offset) AS change, max(log_offset) AS place,
        max_by(ingest_time, log_offset) AS accepted FROM here GROUP BY source.shard)
    SELECT min(place) FROM last
    WHERE change = 'delete' AND accepted >= (SELECT max(ingest_time) FROM here) - ${HOLD}`,
  );
  return row![0] === null ? range : { ...range, to: Number(row![0]) };
}

/** All at once where it fits into memory; else slice by slice, in parts: what a finer hash makes of a slice. */
export async function foldChanges(connection: DuckDBConnection, job: FoldJob): Promise<RewriteReport> {
  const rows = await rowCount(connection, job, job.touched);
  const files =
    rows <= job.rowsAtOnce && job.touched.length > 1
      ? await foldTogether(connection, job)
      : await foldOneByOne(connection, job);
  if (job.isLast)
    await connection.run("DROP TABLE muara_linked; DROP TABLE muara_counts; DROP TABLE muara_changes");
  return { report: "folded", files };
}

/** Rows of the slices, and changes that go into them. */
async function rowCount(
  connection: DuckDBConnection,
  { inputs, schemaString }: FoldJob,
  slices: readonly string[],
): Promise<number> {
  const paths = inputs.filter(({ slice }) => slices.includes(slice)).map(({ path }) => path);
  const merged =
    paths.length === 0 ? "0" : `(SELECT count(*) FROM ${sourceOf(paths, schemaString, [CURRENT_SLICE])})`;
  const [row] = await rowsOf(
    connection,
    `SELECT coalesce(sum(changes), 0) + ${merged} FROM muara_counts
      WHERE list_contains(${listOfTexts(slices)}, slice)`,
  );
  return Number(row![0]);
}

/** Whatever a row of the slices goes on from is among them. */
async function foldTogether(connection: DuckDBConnection, job: FoldJob): Promise<FoldedSlice[]> {
  const isOwn = `list_contains(${listOfTexts(job.touched)}, ${sliceOf(job.slices)})`;
  const query = foldOf(job, job.inputs, isOwn);
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE muara_rows AS SELECT *, ${sliceOf(job.slices)} AS "slice=" FROM (${query})`,
  );
  const files: FoldedSlice[] = [];
  for (const slice of job.touched) {
    const rows = `SELECT ${namesOf(job)} FROM muara_rows WHERE "slice=" = '${Number(slice)}'`;
    files.push(...(await writeSlice(connection, job, slice, 0, rows)));
  }
  await connection.run("DROP TABLE muara_rows");
  return files;
}

async function foldOneByOne(connection: DuckDBConnection, job: FoldJob): Promise<FoldedSlice[]> {
  const [linked] = await rowsOf(
    connection,
    `SELECT count(*) FROM muara_linked WHERE list_contains(${listOfTexts(job.touched)}, "slice=")`,
  );
  const isLinked = Number(linked![0]) > 0;
  const files: FoldedSlice[] = [];
  for (const slice of job.touched) {
    const parts = Math.max(1, Math.ceil((await rowCount(connection, job, [slice])) / job.rowsAtOnce));
    for (let part = 0; part < parts; part++) {
      const isOwn = `${sliceOf(job.slices * parts)} = '${Number(slice) + job.slices * part}'`;
      const rows = partOf(job, slice, isOwn, isLinked);
      files.push(...(await writeSlice(connection, job, slice, part, rows)));
    }
  }
  return files;
}

/** @param isOwn condition on rows of the part @param isLinked whether rows of other parts may be needed, too */
function partOf(job: FoldJob, slice: string, isOwn: string, isLinked: boolean): string {
  const inputs = job.inputs.filter((input) => isLinked || input.slice === slice);
  if (!isLinked) return foldOf(job, inputs, isOwn);
  const other = `(source.shard, coalesce(event_key, event_id)) IN
    (SELECT "s=", "k=" FROM muara_linked UNION ALL SELECT "s=", "pk=" FROM muara_linked)`;
  return `SELECT ${namesOf(job)} FROM (${foldOf(job, inputs, `(${isOwn}) OR ${other}`)}) WHERE ${isOwn}`;
}

/** @param condition on rows and changes */
function foldOf(job: FoldJob, inputs: readonly SliceInput[], condition: string): string {
  const { schemaString, columns } = job;
  const names = namesOf(job);
  const paths = inputs.map(({ path }) => path);
  const source = paths.length === 0 ? undefined : sourceOf(paths, schemaString, [CURRENT_SLICE]);
  return foldQuery({
    base: source === undefined ? null : `SELECT ${names} FROM ${source} WHERE ${condition}`,
    changes: `SELECT ${names}, ${FOLD_PLACE} FROM muara_changes WHERE ${condition} OR source.change = 'truncate'`,
    columns,
  });
}

/** @returns no file where there are no rows */
async function writeSlice(
  connection: DuckDBConnection,
  job: FoldJob,
  slice: string,
  part: number,
  rows: string,
): Promise<FoldedSlice[]> {
  const path = join(job.folder, `slice-${Number(slice)}-${part}.parquet`);
  const order = "source.shard, event_key, event_id";
  const file = await copyToFile(connection, `SELECT * FROM (${rows}) ORDER BY ${order}`, path);
  if (file.rows === 0) return [];
  const stored = columnsOf(parseSchema(job.schemaString)).filter(({ name }) => name !== CURRENT_SLICE);
  const { rows: count, groups } = footerStatistics(readFooter(path, file.bytes), stored);
  return [{ slice, path, file: { ...file, rows: count }, stats: deltaStats(stored, count, groups) }];
}

function namesOf({ columns }: FoldJob): string {
  return columns.map(({ name }) => quoteName(name)).join(", ");
}

function sourceOf(
  paths: readonly string[],
  schemaString: string,
  partitionColumns: readonly string[],
): string {
  return `read_parquet(${listOfTexts(paths)}, schema = ${readSchema(schemaString, partitionColumns)})`;
}

async function rowsOf(connection: DuckDBConnection, sql: string): Promise<readonly (readonly unknown[])[]> {
  return (await connection.runAndReadAll(sql)).getRows();
}
