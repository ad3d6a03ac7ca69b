/** A job over a table that really lands, in memory, and the batch query that it is held against. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../core/clock.ts";
import { type Job, jobLimitsSchema } from "../../../core/job.ts";
import { watermarkOf } from "../../../core/landed.ts";
import type { JobPlan } from "../../../lake/job/plan.ts";
import { openEngine } from "../../../lake/query/session.ts";
import { viewStatements } from "../../../lake/query/view.ts";
import { JobRun, type RunStats } from "../../../workers/stream/job-run.ts";
import { TableLanding } from "../../../workers/land/table-landing.ts";
import { declare, eventType, install, type Installation, never, OPTIONS, send, uuid } from "../land/setup.ts";

export const TABLE = "order.created";
export const TYPE = eventType();
export const LATENESS_MS = 20_000;
const START_MS = Date.UTC(2026, 2, 1, 22, 0);
const MINUTE = "INTERVAL '1 minute'";
const LATENESS = `INTERVAL '${LATENESS_MS} milliseconds'`;
const END = `time_bucket(${MINUTE}, event_time) + ${MINUTE}`;
const ADMITTED = `coalesce(watermark < ${END} + ${LATENESS}, true)`;
const COUNTS = "SELECT window_start, window_end, n % 3 AS k, count(*) AS c, sum(n) AS s";

/** Each row as it comes. */
export const ROWS: JobPlan = {
  version: 1,
  name: "rows",
  kind: "rows",
  inputs: [{ table: TABLE, columns: ["event_id", "event_time", "n"], pending: null }],
  goesByEventTime: true,
  latenessMs: 0,
  state: [],
  prepare: [],
  absorb: [],
  columns: [],
  release: "SELECT event_id, event_time, n * 2 AS twice FROM new_0 WHERE n % 5 <> 0",
  corrections: [],
  forget: [],
  compact: [],
  content: [],
  keeps: [],
  ticks: null,
  preview: null,
  violations: ["SELECT 'small' AS check_name, event_id FROM new_0 WHERE n % 97 = 0"],
  batch: {
    prepare: [],
    select: `SELECT event_id, event_time, n * 2 AS twice FROM "${TABLE}" WHERE n % 5 <> 0`,
  },
};

/** A tumbling count, by rows that are kept. */
export const COUNT: JobPlan = {
  version: 1,
  name: "count",
  kind: "windows",
  inputs: [
    {
      table: TABLE,
      columns: ["event_time", "watermark", "n"],
      pending: `${END} + ${LATENESS} > getvariable('released_to')`,
    },
  ],
  goesByEventTime: true,
  latenessMs: LATENESS_MS,
  state: [{ name: "kept", like: "SELECT * FROM new_0" }],
  prepare: [
    `CREATE MACRO tumble(rows, size) AS TABLE SELECT * FROM (SELECT *, time_bucket(size, event_time) AS window_start,
      time_bucket(size, event_time) + size AS window_end FROM query_table(rows))
      WHERE window_end + ${LATENESS} > getvariable('released_to')
        AND window_end + ${LATENESS} <= getvariable('release_to')`,
  ],
  absorb: [
    `INSERT INTO kept SELECT * FROM new_0 WHERE ${ADMITTED} AND ${END} + ${LATENESS} > getvariable('released_to')`,
  ],
  columns: [],
  release: `${COUNTS} FROM tumble('kept', ${MINUTE}) GROUP BY ALL`,
  corrections: [
    `SELECT '${TABLE}' AS source, ${END} AS window_end, n::VARCHAR AS late_row FROM new_0 WHERE NOT ${ADMITTED}`,
  ],
  forget: [`DELETE FROM kept WHERE ${END} + ${LATENESS} <= getvariable('release_to')`],
  compact: [],
  content: [],
  keeps: [],
  ticks: null,
  preview: `SELECT ${END} AS window_end, count(*) AS c FROM kept GROUP BY ALL ORDER BY ALL`,
  violations: [],
  batch: {
    prepare: [],
    select: `${COUNTS} FROM (SELECT *, time_bucket(${MINUTE}, event_time) AS window_start, ${END} AS window_end
      FROM "${TABLE}" WHERE ${ADMITTED}) WHERE window_end + ${LATENESS} <= getvariable('released') GROUP BY ALL`,
  },
};
export const LATE = `SELECT '${TABLE}' AS source, ${END} AS window_end, n::VARCHAR AS late_row FROM "${TABLE}"
  WHERE NOT ${ADMITTED}`;

export interface World {
  readonly at: Installation;
  readonly landing: TableLanding;
  readonly folder: string;
  readonly stats: RunStats;
  /** Lands events in commits of this many, in disorder, some of them late. */
  land(events: number, commits?: number): Promise<void>;
  open(plan: JobPlan, changed?: Partial<Job>, folder?: string): Promise<JobRun>;
  /** By its text, as others follow it or not. */
  openText(job: Job, isFollowed?: () => boolean, folder?: string): Promise<JobRun>;
  close(): Promise<void>;
}

export function jobOf(plan: JobPlan, changed: Partial<Job> = {}): Job {
  return {
    id: `id-${plan.name}`,
    name: plan.name,
    text: "",
    inputs: plan.inputs.map(({ table }) => table),
    output: `out.${plan.name}`,
    start: "begin",
    limits: jobLimitsSchema.parse({}),
    isPaused: false,
    by: "test",
    createdMs: 0,
    ...changed,
  };
}

export async function startWorld(partitions = 2): Promise<World> {
  // Hosts sleep by the real clock and look at the age of each other's notes by it.
  const at = await install(undefined, systemClock, undefined, systemClock);
  await declare(at, TYPE, partitions);
  const landing = await TableLanding.open(at.ports, OPTIONS, TYPE);
  const folder = await mkdtemp(join(tmpdir(), "muara-jobs-"));
  const stats: RunStats = { steps: 0, rows: 0, size: null, rebuilds: 0 };
  let n = 0;
  const land = async (events: number, commits = 1): Promise<void> => {
    for (let commit = 0; commit < commits; commit++) {
      for (let partition = 0; partition < partitions; partition++)
        await send(
          at,
          Array.from({ length: events }, () => eventAt(at, n++)),
          partition,
        );
      at.clock.advance(1_000);
      while ((await landing.step(never)).hasBacklog);
    }
  };
  const open = (plan: JobPlan, changed: Partial<Job> = {}, other = folder): Promise<JobRun> => {
    const { store, openTable, randomness, logger } = at;
    const ports = { store, openTable, randomness, logger, clock: systemClock };
    const about = { job: jobOf(plan, changed), plan, stats };
    return JobRun.open(ports, { folder: other, quietMs: 60_000 }, about, never);
  };
  const openText = (job: Job, isFollowed?: () => boolean, other = folder): Promise<JobRun> => {
    const ports = { ...at, clock: systemClock };
    return JobRun.open(ports, { folder: other, quietMs: 60_000 }, { job, stats, isFollowed }, never);
  };
  const close = (): Promise<void> => rm(folder, { recursive: true, force: true });
  return { at, landing, folder, stats, land, open, openText, close };
}

/** A second after the one before, up to ten seconds early or late, now and then by some minutes. */
function eventAt({ randomness }: Installation, n: number): string {
  const isLate = randomness.fraction() < 0.03;
  const offMs = (randomness.fraction() - 0.5) * (isLate ? 600_000 : 20_000);
  const atMs = START_MS + n * 1_000 + Math.min(offMs, 10_000);
  return JSON.stringify({ metadata: { eid: uuid(n), occurred_at: new Date(atMs).toISOString() }, n });
}

/** Until there is nothing more to do. @returns how many steps it took */
export async function drain(run: JobRun): Promise<number> {
  for (let steps = 0; ; steps++) if ((await run.step(never)) !== "moved") return steps;
}

/** Rows of the tables as SQL has them: each query's answer in order. */
export async function query(
  { at }: World,
  tables: readonly string[],
  queries: readonly string[],
): Promise<unknown[][][]> {
  const folder = await mkdtemp(join(tmpdir(), "muara-jobs-look-"));
  try {
    const engine = await openEngine({ memoryBytes: 1 << 29, threads: 1 });
    const { txns } = await at.openTable(TABLE).snapshot();
    await engine.run(
      `SET VARIABLE released = epoch_ms(${watermarkOf(txns) ?? 0}::BIGINT)::TIMESTAMP AT TIME ZONE 'UTC'`,
    );
    let files = 0;
    for (const [i, name] of tables.entries()) {
      const { metadata, files: live } = await at.openTable(name).snapshot();
      const local = [];
      for (const { path, partitionValues } of live.values()) {
        const copy = join(folder, `${++files}.parquet`);
        await writeFile(copy, (await at.store.get(`${name}/${path}`))!);
        local.push({ path: copy, partitionValues });
      }
      const { schemaString, partitionColumns } = metadata!;
      const pinned = { names: [name], schemaString, partitionColumns, files: local, ingestedUntilMs: null };
      for (const statement of viewStatements(pinned, i)) await engine.run(statement);
    }
    const answers: unknown[][][] = [];
    for (const one of queries) answers.push((await engine.runAndReadAll(one)).getRowsJson());
    return answers;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Without the columns that every output table has of its own; those beside it have none. */
function resultOf(output: string): string {
  return /\.(corrections|violations)$/.test(output) ? "*" : "* EXCLUDE (row_id, watermark)";
}

/** Rows that one of the two has and the other lacks; and how many there are. */
export async function difference(
  world: World,
  output: string,
  select: string,
  found = `SELECT ${resultOf(output)} FROM "${output}"`,
  prepare: readonly string[] = [],
): Promise<{ rows: number; wrong: readonly unknown[] }> {
  const answers = await query(
    world,
    [TABLE, output],
    [
      ...prepare,
      `SELECT count(*) FROM (${select})`,
      `(${select}) EXCEPT ALL (${found})`,
      `(${found}) EXCEPT ALL (${select})`,
    ],
  );
  const [rows, missing, surplus] = answers.slice(prepare.length);
  return { rows: Number(rows![0]![0]), wrong: [...missing!, ...surplus!] };
}
