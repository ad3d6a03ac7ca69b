/**
 * A job of a whole Muara, declared as a person does, while its engine and the process are killed: its results are those
 * of the same query as a batch over the lake.
 */
import { spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { afterEach, expect, test } from "vitest";
import { seededRandomness } from "../../core/clock.ts";
import { runCommand } from "../api/run-command.ts";
import { eventually, type MuaraProcess, startMuara, temporaryFolder } from "../services/muara.ts";

const TYPE = "order.created";
const START_MS = Date.UTC(2026, 2, 1);
const ROUNDS = 6;
const EVENTS = 60;
const DEADLINE_MS = 120_000;
const TEXT = `CREATE JOB velocity WITH (lateness = '20 seconds') AS
SELECT window_start, window_end, country, count(*) AS orders, sum(total) AS total
FROM TUMBLE(order_created, event_time, INTERVAL '1 minute')
GROUP BY window_start, window_end, country
EMIT ON WINDOW CLOSE INTO lake order_velocity
`;

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Shown {
  readonly state: string;
  readonly is_live: boolean;
  readonly behind_versions: number | null;
  readonly released_until: string | null;
  readonly running_version: number | null;
}

const ENVIRONMENT = {
  MUARA_LAND_COMMIT_MS: "100",
  MUARA_LAND_DISORDER_MS: "2000",
  MUARA_JOBS_QUIET_MS: "500",
  MUARA_JOBS_EVERY_MS: "100",
};

async function declare(muara: MuaraProcess): Promise<void> {
  const schema = { type: "object", properties: { country: { type: "string" }, total: { type: "integer" } } };
  const answer = await muara.fetch("/event-types", {
    method: "POST",
    body: JSON.stringify({
      name: TYPE,
      owning_application: "test",
      category: "business",
      schema: { type: "json_schema", schema: JSON.stringify(schema) },
    }),
  });
  expect(answer.status).toBe(201);
}

/** Events of one round: a second apart, a little or very late now and then. */
function eventsOf(round: number): readonly object[] {
  const chance = seededRandomness(round + 1);
  return Array.from({ length: EVENTS }, (_, i) => {
    const lateMs = chance.fraction() < 0.05 ? 300_000 * chance.fraction() : 3_000 * chance.fraction();
    const atMs = START_MS + (round * EVENTS + i) * 1_000 - lateMs;
    const n = String(round * EVENTS + i).padStart(12, "0");
    return {
      metadata: { eid: `00000000-0000-4000-8000-${n}`, occurred_at: new Date(atMs).toISOString() },
      country: ["DE", "AT", "CH"][i % 3],
      total: i,
    };
  });
}

async function publish(muara: MuaraProcess, events: readonly object[]): Promise<void> {
  const answer = await muara.fetch(`/event-types/${TYPE}/events`, {
    method: "POST",
    body: JSON.stringify(events),
  });
  expect(answer.status).toBe(200);
}

async function shown(muara: MuaraProcess): Promise<Shown> {
  return (await (await muara.fetch("/v1/jobs/velocity")).json()) as Shown;
}

/** Everything published is in the results' place, and what was final is released. */
async function settled(muara: MuaraProcess, events: number): Promise<Shown> {
  let last: Shown | undefined;
  await eventually("the job is through with what has landed", DEADLINE_MS, async () => {
    const [[landed]] = (await muara.sql(`SELECT count(*) FROM "${TYPE}"`)) as [[string]];
    if (Number(landed) < events) return false;
    last = await shown(muara);
    return last.is_live && last.behind_versions === 0;
  });
  return last!;
}

async function expectEqual(muara: MuaraProcess, { released_until }: Shown): Promise<number> {
  const end = "window_start + INTERVAL '1 minute'";
  const batch = `SELECT window_start, ${end} AS window_end, country, count(*) AS orders, sum(total) AS total
    FROM (SELECT *, time_bucket(INTERVAL '1 minute', event_time) AS window_start FROM "${TYPE}")
    WHERE coalesce(watermark < ${end} + INTERVAL '20 seconds', true)
      AND ${end} + INTERVAL '20 seconds' <= TIMESTAMPTZ '${released_until}'
    GROUP BY ALL`;
  const found = "SELECT * EXCLUDE (row_id, watermark) FROM order_velocity";
  expect(await muara.sql(`(${batch}) EXCEPT ALL (${found})`)).toEqual([]);
  expect(await muara.sql(`(${found}) EXCEPT ALL (${batch})`)).toEqual([]);
  return (await muara.sql(found)).length;
}

/** The job's own processes, by their command lines. */
function enginesOf(pid: number): readonly number[] {
  const children = spawnSync("ps", ["-o", "pid=,args=", "--ppid", String(pid)])
    .stdout.toString()
    .split("\n");
  return children.flatMap((line) => (line.includes("engine-child") ? [Number.parseInt(line, 10)] : []));
}

/** Who may not read the input does not know of it; who may not administer the output does not make it. */
async function checkRights(muara: MuaraProcess): Promise<void> {
  const asked: [number, number, number][] = [];
  for (const name of ["other", TYPE]) {
    const grants = [{ action: "read", kind: "table", name }];
    const body = JSON.stringify({ description: name, grants });
    const made = await muara.fetch("/v1/tokens", { method: "POST", body });
    const headers = { authorization: `Bearer ${((await made.json()) as { token: string }).token}` };
    const text = JSON.stringify({ text: TEXT.replace("velocity WITH", "mine WITH") });
    const deployed = await muara.fetch("/v1/jobs", { method: "POST", body: text, headers });
    const planned = await muara.fetch("/v1/jobs/plan", { method: "POST", body: text, headers });
    const one = await muara.fetch("/v1/jobs/velocity", { headers });
    expect(await (await muara.fetch("/v1/jobs", { headers })).json()).toEqual({ items: [] });
    asked.push([deployed.status, planned.status, one.status]);
  }
  expect(asked).toEqual([
    [422, 422, 404],
    [403, 200, 404],
  ]);
}

test("a job's results are the batch's, whoever is killed", { timeout: 300_000 }, async () => {
  const folder = await temporaryFolder("jobs");
  cleanups.push(folder.remove);
  let muara = await startMuara(folder.path, ENVIRONMENT);
  cleanups.push(() => muara.kill());
  await declare(muara);
  await publish(muara, eventsOf(0));
  await eventually("the first round has landed", DEADLINE_MS, async () => {
    return Number((await muara.sql(`SELECT count(*) FROM "${TYPE}"`))[0]![0]) === EVENTS;
  });
  const file = join(folder.path, "velocity.sql");
  await writeFile(file, TEXT);
  const run = (...args: readonly string[]): ReturnType<typeof runCommand> =>
    runCommand(args, { MUARA_URL: muara.url, MUARA_TOKEN: muara.token });
  expect((await run("job", "plan", file)).out).toContain("windows");
  expect((await run("job", "deploy", file)).code).toBe(0);
  expect((await run("job", "deploy", file)).code).not.toBe(0);
  await checkRights(muara);
  for (let round = 1; round < ROUNDS; round++) {
    await publish(muara, eventsOf(round));
    const chance = seededRandomness(100 + round);
    await new Promise((resolve) => setTimeout(resolve, 600 * chance.fraction()));
    if (round % 2 === 0) {
      await muara.kill();
      muara = await startMuara(folder.path, ENVIRONMENT);
    } else for (const pid of enginesOf(muara.pid)) process.kill(pid, "SIGKILL");
  }
  const at = await settled(muara, ROUNDS * EVENTS);
  expect(await expectEqual(muara, at)).toBeGreaterThan(3);
  expect((await run("job", "pause", "velocity", "-o", "json")).out).toContain("paused");
  await publish(muara, eventsOf(ROUNDS));
  expect((await run("job", "resume", "velocity")).code).toBe(0);
  await expectEqual(muara, await settled(muara, (ROUNDS + 1) * EVENTS));
  expect(await muara.sql('SELECT DISTINCT source FROM "order_velocity.corrections"')).not.toEqual([]);
  await writeFile(file, TEXT.replace("SELECT window_start", "SELECT /* again */ window_start"));
  expect((await run("job", "plan", file)).out).toContain("rebuilt");
  expect((await run("job", "deploy", file, "--upgrade")).code).toBe(0);
  expect((await run("job", "rollback", "velocity", "--to", "1")).code).toBe(0);
  expect((await run("job", "rollback", "velocity", "--to", "9")).code).not.toBe(0);
  await eventually("the older text has taken over", DEADLINE_MS, async () => {
    return (await shown(muara)).running_version === 3;
  });
  await publish(muara, eventsOf(ROUNDS + 1));
  await expectEqual(muara, await settled(muara, (ROUNDS + 2) * EVENTS));
  expect((await run("job", "list")).out).toMatch(/^velocity +order_velocity/m);
  expect((await run("job", "remove", "velocity", "--yes")).code).toBe(0);
  expect((await muara.fetch("/v1/jobs/velocity")).status).toBe(404);
});
