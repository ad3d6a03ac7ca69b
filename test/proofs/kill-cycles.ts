/**
 * `npm run proof:kill-cycles -- [--cycles 1000] [--seed N] [--s3]`: a Muara under continuous load is killed with
 * SIGKILL at random moments: before it is ready, as soon as it is, under load, while it stops cleanly. Every 50
 * cycles and at the end all that was acknowledged is in the lake once, nothing else is, and the books balance. Short
 * commits, small segments and frequent table checkpoints, so that a random moment often falls into one. With `--s3`
 * the lake lies on an S3 server, whose objects are files again for those who audit them.
 */
import { type Randomness, seededRandomness } from "../../core/clock.ts";
import { temporaryFolder } from "../services/muara.ts";
import type { S3Server } from "../services/versitygw.ts";
import { Host, sleep } from "./host.ts";
import { type Checked, declareType, KillLoad, TYPE } from "./kill-load.ts";
import { proofCommand, type ProofOptions } from "./proof-command.ts";
import { versionsOf } from "./table-folder.ts";

const ENVIRONMENT = {
  MUARA_LAND_COMMIT_MS: "100",
  MUARA_LAND_PROJECT_MS: "200",
  MUARA_JOURNAL_SEGMENT_BYTES: "1048576",
  MUARA_JOURNAL_RETAIN_EVERY_MS: "300",
  MUARA_QUERY_WARM: "0",
};
const FIRST_STARTS = 3;
const READY_MS_MAX = 100;
const LOAD_MS_MAX = 1_200;
const STOP_MS_MAX = 500;
/** Commits come every 100 ms. */
const LANDING_KILL_MS_MAX = 150;
const LANDING_MS = 600_000;
const ANSWER_MS = 600_000; // no promise, only an end: proofs run with the lowest priority

export interface KillCyclesOptions extends ProofOptions {
  readonly cycles: number;
  readonly cyclesPerFolder?: number;
  readonly checkEvery?: number;
}

export interface KillCyclesResult {
  cycles: number;
  readonly kills: Record<Moment, number>;
  /** Stops that ended before their kill came. */
  cleanStops: number;
  checks: number;
  folders: number;
  events: number;
  acknowledgements: number;
  duplicates: number;
  unansweredRequests: number;
  unansweredEvents: number;
  storedUnanswered: number;
  versions: number;
  unreferenced: number;
  readonly readyMs: number[];
  readonly firstAcknowledgementMs: number[];
}

/** When the kill comes. */
export type Moment = "recovering" | "ready" | "load" | "landing" | "stopping";

/** @throws Error naming the seed and the cycle */
export async function runKillCycles(options: KillCyclesOptions): Promise<KillCyclesResult> {
  const { cycles, seed, cyclesPerFolder = 200 } = options;
  const result: KillCyclesResult = {
    cycles: 0,
    kills: { recovering: 0, ready: 0, load: 0, landing: 0, stopping: 0 },
    cleanStops: 0,
    checks: 0,
    folders: 0,
    events: 0,
    acknowledgements: 0,
    duplicates: 0,
    unansweredRequests: 0,
    unansweredEvents: 0,
    storedUnanswered: 0,
    versions: 0,
    unreferenced: 0,
    readyMs: [],
    firstAcknowledgementMs: [],
  };
  const random = seededRandomness(seed); // the kills' own: the load draws as often as it gets to
  while (result.cycles < cycles) {
    const count = Math.min(cyclesPerFolder, cycles - result.cycles);
    try {
      await runFolder(count, random, options, result);
    } catch (error) {
      throw new Error(`kill cycles with seed ${seed}, cycle ${result.cycles}`, { cause: error });
    }
  }
  return result;
}

async function runFolder(
  count: number,
  random: Randomness,
  options: KillCyclesOptions,
  result: KillCyclesResult,
): Promise<void> {
  const folder = await temporaryFolder("kill-cycles");
  const host = await hostOf(folder.path, options.server);
  result.folders++;
  try {
    await runCycles(host, count, random, options, result);
  } finally {
    await host.kill();
  }
  await folder.remove(); // after a failure it stays, to be looked at
}

async function hostOf(folder: string, server: S3Server | undefined): Promise<Host> {
  if (!server) return new Host(folder, ENVIRONMENT);
  const lake = await server.freshAddress("lake");
  const { accessKeyId, secretAccessKey } = server.credentials;
  const keys = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
  return new Host(folder, { ...ENVIRONMENT, ...keys, MUARA_LAKE: lake }, server.folderOf(lake));
}

async function runCycles(
  host: Host,
  count: number,
  random: Randomness,
  { checkEvery = 50, tell = () => undefined }: KillCyclesOptions,
  result: KillCyclesResult,
): Promise<void> {
  // The very first starts create everything: the log, the token, the streams.
  for (let i = 0; i < FIRST_STARTS; i++) await host.startBriefly(random.fraction() * 600);
  const { readyMs } = await host.start();
  await declareType(host);
  const load = new KillLoad(host, seededRandomness(random.fraction() * 2 ** 32));
  const killer = new Killer(host, load, random, readyMs, result);
  load.begin();
  let checked: Checked | undefined;
  for (let cycle = 1; cycle <= count; cycle++) {
    await killer.cycle();
    result.cycles++;
    if (cycle % checkEvery !== 0 && cycle !== count) continue;
    const muara = host.running ?? (await host.start());
    checked = await load.check(muara);
    result.checks++;
    tell(`${result.cycles} cycles: ${JSON.stringify(checked)}`);
  }
  await load.end();
  add(result, host, checked!);
}

function add(result: KillCyclesResult, host: Host, checked: Checked): void {
  result.events += checked.events;
  result.acknowledgements += checked.acknowledgements;
  result.duplicates += checked.duplicates;
  result.unansweredRequests += host.counts.unanswered;
  result.unansweredEvents += checked.unansweredEvents;
  result.storedUnanswered += checked.storedUnanswered;
  result.versions += checked.versions;
  result.unreferenced += checked.unreferenced;
}

class Killer {
  readonly #host: Host;
  readonly #load: KillLoad;
  readonly #random: Randomness;
  readonly #result: KillCyclesResult;
  #readyMs: number;

  constructor(host: Host, load: KillLoad, random: Randomness, readyMs: number, result: KillCyclesResult) {
    this.#host = host;
    this.#load = load;
    this.#random = random;
    this.#readyMs = readyMs;
    this.#result = result;
  }

  /** One start, unless it runs, and one kill. */
  async cycle(): Promise<void> {
    const random = this.#random;
    const dice = random.fraction();
    if (dice < 0.25) return this.#whileRecovering();
    if (dice < 0.35) return this.#justReady();
    if (!this.#host.running) await this.#startUntilAcknowledged();
    if (dice < 0.65) return this.#whileLanding();
    await sleep(random.fraction() * LOAD_MS_MAX);
    if (dice < 0.85) return this.#killNow("load");
    const isClean = await this.#host.stop(random.fraction() * STOP_MS_MAX);
    if (isClean) this.#result.cleanStops++;
    else this.#result.kills.stopping++;
  }

  async #whileRecovering(): Promise<void> {
    if (this.#host.running) await this.#host.kill();
    await this.#host.startBriefly(this.#random.fraction() * this.#readyMs);
    this.#result.kills.recovering++;
  }

  /** Commits follow each other; the next one is under way when one has appeared. */
  async #whileLanding(): Promise<void> {
    const before = await versionsOf(this.#host.folder, TYPE, this.#host.lake);
    const endMs = performance.now() + LANDING_MS;
    while ((await versionsOf(this.#host.folder, TYPE, this.#host.lake)) === before) {
      this.#host.assertNoSurprise();
      if (performance.now() > endMs) throw new Error(`nothing landed within ${LANDING_MS} ms`);
      await sleep(5);
    }
    await sleep(this.#random.fraction() * LANDING_KILL_MS_MAX);
    await this.#killNow("landing");
  }

  async #justReady(): Promise<void> {
    if (!this.#host.running) await this.#host.start();
    await sleep(this.#random.fraction() * READY_MS_MAX);
    await this.#killNow("ready");
  }

  async #startUntilAcknowledged(): Promise<void> {
    const startedMs = performance.now();
    const acknowledged = new Promise<void>((resolve) => (this.#load.onAcknowledged = resolve));
    const { readyMs } = await this.#host.start();
    this.#readyMs = readyMs;
    this.#result.readyMs.push(readyMs);
    const deadline = new AbortController();
    const isLate = await Promise.race([acknowledged, sleep(ANSWER_MS, deadline.signal).then(() => true)]);
    deadline.abort();
    if (isLate) throw new Error(`nothing was acknowledged within ${ANSWER_MS} ms of a start`);
    this.#result.firstAcknowledgementMs.push(performance.now() - startedMs);
  }

  async #killNow(moment: Moment): Promise<void> {
    await this.#host.kill();
    this.#result.kills[moment]++;
  }
}

function spread(values: readonly number[]): string {
  const ordered = values.toSorted((a, b) => a - b);
  const at = (share: number): number => Math.round(ordered[Math.floor((ordered.length - 1) * share)] ?? 0);
  return `median ${at(0.5)}, p99 ${at(0.99)}, most ${at(1)}`;
}

if (process.argv[1] === import.meta.filename)
  await proofCommand({ cycles: 1_000 }, async (options) => {
    const { readyMs, firstAcknowledgementMs, ...sums } = await runKillCycles(options);
    const spreads = { readyMs: spread(readyMs), firstAcknowledgementMs: spread(firstAcknowledgementMs) };
    return { ...sums, ...spreads };
  });
