/** The worker of jobs: one that fails leaves the others alone; what a job has still to read is held for it. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CommitNotices } from "../../../core/commit-notices.ts";
import { systemClock } from "../../../core/clock.ts";
import { HISTORY_DONE, type Job, jobHistoryTxn, jobInputTxn, jobLimitsSchema } from "../../../core/job.ts";
import { soleOwnership } from "../../../core/ports/ownership.ts";
import { declaredConsumers } from "../../../lake/job-consumers.ts";
import { createJobWorker, type JobWorker } from "../../../workers/stream/worker.ts";
import { eventually } from "../../services/muara.ts";
import { COUNT, difference, jobOf, startWorld, TABLE, type World } from "./world.ts";

const DEADLINE_MS = 60_000;
const TEXT = `CREATE JOB counted WITH (lateness = '20 seconds') AS
SELECT window_start, window_end, n % 3 AS k, count(*) AS c, sum(n) AS s
FROM TUMBLE(order_created, event_time, INTERVAL '1 minute') GROUP BY window_start, window_end, n % 3
EMIT ON WINDOW CLOSE INTO lake counted`;

let world: World;
let worker: JobWorker;
let commits: CommitNotices;
let running: Promise<void>;
const stop = { now: new AbortController() };

beforeEach(async () => {
  world = await startWorld();
  stop.now = new AbortController();
  commits = new CommitNotices();
});
afterEach(async () => {
  stop.now.abort();
  await running;
  await world.close();
});

function start(everyMs: number): void {
  const { store, openTable, randomness, logger, registry } = world.at;
  const ports = { store, openTable, randomness, logger, registry, commits, clock: systemClock };
  const options = { folder: world.folder, quietMs: 60_000, everyMs, pauseMsMax: 1_000, standbyMs: 1_000 };
  worker = createJobWorker({ ...ports, ownership: soleOwnership }, options);
  running = worker.run(stop.now.signal);
}

async function declare(name: string, changed: Partial<Job> = {}): Promise<Job> {
  const job = jobOf(COUNT, { id: `id-${name}`, name, text: TEXT, output: name, ...changed });
  await world.at.registry.put("job", name, world.at.registry.get("job", name)?.revision ?? 0, job);
  return job;
}

async function isThrough(job: Job): Promise<boolean> {
  const { metadata, version } = await world.at.openTable(TABLE).snapshot();
  const { txns } = await world.at.openTable(job.output).snapshot();
  const isLive = txns.get(jobHistoryTxn(job.id)) === HISTORY_DONE;
  return isLive && txns.get(jobInputTxn(job.id, metadata!.id)) === BigInt(version);
}

test("one that cannot run leaves the others alone, and says why", async () => {
  await world.land(40, 4);
  await mkdir(join(world.folder, "of-a-job-that-was"));
  const good = await declare("counted");
  await declare("bad", { text: TEXT.replace("sum(n)", "sum(nothing)") });
  start(100);
  await eventually("the good one is through", DEADLINE_MS, () => isThrough(good));
  // Into a table that has its job: of two that begin at once either may be the first.
  await declare("hungry", { limits: jobLimitsSchema.parse({ step_ms: 100 }), output: "counted" });
  expect((await difference(world, "counted", COUNT.batch.select)).wrong).toEqual([]);
  await eventually("the bad ones have stopped", DEADLINE_MS, async () => {
    return ["bad", "hungry"].every((name) => worker.jobs().get(name)?.problem !== undefined);
  });
  expect(worker.jobs().get("bad")!.problem).toContain("nothing");
  expect(worker.jobs().get("counted")!.state).toBe("running");
  const failing = worker.samples().filter(({ name, value }) => name === "muara_job_failing" && value === 1);
  expect(failing.map(({ labels }) => labels?.["job"])).toContain("bad");
});

test("is woken by commits of its own process, and rests while it is paused", async () => {
  await world.land(40, 4);
  const job = await declare("counted");
  start(1_000_000); // nobody looks by himself
  await eventually("it is through", DEADLINE_MS, () => isThrough(job));
  await world.land(60, 3);
  await eventually("it is through again", DEADLINE_MS, async () => {
    commits.tell(TABLE);
    return isThrough(job);
  });
  await declare("counted", { isPaused: true });
  await eventually("it rests", DEADLINE_MS, async () => worker.jobs().size === 0);
  await world.land(60, 3);
  expect(await isThrough(job)).toBe(false);
  await declare("counted");
  await eventually("it goes on", DEADLINE_MS, () => isThrough(job));
  expect((await difference(world, "counted", COUNT.batch.select)).wrong).toEqual([]);
});

test("holds the log of what it reads one version before its own", async () => {
  await world.land(40, 4);
  const job = await declare("counted");
  const { id } = (await world.at.openTable(TABLE).snapshot()).metadata!;
  running = Promise.resolve();
  expect(await declaredConsumers(world.at, TABLE, id)).toEqual([]);
  start(100);
  await eventually("it is through", DEADLINE_MS, () => isThrough(job));
  const { version } = await world.at.openTable(TABLE).snapshot();
  expect(await declaredConsumers(world.at, TABLE, id)).toEqual([
    { name: "job counted", version: version - 1 },
  ]);
  expect(await declaredConsumers(world.at, TABLE, "another incarnation")).toEqual([]);
});
