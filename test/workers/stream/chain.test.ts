/** A job over another job's results, against the two SELECTs as one batch over the lake. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Job, jobWatermarkTxn } from "../../../core/job.ts";
import { WATERMARK_TXN } from "../../../core/landed.ts";
import { FOLLOWED_MS, type JobRun } from "../../../workers/stream/job-run.ts";
import { COUNT, drain, jobOf, query, startWorld, TABLE, type World } from "./world.ts";

const never = (): AbortSignal => new AbortController().signal;
const MINUTES = 3;
const FIRST = `CREATE JOB first WITH (lateness = '20 seconds') AS
SELECT window_start, window_end, n % 3 AS k, count(*) AS c, sum(n) AS s
FROM TUMBLE(order_created, event_time, INTERVAL '1 minute') GROUP BY window_start, window_end, n % 3
EMIT ON WINDOW CLOSE INTO lake first`;
const SECOND = `CREATE JOB second WITH (lateness = '10 seconds') AS
WITH single AS (SELECT window_start AS since, watermark, k, c, s FROM first)
SELECT window_start, window_end, k, count(*) AS minutes, sum(c) AS c, sum(s) AS s
FROM TUMBLE(single, since, INTERVAL '${MINUTES} minutes') GROUP BY window_start, window_end, k
EMIT ON WINDOW CLOSE INTO lake second`;

const startOf = (minutes: number, time: string): string =>
  `time_bucket(INTERVAL '${minutes} minutes', ${time})`;
const END = `${startOf(1, "event_time")} + INTERVAL '1 minute'`;
/** The first job's rows, to all that has landed. */
const INNER = `SELECT ${startOf(1, "event_time")} AS since, n % 3 AS k, count(*) AS c, sum(n) AS s FROM "${TABLE}"
  WHERE coalesce(watermark < ${END} + INTERVAL '20 seconds', true)
    AND ${END} + INTERVAL '20 seconds' <= getvariable('released') GROUP BY ALL`;
/** All of the first are there up to the watermark less its lateness. */
const COMPOSED = `SELECT ${startOf(MINUTES, "since")} AS window_start, window_start + INTERVAL '${MINUTES} minutes' AS
  window_end, k, count(*) AS minutes, sum(c)::DECIMAL(38,0) AS c, sum(s)::DECIMAL(38,0) AS s FROM (${INNER})
  WHERE ${startOf(MINUTES, "since")} + INTERVAL '${MINUTES} minutes' + INTERVAL '10 seconds'
    <= getvariable('released') - INTERVAL '20 seconds' GROUP BY ALL`;

let world: World;
const runs: JobRun[] = [];
beforeEach(async () => (world = await startWorld()));
afterEach(async () => {
  for (const run of runs.splice(0)) await run.close();
  await world.close();
});

const job = (text: string, output: string, inputs: readonly string[], more: Partial<Job> = {}): Job =>
  jobOf(COUNT, { id: `id-${output}`, name: output, text, output, inputs, ...more });
const first = job(FIRST, "first", [TABLE]);
const second = job(SECOND, "second", ["first"]);

async function open(one: Job, isFollowed?: () => boolean, folder?: string): Promise<JobRun> {
  const run = await world.openText(one, isFollowed, folder);
  runs.push(run);
  return run;
}

async function settled(upper: JobRun, lower: JobRun): Promise<void> {
  // What moved without rows is told a while later.
  for (let i = 0; i < 3; i++) {
    await drain(upper);
    await drain(lower);
    await new Promise((resolve) => setTimeout(resolve, FOLLOWED_MS));
  }
}

async function expectComposed(): Promise<number> {
  const found = 'SELECT * EXCLUDE (row_id, watermark) FROM "second"';
  const queries = [`(${COMPOSED}) EXCEPT ALL (${found})`, `(${found}) EXCEPT ALL (${COMPOSED})`, found];
  const [missing, surplus, rows] = await query(world, [TABLE, "first", "second"], queries);
  expect([missing, surplus]).toEqual([[], []]);
  return rows!.length;
}

test(
  "live, from history and after the state is lost: the batch of both in one",
  { timeout: 60_000 },
  async () => {
    await world.land(60, 6);
    const upper = await open(first, () => true);
    await drain(upper);
    let lower = await open(second);
    for (let i = 0; i < 8; i++) {
      await world.land(40, 2);
      await drain(upper);
      await drain(lower);
      if (i !== 4) continue;
      await lower.close();
      lower = await open(second, undefined, `${world.folder}/other`);
    }
    await settled(upper, lower);
    expect(await expectComposed()).toBeGreaterThan(12);
    const late = await open(job(SECOND.replaceAll("second ", "late "), "late", ["first"]));
    await drain(late);
    const both = ['SELECT * EXCLUDE (row_id, watermark) FROM "second" ORDER BY ALL'];
    const [one, other] = await query(
      world,
      ["second", "late"],
      [...both, both[0]!.replace("second", "late")],
    );
    expect(other).toEqual(one);
  },
);

test("the watermark of results goes on where there are none, once somebody follows", async () => {
  // No row is too late, so that no step has anything to tell.
  const text = FIRST.replaceAll("first", "none")
    .replace("20 seconds", "1 hour")
    .replace("n % 3\nEMIT", "n % 3 HAVING count(*) > 1000000\nEMIT");
  await world.land(60, 6);
  let isFollowed = false;
  const run = await open(job(text, "none", [TABLE]), () => isFollowed);
  await drain(run);
  const watermark = async (): Promise<bigint | undefined> => {
    const { txns, files } = await world.at.openTable("none").snapshot();
    expect(files.size).toBe(0);
    const [table, own] = [txns.get(WATERMARK_TXN), txns.get(jobWatermarkTxn("id-none"))];
    expect(own).toBe((table! + 3_600_000n) * 1_000n);
    return table;
  };
  const before = await watermark();
  await world.land(60, 6);
  await drain(run);
  expect(await watermark()).toBe(before);
  isFollowed = true;
  await new Promise((resolve) => setTimeout(resolve, FOLLOWED_MS + 50));
  await run.step(never());
  expect(await watermark()).toBeGreaterThan(before!);
});

test("a row bears an id of its own, and the table's watermark before it", async () => {
  await world.land(60, 6);
  const run = await open(first);
  for (let i = 0; i < 4; i++) {
    await drain(run);
    await world.land(60, 3);
  }
  await drain(run);
  const [ids, early, known] = await query(
    world,
    [TABLE, "first"],
    [
      'SELECT count(DISTINCT row_id) = count(*), count(*) > 20 FROM "first"',
      `SELECT count(*) FROM "first" WHERE watermark >= window_end`,
      `SELECT count(DISTINCT watermark) > 2, count(watermark) < count(*) FROM "first"`,
    ],
  );
  expect([ids, early, known]).toEqual([[[true, true]], [["0"]], [[true, true]]]);
});

test("rows that bear the watermark they landed with keep it", { timeout: 60_000 }, async () => {
  const rows = `CREATE JOB first AS SELECT event_time, watermark, n FROM order_created
    EMIT ON WINDOW CLOSE INTO lake first`;
  const counted = FIRST.replaceAll("first", "second").replace("order_created", "first");
  await world.land(40, 4);
  const upper = await open(job(rows, "first", [TABLE]), () => true);
  await drain(upper);
  const lower = await open(job(counted, "second", ["first"]));
  for (let i = 0; i < 6; i++) {
    await world.land(40, 2);
    await drain(upper);
    await drain(lower);
  }
  await settled(upper, lower);
  const found = 'SELECT * EXCLUDE (row_id, watermark) FROM "second"';
  const batch = COUNT.batch.select;
  const queries = [`(${batch}) EXCEPT ALL (${found})`, `(${found}) EXCEPT ALL (${batch})`, found];
  const [missing, surplus, all] = await query(world, [TABLE, "second"], queries);
  expect([missing, surplus]).toEqual([[], []]);
  expect(all!.length).toBeGreaterThan(12);
});

test("a result cannot have the columns of its own table under another meaning", async () => {
  await world.land(20);
  for (const column of ["watermark", "row_id"]) {
    const text = FIRST.replace("sum(n) AS s", `max(watermark) AS ${column}`);
    await expect(world.openText(job(text, "first", [TABLE]))).rejects.toMatchObject({ code: "job.refused" });
  }
});
