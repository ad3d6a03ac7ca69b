/**
 * A disk that fills up under a running Muara, for real: producers get 507, what was acknowledged survives, queries
 * work, and when room comes back everything goes on by itself, also when the process was killed or stopped between.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { eventually, startMuara, temporaryFolder, type MuaraProcess } from "../services/muara.ts";
import { type SmallDisks, smallDisks } from "./disk.ts";
import { booksOf, lakeFaults, Load, type Sent } from "./load.ts";

const MIB = 1 << 20;
/** "By themselves within seconds". */
const RESUME_MS_MAX = 10_000;
const SETTINGS = { MUARA_LAND_PROJECT_MS: "200", MUARA_LAND_COMMIT_MS: "200", MUARA_QUERY_WARM: "1" };

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Ready {
  readonly status: string;
  readonly checks: Readonly<Record<string, string>>;
}

async function readiness(muara: MuaraProcess): Promise<[number, Ready]> {
  const answer = await muara.fetch("/health/ready");
  return [answer.status, (await answer.json()) as Ready];
}

/** Sends until the door says that it is full. @returns its answer */
async function sendUntilFull(load: Load, muara: MuaraProcess): Promise<Sent> {
  for (let round = 0; round < 400; round++) {
    const sent = await load.send(muara, 10, 10_000);
    if (sent?.status === 507) return sent;
    expect(sent?.status, sent?.body).toBe(200);
  }
  throw new Error("the disk did not fill up");
}

function checkFull(sent: Sent): void {
  expect(sent.headers.get("content-type")).toBe("application/problem+json");
  expect(Number(sent.headers.get("retry-after"))).toBeGreaterThan(0);
  const problem = JSON.parse(sent.body) as { code: string; hint: string; status: number };
  expect(problem).toMatchObject({ code: "log.full", status: 507 });
  expect(problem.hint.length).toBeGreaterThan(20);
}

/** From now on the door takes events and landing catches up, untouched. @returns ms until each did */
async function resumes(load: Load, muara: MuaraProcess): Promise<string> {
  const startMs = performance.now();
  await eventually("the door takes events again", RESUME_MS_MAX, async () => {
    const sent = await load.send(muara, 2, 1_000);
    return sent?.status === 200;
  });
  const doorMs = performance.now() - startMs;
  await eventually("landing catches up", RESUME_MS_MAX, async () => (await booksOf(muara)).in_flight === 0);
  const landMs = performance.now() - startMs;
  await eventually("ready", RESUME_MS_MAX, async () => (await readiness(muara))[1].status === "ready");
  await eventually(
    "the books follow",
    RESUME_MS_MAX,
    async () => (await lakeFaults(muara, load)).length === 0,
  );
  return `door ${Math.round(doorMs)} ms, landing ${Math.round(landMs)} ms`;
}

interface Installation {
  readonly disks: SmallDisks;
  readonly log: string;
  readonly lake: string;
  readonly start: () => Promise<MuaraProcess>;
}

async function install(sizes: { readonly log: number; readonly lake?: number }): Promise<Installation> {
  const folder = await temporaryFolder("full");
  cleanups.push(folder.remove);
  const log = join(folder.path, "log-disk");
  const lake = sizes.lake === undefined ? log : join(folder.path, "lake-disk");
  await mkdir(log);
  if (lake !== log) await mkdir(lake);
  const disks = await smallDisks({ [log]: sizes.log, ...(sizes.lake && { [lake]: sizes.lake }) });
  cleanups.push(() => disks.close());
  const environment = { ...SETTINGS, MUARA_LAKE: `file:${join(lake, "lake")}` };
  const start = async (): Promise<MuaraProcess> => {
    const muara = await startMuara(join(log, "data"), environment, disks.prefix);
    cleanups.push(() => muara.kill());
    return muara;
  };
  return { disks, log, lake, start };
}

test("one disk for log and lake fills up; killed and started on it, it goes on when room comes back", async () => {
  const { disks, log, start } = await install({ log: 24 * MIB });
  const load = new Load();
  let muara = await start();
  await load.declare(muara);
  await load.send(muara, 50, 1_000);
  await eventually("landed", 10_000, async () => (await booksOf(muara)).in_flight === 0);
  await disks.fill(log, 4 * MIB);
  checkFull(await sendUntilFull(load, muara));
  await disks.fill(log, 0); // what landing still found room for
  await load.send(muara, 10, 10_000);

  const [status, ready] = await readiness(muara);
  expect([status, ready.status, ready.checks["append"]]).toEqual([200, "degraded", "log.full"]);
  const [[count]] = (await muara.sql(`select count(*) from "fire.event"`)) as [[unknown]];
  expect(Number(count)).toBeGreaterThanOrEqual(50);
  expect((await muara.fetch("/health/live")).status).toBe(200);

  await muara.kill();
  muara = await start();
  const again = await load.send(muara, 10, 10_000);
  checkFull(again!);
  const [[still]] = (await muara.sql(`select count(*) from "fire.event"`)) as [[unknown]];
  expect(Number(still)).toBeGreaterThanOrEqual(Number(count));

  await disks.free(log);
  console.log(`one disk, killed while full: ${await resumes(load, muara)}`);
  expect(await lakeFaults(muara, load)).toEqual([]);
  expect(await muara.stop()).toBe(0);
});

test("a full log: 507; landing goes on, and a stop on the full disk is clean", async () => {
  const { disks, log, start } = await install({ log: 16 * MIB, lake: 64 * MIB });
  const load = new Load();
  let muara = await start();
  await load.declare(muara);
  await disks.fill(log, 2 * MIB);
  checkFull(await sendUntilFull(load, muara));
  await eventually("what was taken lands", 10_000, async () => (await booksOf(muara)).in_flight === 0);
  await disks.fill(log, 0);
  expect(await muara.stop()).toBe(0);
  muara = await start();
  checkFull((await load.send(muara, 10, 10_000))!);
  await disks.free(log);
  console.log(`full log, stopped while full: ${await resumes(load, muara)}`);
  expect(await lakeFaults(muara, load)).toEqual([]);
  expect(await muara.stop()).toBe(0);
});

test("a full lake: events wait in the log, the table says so, and landing goes on by itself", async () => {
  const { disks, lake, start } = await install({ log: 64 * MIB, lake: 16 * MIB });
  const load = new Load();
  const muara = await start();
  await load.declare(muara);
  await load.send(muara, 50, 1_000);
  await eventually("landed", 10_000, async () => (await booksOf(muara)).in_flight === 0);
  const before = await booksOf(muara);
  await disks.fill(lake, 0);
  for (let round = 0; round < 5; round++) expect((await load.send(muara, 20, 2_000))?.status).toBe(200);
  await eventually(
    "landing waits",
    10_000,
    async () => (await readiness(muara))[1].checks["landing"] === "store.full",
  );
  const [status, ready] = await readiness(muara);
  expect([status, ready.status, ready.checks["append"]]).toEqual([200, "degraded", "ok"]);
  // Long enough for several tries: each must leave nothing half done.
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  const books = await booksOf(muara);
  expect([books.landed, books.in_flight, books.balanced]).toEqual([before.landed, 100, true]);
  const [[count]] = (await muara.sql(`select count(*) from "fire.event"`)) as [[unknown]];
  expect(Number(count)).toBe(before.landed);
  await disks.free(lake);
  console.log(`full lake: ${await resumes(load, muara)}`);
  expect(await lakeFaults(muara, load)).toEqual([]);
  expect(await muara.stop()).toBe(0);
});
