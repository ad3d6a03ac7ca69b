/** A later text takes over where the one before has come to: nothing twice, nothing missing, whoever is killed. */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Job, jobFromTxn, jobVersionTxn, jobWatermarkTxn } from "../../../core/job.ts";
import type { JobRun } from "../../../workers/stream/job-run.ts";
import { COUNT, drain, jobOf, query, startWorld, TABLE, type World } from "./world.ts";

const never = (): AbortSignal => new AbortController().signal;

interface Text {
  /** What is counted; the tag says by which text a row was made. */
  readonly value: string;
  readonly latenessS: number;
  readonly minutes: number;
}
const OLD: Text = { value: "'old' AS tag, sum(n) AS s", latenessS: 20, minutes: 1 };
const NEW: Text = { value: "'new' AS tag, sum(n) * 2 AS s, max(n) AS top", latenessS: 20, minutes: 1 };
const PATIENT: Text = { ...NEW, latenessS: 90 };
const HASTY: Text = { ...NEW, latenessS: 0 };

function textOf({ value, latenessS }: Text): string {
  return `CREATE JOB grown WITH (lateness = '${latenessS} seconds') AS
    SELECT window_start, window_end, n % 3 AS k, count(*) AS c, ${value}
    FROM TUMBLE(order_created, event_time, INTERVAL '1 minute') GROUP BY window_start, window_end, n % 3
    EMIT ON WINDOW CLOSE INTO lake grown`;
}

function versionOf(version: number, text: Text): Job {
  return jobOf(COUNT, { id: "id-grown", name: "grown", output: "grown", text: textOf(text), version });
}

function tagged(tag: string): string {
  return `CREATE JOB grown AS SELECT event_id, '${tag}' AS tag FROM order_created EMIT ON WINDOW CLOSE INTO lake grown`;
}

/** With its history in many steps. */
function slices(job: Job): Job {
  return { ...job, limits: { ...job.limits, step_rows: 60 } };
}

let world: World;
let run: JobRun | undefined;
beforeEach(async () => {
  world = await startWorld();
  await world.land(40, 5);
});
afterEach(async () => {
  await run?.close();
  run = undefined;
  await world.close();
});

async function open(job: Job, folder?: string): Promise<JobRun> {
  await run?.close();
  run = undefined;
  return (run = await world.openText(job, undefined, folder));
}

/** Of this test, also those that are not ready yet. */
function engines(): readonly number[] {
  const children = spawnSync("ps", ["-o", "pid=,args=", "--ppid", String(process.pid)])
    .stdout.toString()
    .split("\n");
  return children.flatMap((line) => (line.includes("engine-child") ? [Number.parseInt(line, 10)] : []));
}

async function goOn(rounds: number): Promise<void> {
  for (let i = 0; i < rounds; i++) {
    await drain(run!);
    await world.land(40, 2);
  }
  await drain(run!);
}

async function txn(name: string): Promise<bigint | undefined> {
  return (await world.at.openTable("grown").snapshot()).txns.get(name);
}

/** µs of results' times, up to which the text before has written all. */
async function endOf(version: number, { latenessS }: Text): Promise<bigint> {
  return (await txn(jobFromTxn("id-grown", version)))! - BigInt(latenessS) * 1_000_000n;
}

/** Windows that end in (after, until] by that text as a batch; null: unbounded, or all that is released. */
function batchOf({ value, latenessS }: Text, after: bigint | null, until: bigint | null): string {
  const end = "time_bucket(INTERVAL '1 minute', event_time) + INTERVAL '1 minute'";
  const late = `INTERVAL '${latenessS} seconds'`;
  const list = value.includes("AS top") ? value : `${value}, NULL AS top`;
  const bounds = [
    `coalesce(watermark < ${end} + ${late}, true)`,
    ...(after === null ? [] : [`${end} > make_timestamptz(${after}::BIGINT)`]),
    until === null
      ? `${end} + ${late} <= getvariable('released')`
      : `${end} <= make_timestamptz(${until}::BIGINT)`,
  ];
  return `SELECT time_bucket(INTERVAL '1 minute', event_time) AS window_start, ${end} AS window_end, n % 3 AS k,
    count(*) AS c, ${list} FROM "${TABLE}" WHERE ${bounds.join(" AND ")} GROUP BY ALL`;
}

/** @param parts selects of a batch, all of which it is @returns rows by tag */
async function expectParts(parts: readonly string[], hasTop = true): Promise<Map<unknown, number>> {
  const top = hasTop ? "top" : "NULL AS top";
  const found = `SELECT window_start, window_end, k, c, tag, s, ${top} FROM "grown"`;
  const wanted = parts
    .map((part) => `SELECT window_start, window_end, k, c, tag, s::DECIMAL(38,0) AS s, top FROM (${part})`)
    .join(" UNION ALL ");
  const queries = [`(${wanted}) EXCEPT ALL (${found})`, `(${found}) EXCEPT ALL (${wanted})`];
  const tags = `SELECT tag, count(*) FROM "grown" GROUP BY ALL`;
  const [missing, surplus, counts] = await query(world, [TABLE, "grown"], [...queries, tags]);
  expect([missing, surplus]).toEqual([[], []]);
  return new Map(counts!.map(([tag, n]) => [tag, Number(n)]));
}

test("in the midst of a stream, and back again", { timeout: 60_000 }, async () => {
  await open(versionOf(1, OLD));
  await goOn(4);
  await open(versionOf(2, NEW));
  await goOn(4);
  await open(versionOf(3, OLD));
  await goOn(4);
  const [second, third] = [await endOf(2, NEW), await endOf(3, OLD)];
  expect(third).toBeGreaterThan(second);
  const parts = [batchOf(OLD, null, second), batchOf(NEW, second, third), batchOf(OLD, third, null)];
  const counts = await expectParts(parts);
  expect(counts.get("old")).toBeGreaterThan(20);
  expect(counts.get("new")).toBeGreaterThan(8);
  expect(await txn(jobVersionTxn("id-grown"))).toBe(3n);
});

test.each([
  ["waits longer", PATIENT],
  ["waits for nobody", HASTY],
])("one that %s for late rows", { timeout: 60_000 }, async (_, text) => {
  await open(versionOf(1, OLD));
  await goOn(4);
  await open(versionOf(2, text));
  await goOn(5);
  const end = await endOf(2, text);
  const counts = await expectParts([batchOf(OLD, null, end), batchOf(text, end, null)]);
  expect(counts.get("new")).toBeGreaterThan(8);
});

test("in the midst of history", { timeout: 60_000 }, async () => {
  await open(slices(versionOf(1, OLD)));
  for (let i = 0; i < 3; i++) expect(await run!.step(never())).toBe("moved");
  await open(slices(versionOf(2, NEW)));
  await goOn(2);
  const end = await endOf(2, NEW);
  const counts = await expectParts([batchOf(OLD, null, end), batchOf(NEW, end, null)]);
  expect(counts.get("old")).toBeGreaterThan(2);
  expect(counts.get("new")).toBeGreaterThan(8);
});

test("killed at any place while it takes over", { timeout: 120_000 }, async () => {
  await open(versionOf(1, OLD));
  await goOn(3);
  let killed = 0;
  for (let i = 0; i < 12; i++) {
    const taking = open(versionOf(2, NEW)).then((taken) => taken.step(never()));
    const delayMs = 40 * i;
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    for (const pid of engines()) process.kill(pid, "SIGKILL");
    const [outcome] = await Promise.allSettled([taking]);
    if (outcome.status === "rejected") killed++;
  }
  await open(versionOf(2, NEW));
  await goOn(3);
  const end = await endOf(2, NEW);
  const counts = await expectParts([batchOf(OLD, null, end), batchOf(NEW, end, null)]);
  expect(counts.get("new")).toBeGreaterThan(8);
  expect(killed).toBeGreaterThan(0);
});

test("the former text writes nothing any more", async () => {
  const former = await open(versionOf(1, OLD));
  await drain(former);
  run = undefined;
  await open(versionOf(2, NEW), `${world.folder}/other`);
  await world.land(40, 3);
  expect(await former.step(never())).toBe("lost");
  await former.close();
  await drain(run!);
  await expect(world.openText(versionOf(1, OLD), undefined, `${world.folder}/third`)).rejects.toMatchObject({
    code: "job.superseded",
  });
  const end = await endOf(2, NEW);
  await expectParts([batchOf(OLD, null, end), batchOf(NEW, end, null)]);
});

test("of a row-wise job the rows that came between two texts are the new one's", async () => {
  await open({ ...versionOf(1, OLD), text: tagged("old") });
  await drain(run!);
  await world.land(30, 3);
  await open({ ...versionOf(2, OLD), text: tagged("new") });
  await drain(run!);
  const [counts, missing] = await query(
    world,
    [TABLE, "grown"],
    [
      `SELECT tag, count(*)::INTEGER, count(DISTINCT event_id)::INTEGER FROM "grown" GROUP BY ALL ORDER BY ALL`,
      `SELECT event_id FROM "${TABLE}" EXCEPT SELECT event_id FROM "grown"`,
    ],
  );
  expect(missing).toEqual([]);
  expect(counts).toEqual([
    ["new", 180, 180],
    ["old", 400, 400],
  ]);
});

test("a table that is new to it counts from then on", async () => {
  await open(versionOf(1, OLD));
  await goOn(2);
  const released = await txn(jobWatermarkTxn("id-grown"));
  const more = textOf({ ...OLD, value: "'both' AS tag, sum(n) AS s" }).replace(
    "TUMBLE(order_created,",
    "TUMBLE(both_rows,",
  );
  const text = more.replace(
    "AS\n    SELECT window_start",
    `AS WITH both_rows AS (SELECT event_time, watermark, n FROM order_created
      UNION ALL SELECT event_time, watermark, twice AS n FROM doubled) SELECT window_start`,
  );
  const doubled = `CREATE JOB doubled AS SELECT event_time, watermark, n * 2 AS twice FROM order_created
    EMIT ON WINDOW CLOSE INTO lake doubled`;
  const upper = await world.openText(
    jobOf(COUNT, { id: "id-doubled", name: "doubled", output: "doubled", text: doubled }),
    () => true,
  );
  await drain(upper);
  await open({ ...versionOf(2, OLD), text, inputs: [TABLE, "doubled"] });
  for (let i = 0; i < 4; i++) {
    await world.land(40, 2);
    await drain(upper);
    await drain(run!);
  }
  await upper.close();
  expect(await txn(jobFromTxn("id-grown", 2))).toBe(released);
  const [twice, once] = await query(
    world,
    ["grown"],
    [
      'SELECT window_start, k FROM "grown" GROUP BY ALL HAVING count(*) > 1',
      `SELECT tag, min(window_end) > max(max(window_end)) OVER (ORDER BY tag DESC ROWS BETWEEN UNBOUNDED PRECEDING
        AND 1 PRECEDING) AS later FROM "grown" GROUP BY tag ORDER BY tag DESC`,
    ],
  );
  expect(twice).toEqual([]);
  expect(once).toEqual([
    ["old", null],
    ["both", true],
  ]);
});
