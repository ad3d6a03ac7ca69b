/**
 * A sync that fails under a running Muara, for real: `strace` answers EIO to the N-th `fdatasync` (segments, small
 * files of the log) or `fsync` (files and directories of the lake, directories of the log). Where durability is in
 * doubt the process ends with 75 and says why, nobody in flight is acknowledged, and the next start has everything
 * that was. A file of the lake that could not be synced is thrown away and written again, without anybody noticing.
 */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { afterEach, expect, test } from "vitest";
import { eventually, type MuaraProcess, spawnMuara, startMuara, temporaryFolder } from "../services/muara.ts";
import { booksOf, lakeFaults, Load } from "./load.ts";
import { type Fault, readTrace, stracePrefix, TRACED_ENVIRONMENT } from "./strace.ts";

const EXIT_DURABILITY = 75;
const SETTINGS = {
  ...TRACED_ENVIRONMENT,
  MUARA_LAND_PROJECT_MS: "100",
  MUARA_LAND_COMMIT_MS: "50",
  MUARA_QUERY_WARM: "0",
};
const isLong = process.env["MUARA_LONG"] !== undefined;

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Outcome {
  /** What the fault hit: the call as traced, with the path. */
  readonly hit: string;
  readonly exit: number | null | "alive";
  readonly acknowledged: number;
  /** Of the last request: 200, a refusal, or none. */
  readonly lastStatus: number | undefined;
  readonly log: string;
}

/** One run with a fault, then a start without: what was acknowledged is landed once and the books balance. */
async function runWith(fault: Fault): Promise<Outcome> {
  const folder = await temporaryFolder("fsync");
  cleanups.push(folder.remove);
  const data = join(folder.path, "data");
  const trace = join(folder.path, "trace");
  await mkdir(data);
  const load = new Load();
  const { child, ready } = spawnMuara(data, SETTINGS, stracePrefix(trace, [], fault));
  cleanups.push(async () => void child.kill("SIGKILL"));
  let log = "";
  child.stderr!.on("data", (part: Buffer) => (log += part.toString()));
  const exited = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  const muara = await ready.catch(() => undefined);
  let lastStatus: number | undefined;
  let exit: Outcome["exit"] | undefined;
  if (muara) {
    lastStatus = await sendUntilHit(muara, load, trace);
    exit = child.exitCode ?? (await Promise.race([exited, pause(lastStatus === 200 ? 1_500 : 5_000)]));
  } else exit = await exited;
  if (exit === "alive") await settled(muara!, load);
  const stopped = exit === "alive" ? await muara!.stop() : 0;
  expect(stopped).toBe(0);
  const acknowledged = load.acknowledged.size;
  const again = await startMuara(data, SETTINGS);
  cleanups.push(() => again.kill());
  if (acknowledged === 0) await load.declare(again).catch(() => undefined); // the answer may have been lost
  expect((await load.send(again, 3, 200))?.status).toBe(200);
  await settled(again, load);
  expect(await again.stop()).toBe(0);
  const hit = readTrace(trace).find((call) => call.isInjected)?.text ?? "";
  return { hit: hit.replaceAll(folder.path, ""), exit, acknowledged, lastStatus, log };
}

/** One event at a time, so that each has a sync of its own. @returns the status of the last request */
async function sendUntilHit(muara: MuaraProcess, load: Load, trace: string): Promise<number | undefined> {
  const declared = await load.declare(muara).then(
    () => true,
    () => false,
  );
  if (!declared) return undefined;
  for (let round = 0; round < 60; round++) {
    const sent = await load.send(muara, 2, 200);
    if (sent?.status !== 200) return sent?.status;
    if ((await readFile(trace, "utf8")).includes("(INJECTED)")) return 200;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("the fault was never reached");
}

function pause(ms: number): Promise<"alive"> {
  return new Promise((resolve) => setTimeout(() => resolve("alive"), ms));
}

async function settled(muara: MuaraProcess, load: Load): Promise<void> {
  await eventually("everything landed", 15_000, async () => {
    const books = await booksOf(muara);
    return books?.in_flight === 0 && books.balanced;
  });
  await eventually("the books agree", 5_000, async () => (await lakeFaults(muara, load)).length === 0);
  expect(await lakeFaults(muara, load)).toEqual([]);
}

test.each(isLong ? Array.from({ length: 24 }, (_, n) => n + 1) : [1, 9])(
  "fdatasync number %i of the log fails: exit 75, or it was of a file that nobody misses",
  async (when) => {
    const outcome = await runWith({ call: "fdatasync", what: "error=EIO", when });
    expect(outcome.hit).toMatch(/\/log\//);
    const isSpare = /\/(reserve|segment-\d+\.index)\.tmp>/.test(outcome.hit);
    expect(outcome.exit, `${outcome.hit}\n${outcome.log}`).toBe(isSpare ? "alive" : EXIT_DURABILITY);
    expect(isSpare || outcome.lastStatus !== 200).toBe(true);
    expect(isSpare || /sync_failed|refused durability/.test(outcome.log), outcome.log).toBe(true);
  },
);

interface Place {
  readonly name: string;
  readonly path: RegExp;
  readonly exit: Outcome["exit"];
}

/** Where a sync of a directory or a lake's file can fail. */
const PLACES: readonly Place[] = [
  { name: "the log's directory", path: /\/data\/log>/, exit: EXIT_DURABILITY },
  { name: "a table's directory", path: /\/data\/lake\/fire\.event>/, exit: EXIT_DURABILITY },
  { name: "a commit's directory", path: /\/data\/lake\/fire\.event\/_delta_log>/, exit: EXIT_DURABILITY },
  { name: "a file of the lake", path: /\/lake\/\.store\/[^/]+\.tmp>/, exit: "alive" },
];

/** Paths of the `fsync`s of a run without faults, in order. */
async function watch(): Promise<string[]> {
  const folder = await temporaryFolder("watched");
  cleanups.push(folder.remove);
  const trace = join(folder.path, "trace");
  const muara = await startMuara(join(folder.path, "data"), SETTINGS, stracePrefix(trace, ["fsync"]));
  const load = new Load();
  await load.declare(muara);
  for (let round = 0; round < 5; round++) await load.send(muara, 2, 200);
  await settled(muara, load);
  await muara.stop();
  return readTrace(trace).map(({ text }) => text);
}

test("fsync fails: a directory ends the process with 75, a file of the lake is written again", async () => {
  const watched = await watch();
  const missed: string[] = [];
  for (const { name, path, exit } of PLACES) {
    // The order hardly changes from run to run, but it may: then its neighbours are tried.
    const first = watched.findIndex((text) => path.test(text)) + 1;
    expect(first, name).toBeGreaterThan(0);
    const isMet = async (when: number): Promise<boolean> => {
      const outcome = await runWith({ call: "fsync", what: "error=EIO", when });
      checkFsync(outcome);
      return path.test(outcome.hit) && outcome.exit === exit;
    };
    if (!(await isMet(first)) && !(await isMet(first + 1)) && !(await isMet(first - 1))) missed.push(name);
  }
  expect(missed).toEqual([]);
}, 120_000);

function checkFsync({ hit, exit, log }: Outcome): void {
  const isLakeFile = PLACES.at(-1)!.path.test(hit);
  expect(exit, `${hit}\n${log}`).toBe(isLakeFile ? "alive" : EXIT_DURABILITY);
  expect(isLakeFile || /sync_failed|refused durability/.test(log), log).toBe(true);
}

test.each(isLong ? Array.from({ length: 60 }, (_, n) => n + 1) : [])(
  "fsync number %i fails",
  async (when) => {
    checkFsync(await runWith({ call: "fsync", what: "error=EIO", when }));
  },
);
