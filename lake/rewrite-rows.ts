/**
 * The jobs of the process that rewrites files which look for some rows of one file: to take them away, to note whose
 * they are, to put other values in their place.
 */
import type { DuckDBConnection } from "@duckdb/node-api";
import { readFailure } from "./query/failure.ts";
import { listOfTexts, quoteName, readSchema, sqlColumns } from "./query/view.ts";
import { copyToFile } from "./rewrite-file.ts";
import type {
  FilterJob,
  InputSchema,
  JudgeJob,
  LogPlace,
  NoteJob,
  ReplaceJob,
  RewriteInput,
  RewriteReport,
} from "./rewrite-job.ts";

/** Beyond what 64-bit nanoseconds hold some readers fail on statistics. */
const TIME_MIN_MS: number = Date.UTC(1678, 0, 1);
const TIME_MAX_MS: number = Date.UTC(2262, 0, 1);

export async function filterRows(connection: DuckDBConnection, job: FilterJob): Promise<RewriteReport> {
  const source = sourceOf(job.input, job);
  const { gone } = job;
  const isGone = `coalesce((${gone}), false)`;
  const times = ["event_time", "ingest_time"].filter((name) => job.schemaString?.includes(`"${name}"`));
  const bounds = times.flatMap((name) => [`min(epoch_us(${name}))`, `max(epoch_us(${name}))`]);
  const kept = ["count(*)", ...bounds].map((sum) => `${sum} FILTER (NOT ${isGone})`).join(", ");
  const sql = `SELECT count(*) FILTER (${isGone}), count(*) FILTER ((${gone}) IS NULL), ${kept} FROM ${source}`;
  const [row] = (await connection.runAndReadAll(sql)).getRows();
  const [rowsGone, rowsUnknown, rowsKept] = row!.slice(0, 3).map(Number) as [number, number, number];
  const isPart = rowsGone > 0 && rowsKept > 0;
  const file =
    isPart && job.output !== null
      ? await copyToFile(connection, `SELECT * FROM ${source} WHERE NOT ${isGone}`, job.output)
      : null;
  const stats = statsOf(rowsKept, times, row!.slice(3));
  return { report: "filtered", file, stats, rowsKept, rowsGone, rowsUnknown };
}

export async function noteRows(connection: DuckDBConnection, job: NoteJob): Promise<RewriteReport> {
  const source = sourceOf(job.input, job);
  await makeNotes(connection);
  const noted = await connection.runAndReadAll(
    `INSERT INTO noted_ids SELECT lower(event_id) FROM ${source} WHERE ${job.wanted}`,
  );
  const rows = Number(noted.getRows()[0]![0]);
  const places = rows > 0 ? await placesOf(connection, source, job) : [];
  return { report: "noted", rows, places };
}

export async function replaceRows(connection: DuckDBConnection, job: ReplaceJob): Promise<RewriteReport> {
  const source = sourceOf(job.input, job);
  const isWanted = `coalesce((${job.wanted}), false)`;
  const list = Object.entries(job.values).map(
    ([name, sql]) => `CASE WHEN ${isWanted} THEN ${sql} ELSE ${quoteName(name)} END AS ${quoteName(name)}`,
  );
  await makeNotes(connection);
  const count = `SELECT count(*) FROM ${source} WHERE ${isWanted}`;
  const rows = Number((await connection.runAndReadAll(count)).getRows()[0]![0]);
  const file =
    rows > 0 && job.output !== null
      ? await copyToFile(connection, `SELECT * REPLACE (${list.join(", ")}) FROM ${source}`, job.output)
      : null;
  const places = rows > 0 ? await placesOf(connection, source, job) : [];
  return { report: "replaced", file, rows, places };
}

export async function judgeCondition(connection: DuckDBConnection, job: JudgeJob): Promise<RewriteReport> {
  const columns = sqlColumns(job.schemaString).map(
    ({ name, type }) => `CAST(NULL AS ${type}) AS ${quoteName(name)}`,
  );
  try {
    await connection.run(`SELECT ${job.condition} FROM (SELECT ${columns.join(", ")})`);
    return { report: "judged", problem: null };
  } catch (error) {
    return { report: "judged", problem: readFailure(error, "preparing").message.slice(0, 500) };
  }
}

function sourceOf({ path }: RewriteInput, { schemaString, partitionColumns }: InputSchema): string {
  const file = listOfTexts([path]);
  if (schemaString === null) return `read_parquet(${file})`;
  return `read_parquet(${file}, schema = ${readSchema(schemaString, partitionColumns)})`;
}

async function makeNotes(connection: DuckDBConnection): Promise<void> {
  await connection.run("CREATE TEMP TABLE IF NOT EXISTS noted_ids (event_id VARCHAR)");
}

async function placesOf(
  connection: DuckDBConnection,
  source: string,
  { wanted, placed }: Pick<NoteJob, "wanted" | "placed">,
): Promise<readonly LogPlace[]> {
  if (placed === null) return [];
  const found = await connection.runAndReadAll(
    `SELECT log_partition, log_offset FROM ${source} WHERE (${wanted}) AND (${placed}) AND log_offset >= 0`,
  );
  return found.getRows().map(([partition, offset]): LogPlace => [Number(partition), Number(offset)]);
}

/** @param bounds [time × 2] least and greatest in µs, null where there is none */
function statsOf(rows: number, times: readonly string[], bounds: readonly unknown[]): string {
  const [minValues, maxValues]: Record<string, string>[] = [{}, {}];
  for (const [i, name] of times.entries()) {
    const [least, most] = [bounds[i * 2], bounds[i * 2 + 1]];
    if (typeof least !== "bigint" || typeof most !== "bigint") continue;
    const [from, to] = [new Date(Number(least / 1_000n) - 1), new Date(Number(most / 1_000n) + 1)];
    if (from.getTime() < TIME_MIN_MS || to.getTime() > TIME_MAX_MS) continue;
    minValues![name] = from.toISOString();
    maxValues![name] = to.toISOString();
  }
  return JSON.stringify({ numRecords: rows, minValues, maxValues, nullCount: {} });
}
