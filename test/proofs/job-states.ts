/**
 * `npm run proof:job-states -- [--hours 24] [--sliding 50] [--seed N]`: what jobs keep stays as small as what they have
 * to know.
 *
 * 1. Windows of 48 hours that slide by the minute, over 10,000 keys that come now and then: 49 hours and more of
 *    events, minute by minute at the end. The process of the job stays below 500 MB, and its windows are those of a
 *    plain query over all rows.
 * 2. A day (`--hours`) of events by the minute with keys of a long tail, most of which never come again: jobs with
 *    windows by slice, with sessions and with dedup. Rows of state, stored rows (deleted ones among them) and memory
 *    at the end are what they were after the first hours.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DrivenJob } from "../../bench/driven-job.ts";
import { field, struct } from "../../lake/table/delta-schema.ts";
import { temporaryFolder } from "../services/muara.ts";
import { proofCommand, type ProofOptions } from "./proof-command.ts";

export const MEMORY_MB_MAX = 500;
const MIB = 1_048_576;
const MINUTE_MS = 60_000;
const START_MS = Date.UTC(2026, 0, 5);
const TABLE = "shop.click";
const SCHEMA = struct(
  field("event_id", "string"),
  field("event_time", "timestamp"),
  field("watermark", "timestamp"),
  field("k", "long"),
  field("n", "long"),
);

const jobText = (select: string): string =>
  `CREATE JOB driven WITH (lateness = '1 minute') AS ${select} EMIT ON WINDOW CLOSE INTO lake driven`;

/**
 * Rows of some minutes, and up to three minutes late. Each is a function of its number, so that all of them can be had
 * again at once.
 */
function rows(from: number, until: number, perMinute: number, key: string, seed: number): string {
  return `SELECT event_id, make_timestamptz(1000 * (at_ms - late_ms)) AS event_time,
      make_timestamptz(1000 * (minute_ms - ${MINUTE_MS})) AS watermark, k, n
    FROM (SELECT 'e' || i AS event_id, (hash(i, ${seed}) % 1000000007)::BIGINT AS h, ${key} AS k,
        (hash(i, 7) % 1000)::BIGINT AS n,
        ${START_MS} + i // ${perMinute} * ${MINUTE_MS} AS minute_ms, minute_ms + h % ${MINUTE_MS} AS at_ms,
        CASE WHEN h % 10 = 0 THEN h // 10 % 180000 ELSE 0 END AS late_ms
      FROM range(${from * perMinute}, ${until * perMinute}) AS r(i))`;
}

export interface SlidingResult {
  readonly rows: number;
  readonly windowsCompared: number;
  readonly resultRows: number;
  readonly stateRows: number;
  readonly storedRows: number;
  readonly mostMb: number;
}

/** @param perMinute events @param hours of history before steps by the minute, at least 48 for full windows */
export async function runSliding({
  hours,
  perMinute,
  seed,
  tell,
}: Omit<ProofOptions, "server"> & { hours: number; perMinute: number }): Promise<SlidingResult> {
  const folder = await temporaryFolder("job-sliding");
  const text =
    jobText(`SELECT window_start, window_end, k, count(*) AS c, sum(n) AS s, max(n) AS high, avg(n) AS mean
    FROM HOP("${TABLE}", event_time, INTERVAL '1 minute', INTERVAL '48 hours') GROUP BY ALL`);
  const job = await DrivenJob.start({
    folder: folder.path,
    text,
    table: TABLE,
    schema: SCHEMA,
    memoryBytes: MEMORY_MB_MAX * MIB,
  });
  const key = `(hash(i, 3, ${seed}) % 10000)::BIGINT`;
  let resultRows = 0;
  let windowsCompared = 0;
  try {
    const last = hours * 60 + 30;
    const stepOf = (minute: number): number => (minute < hours * 60 ? 10 : 1);
    for (let minute = 0; minute < last;) {
      const next = minute + stepOf(minute);
      const watermarkMs = START_MS + next * MINUTE_MS - MINUTE_MS;
      const result = await job.step({ rows: rows(minute, next, perMinute, key, seed), watermarkMs });
      resultRows += result?.rows ?? 0;
      if (result && (next % 600 === 0 || next === last)) {
        await compareNewest(job, result.path, rows(0, next, perMinute, key, seed));
        windowsCompared += 1;
        tell?.(`hour ${next / 60}: ${JSON.stringify({ ...job.size, ...(await job.memory()) })}`);
      }
      await job.keep();
      minute = next;
    }
    const { mostMb } = await job.memory();
    assert(mostMb < MEMORY_MB_MAX, `the process had ${mostMb} MB`);
    assert(job.plan.keeps.every(({ form }) => form === "slices"));
    return { rows: last * perMinute, windowsCompared, resultRows, ...job.size!, mostMb };
  } finally {
    await job.close();
    await folder.remove();
  }
}

/** The newest window of a result against a plain query over all rows. */
async function compareNewest(job: DrivenJob, path: string, all: string): Promise<void> {
  const end = `(SELECT max(window_end) FROM '${path}')`;
  const mine = `SELECT k, c, s, high, mean FROM '${path}' WHERE window_end = ${end}`;
  const theirs = `SELECT k, count(*) AS c, sum(n)::DECIMAL(38,0) AS s, max(n) AS high, avg(n) AS mean FROM (${all})
    WHERE event_time >= ${end} - INTERVAL '48 hours' AND event_time < ${end}
      AND watermark < ${end} + INTERVAL '1 minute' GROUP BY k`;
  const [[count, left, right]] =
    (await job.query(`WITH a AS (${mine}), b AS (${theirs}) SELECT (SELECT count(*) FROM a),
    (SELECT count(*) FROM (FROM a EXCEPT ALL FROM b)), (SELECT count(*) FROM (FROM b EXCEPT ALL FROM a))`)) as [
      [string, string, string],
    ];
  assert(Number(count) > 0);
  assert.deepEqual([left, right], ["0", "0"], "the window is not that of all rows");
}

export interface SoakResult {
  readonly rows: number;
  readonly resultRows: number;
  /** By hour. */
  readonly stored: readonly number[];
  readonly memoryMb: readonly number[];
}

const SOAKED: Readonly<Record<string, string>> = {
  slices: `SELECT window_start, k, count(*) AS c, sum(n) AS s
    FROM HOP("${TABLE}", event_time, INTERVAL '1 minute', INTERVAL '1 hour') GROUP BY ALL`,
  sessions: `SELECT window_start, window_end, k, count(*) AS c
    FROM SESSION("${TABLE}", event_time, INTERVAL '10 minutes', k) GROUP BY ALL`,
  dedup: `SELECT event_id, k FROM DEDUP("${TABLE}", event_time, INTERVAL '1 hour', k)`,
};

/** @returns by job */
export async function runSoaks({
  hours,
  perMinute,
  seed,
  tell,
  only = Object.keys(SOAKED),
}: Omit<ProofOptions, "server"> & {
  hours: number;
  perMinute: number;
  only?: readonly string[];
}): Promise<Record<string, SoakResult>> {
  const results: Record<string, SoakResult> = {};
  const folder = await temporaryFolder("job-soak");
  try {
    for (const [name, select] of Object.entries(SOAKED).filter(([one]) => only.includes(one))) {
      results[name] = await soak(join(folder.path, name), jobText(select), { hours, perMinute, seed });
      tell?.(`${name}: ${JSON.stringify(results[name])}`);
      checkFlat(name, results[name]);
    }
  } finally {
    await folder.remove();
  }
  return results;
}

async function soak(
  folder: string,
  text: string,
  { hours, perMinute, seed }: { hours: number; perMinute: number; seed: number },
): Promise<SoakResult> {
  const job = await DrivenJob.start({ folder, text, table: TABLE, schema: SCHEMA, memoryBytes: 768 * MIB });
  // Of each hundred events one is of a hundred keys, ten of ten thousand, the others of keys of their own.
  const key = `CASE WHEN i % 100 = 0 THEN i // 100 % 100
    WHEN i % 10 = 1 THEN 1000 + (hash(i) % 10000)::BIGINT ELSE 100000 + i END::BIGINT`;
  const stored: number[] = [];
  const memoryMb: number[] = [];
  let resultRows = 0;
  try {
    for (let minute = 0; minute < hours * 60; minute += 1) {
      const watermarkMs = START_MS + minute * MINUTE_MS;
      const made = rows(minute, minute + 1, perMinute, key, seed);
      resultRows += (await job.step({ rows: made, watermarkMs }))?.rows ?? 0;
      await job.keep();
      if (minute % 60 !== 59) continue;
      stored.push(job.size?.storedRows ?? 0);
      memoryMb.push((await job.memory()).nowMb);
    }
    return { rows: hours * 60 * perMinute, resultRows, stored, memoryMb };
  } finally {
    await job.close();
  }
}

/** The last quarter has no more than the second one, but for what a checkpoint more or less leaves. */
function checkFlat(name: string, { stored, memoryMb }: SoakResult): void {
  const quarter = Math.floor(stored.length / 4);
  if (quarter === 0) return;
  for (const [what, values] of Object.entries({ "stored rows": stored, MB: memoryMb })) {
    const most = (from: number): number => Math.max(...values.slice(from, from + quarter));
    const [early, late] = [most(quarter), most(values.length - quarter)];
    assert(late <= early * 1.25, `${name}: ${late} ${what} at the end, ${early} before`);
  }
}

if (import.meta.main)
  await proofCommand({ hours: 24, sliding: 50 }, async ({ hours, sliding: slidingHours, seed, tell }) => {
    const quiet = { seed: seed % 1_000, ...(tell ? { tell } : {}) };
    const sliding =
      slidingHours > 0 ? await runSliding({ ...quiet, hours: slidingHours, perMinute: 1_000 }) : "left out";
    return { sliding, soaks: await runSoaks({ ...quiet, hours, perMinute: 1_000 }) };
  });
