/** Two processes that both take a job for theirs, for a while or for good: each row once, and no pause in between. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CommitNotices } from "../../../core/commit-notices.ts";
import { systemClock } from "../../../core/clock.ts";
import { HISTORY_DONE, type Job, jobHistoryTxn, jobInputTxn } from "../../../core/job.ts";
import { notedJobs, notePath, type ProcessNote } from "../../../core/job-note.ts";
import { createJobWorker, type JobWorker } from "../../../workers/stream/worker.ts";
import { eventually } from "../../services/muara.ts";
import { COUNT, difference, jobOf, LATE, startWorld, TABLE, type World } from "./world.ts";

const DEADLINE_MS = 60_000;
/** So long that nothing in here comes of waiting for it, ms. */
const NEVER_MS = 3_600_000;
const TEXT = `CREATE JOB counted WITH (lateness = '20 seconds') AS
SELECT window_start, window_end, n % 3 AS k, count(*) AS c, sum(n) AS s
FROM TUMBLE(order_created, event_time, INTERVAL '1 minute') GROUP BY window_start, window_end, n % 3
EMIT ON WINDOW CLOSE INTO lake counted`;
const JOB = jobOf(COUNT, { id: "id-counted", name: "counted", text: TEXT, output: "counted" });

interface Host {
  readonly worker: JobWorker;
  readonly folder: string;
  owns: boolean;
}

let world: World;
let hosts: Host[] = [];
let running: Promise<void>[] = [];
let over: AbortController;

beforeEach(async () => {
  world = await startWorld();
  over = new AbortController();
  await world.at.registry.put("job", JOB.name, 0, JOB);
});
afterEach(async () => {
  over.abort();
  await Promise.all(running.splice(0));
  for (const { folder } of hosts.splice(0)) await rm(folder, { recursive: true, force: true });
  await world.close();
});

async function addHost(name: string, standbyMs: number, isDealt = true): Promise<Host> {
  const folder = await mkdtemp(join(tmpdir(), `muara-${name}-`));
  const { store, openTable, randomness, logger, registry } = world.at;
  const ownership = { owns: () => host.owns, isDealt };
  const services = { store, openTable, randomness, logger, registry, clock: systemClock };
  const ports = { ...services, commits: new CommitNotices(), ownership, process: name };
  const options = { folder, quietMs: 200, everyMs: 20, pauseMsMax: 1_000, standbyMs };
  const host: Host = { worker: createJobWorker(ports, options), folder, owns: true };
  hosts.push(host);
  running.push(host.worker.run(over.signal));
  return host;
}

async function isThrough(job: Job): Promise<boolean> {
  const { metadata, version } = await world.at.openTable(TABLE).snapshot();
  const { txns } = await world.at.openTable(job.output).snapshot();
  const isLive = txns.get(jobHistoryTxn(job.id)) === HISTORY_DONE;
  return isLive && txns.get(jobInputTxn(job.id, metadata!.id)) === BigInt(version);
}

async function expectBatch(): Promise<void> {
  expect((await difference(world, "counted", COUNT.batch.select)).wrong).toEqual([]);
  const late = `SELECT late_row FROM (${LATE})`;
  const found = `SELECT json_extract_string(late_row, '$.n') FROM "counted.corrections"`;
  expect((await difference(world, "counted.corrections", late, found)).wrong).toEqual([]);
}

const stateOf = ({ worker }: Host): string | undefined => worker.jobs().get("counted")?.state;
const meetings = (): number =>
  world.at.lines.filter(({ message }) => message === "another process moves the job").length;

test.each([true, false])(
  "both go on, told that it is theirs (dealt: %s): each row is there once",
  async (isDealt) => {
    await world.land(40, 2);
    await addHost("one", 300, isDealt);
    await addHost("other", 300, isDealt);
    for (let round = 0; round < 15 || meetings() < 3; round++) {
      await world.land(20, 1);
      await systemClock.sleep(100);
      if (round > 300) throw new Error("they do not meet");
    }
    await eventually("all is through", DEADLINE_MS, () => isThrough(JOB));
    await expectBatch();
  },
);

test("who gave way takes over as soon as it is his; the other one lets go", async () => {
  await world.land(40, 2);
  const [one, other] = [await addHost("one", NEVER_MS), await addHost("other", NEVER_MS)];
  for (let round = 0; meetings() === 0; round++) {
    await world.land(20, 1);
    await systemClock.sleep(100);
    if (round > 300) throw new Error("they do not meet");
  }
  one.owns = false;
  await eventually("the one lets go", DEADLINE_MS, async () => stateOf(one) === "waiting");
  await world.land(40, 2);
  await eventually("the other one goes on", DEADLINE_MS, () => isThrough(JOB));
  // The table has a step before the process that made it says so.
  await eventually("it says so", DEADLINE_MS, async () => stateOf(other) === "running");
  expect(stateOf(one)).toBe("waiting");
  [one.owns, other.owns] = [true, false];
  await eventually("the other one lets go", DEADLINE_MS, async () => stateOf(other) === "waiting");
  await world.land(60, 2);
  await eventually("the one goes on", DEADLINE_MS, () => isThrough(JOB));
  expect(one.worker.jobs().get("counted")!.enginePid).toBeDefined();
  expect(other.worker.jobs().get("counted")!.enginePid).toBeUndefined();
  await expectBatch();
});

test("others can read where it runs, until it does not", async () => {
  await world.land(40, 2);
  const noteOf = async (name: string): Promise<ProcessNote | undefined> => {
    const bytes = await world.at.store.get(notePath(name));
    return bytes && (JSON.parse(new TextDecoder().decode(bytes)) as ProcessNote);
  };
  const [one, other] = [await addHost("one", NEVER_MS), await addHost("other", NEVER_MS)];
  other.owns = false;
  const isNoted = (name: string, jobs: object) => async () =>
    JSON.stringify((await noteOf(name))?.jobs) === JSON.stringify(jobs);
  const runs = { [JOB.id]: { state: "running", problem: null } };
  await eventually("the one says so", DEADLINE_MS, isNoted("one", runs));
  await eventually("the other says nothing", DEADLINE_MS, isNoted("other", {}));
  [one.owns, other.owns] = [false, true];
  await world.land(20, 1);
  await eventually("now the other says so", DEADLINE_MS, isNoted("other", runs));
  await eventually("and the one nothing", DEADLINE_MS, isNoted("one", {}));
  over.abort();
  await Promise.all(running.splice(0));
  expect([await noteOf("one"), await noteOf("other")]).toEqual([undefined, undefined]);
});

function note(process: string, atMs: number, jobs: ProcessNote["jobs"]): ProcessNote {
  return { version: 1, process, atMs, jobs };
}

test("of two notes of a job the newer one holds, and an old one is of a process that has gone", () => {
  const runs = { state: "running", problem: null } as const;
  const failing = { state: "failing", problem: "it has no disk" } as const;
  const notes = [
    note("b", 40_000, { j: runs }),
    note("a", 35_000, { j: failing, k: failing }),
    note("c", 9_999, { l: runs }),
  ];
  expect([...notedJobs(notes, 40_000)]).toEqual([
    ["j", { ...runs, process: "b" }],
    ["k", { ...failing, process: "a" }],
  ]);
  expect(notedJobs(notes, 39_999).has("l")).toBe(true);
});
