/**
 * `npm run proof:scale-out -- [--seconds 600] [--seed N] [--rate 5000]`: a real Kafka, a lake on an S3 server, a
 * process with the door, three that land. Twelve event types and a hot one, which two of the landing processes are
 * told to land whoever owns it. One process after the other, or the broker, is killed with SIGKILL and started again.
 *
 * Tables of a landing process that died must be landed by others within the session's timeout and five seconds.
 * Afterwards every number that was sent is in its table once, and the books balance.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { type Randomness, seededRandomness } from "../../core/clock.ts";
import { GROUP_TIMES, type KafkaServer, SESSION, startKafka } from "../services/kafka.ts";
import { type MuaraProcess, temporaryFolder } from "../services/muara.ts";
import { type S3Server, startS3 } from "../services/versitygw.ts";
import { CommitWatch } from "./commit-watch.ts";
import { Host, sleep } from "./host.ts";
import { type Balance, balanceOf, declareType } from "./kill-load.ts";
import { auditRows } from "./lake-audit.ts";
import { ScaleLoad, type Sent } from "./scale-load.ts";

const LANDERS = 3;
const FORCED_OWNERS = 2;
const TAKEOVER_MS = 5_000;
/** Between two kills, ms. */
const PAUSE_MS = [2_000, 6_000] as const;
/** A commit that was under way may still appear after the kill, ms. */
const IN_FLIGHT_MS = 500;
const END_MS = 1_200_000; // no promise, only an end: proofs run with the lowest priority
const STOP_MS = 60_000;
/** After which a table that does nothing is taken for stuck, ms. */
const STILL_MS = 300_000;

type Victim = "land" | "door" | "broker";
const FIRST: readonly Victim[] = ["land", "broker", "door"];

export interface ScaleOutOptions {
  readonly seconds: number;
  readonly seed: number;
  readonly types?: number;
  readonly eventsPerSecond?: number;
  /** After which the broker misses a process, ms. */
  readonly sessionMs?: number;
  /** How much longer than that tables may wait for their next commit, ms. */
  readonly takeoverMs?: number;
  /** Least and most time between two kills, ms. */
  readonly pauseMs?: readonly [number, number];
  readonly tell?: (line: string) => void;
}

export interface ScaleOutResult {
  readonly events: number;
  readonly acknowledged: number;
  readonly duplicates: number;
  readonly unknownSends: number;
  readonly offeredPerSecond: number;
  readonly kills: Record<Victim, number>;
  readonly versions: number;
  /** For each landing process that was killed: how long the slowest table's events waited for a commit, ms. */
  readonly takeoversMs: readonly number[];
  /** How many tables of it had to wait for another process, as far as can be seen. */
  readonly moved: readonly number[];
  /** Until all tables had got events and committed again after the door or the broker was back, ms. */
  readonly returnsMs: Readonly<Record<"door" | "broker", readonly number[]>>;
  /** From the last event sent to the last one landed, ms. */
  readonly drainMs: number;
}

/** @throws Error naming the seed and what is wrong */
export async function runScaleOut(options: ScaleOutOptions): Promise<ScaleOutResult> {
  const folder = await temporaryFolder("scale-out");
  const sessionMs = options.sessionMs ?? GROUP_TIMES[SESSION];
  const kafka = await startKafka({ properties: { ...GROUP_TIMES, [SESSION]: sessionMs } });
  const s3 = await startS3();
  const town = await Town.build(folder.path, kafka, s3, options);
  try {
    const result = await town.live();
    await folder.remove(); // after a failure it stays, to be looked at
    return result;
  } catch (error) {
    await town.saveLogs();
    throw new Error(`scale-out with seed ${options.seed}, in ${folder.path}`, { cause: error });
  } finally {
    await town.killAll();
    await Promise.all([kafka.stop(), s3.stop()]);
  }
}

/** All processes, what is sent to them, and who watches. */
class Town {
  readonly #folder: string;
  readonly #kafka: KafkaServer;
  readonly #options: ScaleOutOptions;
  readonly #random: Randomness;
  readonly #lake: string;
  readonly #door: Host;
  readonly #landers: readonly Host[];
  readonly #types: readonly string[];
  readonly #hot: string;
  readonly #logs: (() => string)[] = [];
  readonly #restarts = new Set<Host>();
  readonly #kills: Record<Victim, number> = { land: 0, door: 0, broker: 0 };
  readonly #takeoversMs: number[] = [];
  readonly #moved: number[] = [];
  readonly #returnsMs: Record<"door" | "broker", number[]> = { door: [], broker: [] };

  #seen: { readonly load: ScaleLoad; readonly watch: CommitWatch } | undefined;

  private constructor(
    folder: string,
    kafka: KafkaServer,
    lake: string,
    environment: Record<string, string>,
    options: ScaleOutOptions,
  ) {
    this.#folder = folder;
    this.#kafka = kafka;
    this.#lake = lake;
    this.#options = options;
    this.#random = seededRandomness(options.seed);
    this.#types = Array.from({ length: options.types ?? 12 }, (_, i) => `proof.scale.t${i}`);
    this.#hot = "proof.scale.hot";
    const host = (name: string, workers: readonly string[], more: Record<string, string> = {}): Host => {
      const made = new Host(join(folder, name), { ...environment, ...more }, lake, workers);
      made.onReady = (muara) => this.#logs.push(() => `# ${name}\n${muara.log()}`);
      return made;
    };
    this.#door = host("door", ["ingest", "api"]);
    this.#landers = Array.from({ length: LANDERS }, (_, i) =>
      host(`land${i}`, ["land"], i < FORCED_OWNERS ? { MUARA_LAND_FORCED: this.#hot } : {}),
    );
  }

  static async build(
    folder: string,
    kafka: KafkaServer,
    s3: S3Server,
    options: ScaleOutOptions,
  ): Promise<Town> {
    const lake = await s3.freshAddress("lake");
    const { accessKeyId, secretAccessKey } = s3.credentials;
    const environment = {
      MUARA_LOG: kafka.freshAddress(),
      MUARA_LAKE: lake,
      MUARA_QUERY_WARM: "0",
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
    };
    const town = new Town(folder, kafka, s3.folderOf(lake), environment, options);
    await Promise.all([town.#door, ...town.#landers].map((host) => mkdir(host.folder)));
    return town;
  }

  async live(): Promise<ScaleOutResult> {
    const { seconds, eventsPerSecond = 5_000 } = this.#options;
    await this.#door.start(); // the first one makes what all need
    await Promise.all(this.#landers.map((host) => host.start()));
    const types = [...this.#types, this.#hot];
    for (const name of types) await declareType(this.#door, name);
    const load = new ScaleLoad(this.#door, types, this.#hot, eventsPerSecond, this.#random);
    const watch = new CommitWatch(this.#lake, types);
    const endMs = performance.now() + seconds * 1_000;
    this.#seen = { load, watch };
    await this.#waits(performance.now());
    for (let round = 0; performance.now() < endMs || this.#hasMore(round); round++) {
      await this.#killOne(round);
      const [least, most] = this.#options.pauseMs ?? PAUSE_MS;
      await sleep(
        Math.max(0, Math.min(least + this.#random.fraction() * (most - least), endMs - performance.now())),
      );
      this.#tell(`${load.acknowledged} acknowledged, kills ${JSON.stringify(this.#kills)}`);
    }
    const offeredMs = await load.end();
    await watch.end();
    const drainMs = await this.#drained(load.sent);
    const books = await this.#balances(load.sent);
    this.#checkLogs();
    await this.#stopAll();
    const versions = await this.#audit(load.sent, books);
    const sum = (of: (sent: Sent) => number): number =>
      load.sent.reduce((total, sent) => total + of(sent), 0);
    const result: ScaleOutResult = {
      events: load.events,
      acknowledged: load.acknowledged,
      duplicates: books.reduce((total, { duplicates }) => total + duplicates, 0),
      unknownSends: sum(({ unknown }) => unknown),
      offeredPerSecond: Math.round((load.acknowledged / offeredMs) * 1_000),
      kills: this.#kills,
      versions,
      takeoversMs: this.#takeoversMs,
      moved: this.#moved,
      returnsMs: this.#returnsMs,
      drainMs,
    };
    this.#checkTakeovers(result);
    return result;
  }

  /** Last, so that what else must hold is known by then. */
  #checkTakeovers(result: ScaleOutResult): void {
    const { sessionMs = GROUP_TIMES[SESSION], takeoverMs = TAKEOVER_MS } = this.#options;
    const late = result.takeoversMs.filter((ms) => ms > sessionMs + takeoverMs);
    if (late.length === 0) return;
    const bound = `${sessionMs} + ${takeoverMs} ms`;
    throw new Error(
      `tables of dead processes waited ${late.join(", ")} ms, longer than ${bound}; all else holds: ` +
        JSON.stringify(result),
    );
  }

  async killAll(): Promise<void> {
    await Promise.all([this.#door, ...this.#landers].map((host) => host.kill()));
  }

  async saveLogs(): Promise<void> {
    await writeFile(join(this.#folder, "processes.log"), this.#logs.map((log) => log()).join("\n"));
  }

  #tell(line: string): void {
    this.#options.tell?.(line);
  }

  /** Whoever died so far may have had no table. */
  #hasMore(round: number): boolean {
    return round < FIRST.length || !this.#moved.some((tables) => tables > 0);
  }

  /** Each kind once, then as they come. */
  async #killOne(round: number): Promise<void> {
    for (const host of [this.#door, ...this.#landers]) host.assertNoSurprise();
    const dice = this.#random.fraction();
    const victim = FIRST[round] ?? (dice < 0.7 ? "land" : dice < 0.85 ? "door" : "broker");
    this.#kills[victim]++;
    if (victim === "land") return this.#killLander();
    if (victim === "door") {
      await this.#door.kill();
      await sleep(this.#random.fraction() * 1_000);
      await this.#door.start();
    } else {
      await this.#kafka.kill();
      await sleep(this.#random.fraction() * 1_000);
      await this.#kafka.restart();
    }
    const backMs = performance.now();
    await this.#waits(backMs);
    this.#returnsMs[victim].push(Math.round(performance.now() - backMs));
  }

  /** It comes back before the group misses it, or later. */
  async #killLander(): Promise<void> {
    const { sessionMs = GROUP_TIMES[SESSION] } = this.#options;
    const running = this.#landers.filter((host) => host.running && !this.#restarts.has(host));
    const host = running[Math.floor(this.#random.fraction() * running.length)]!;
    await host.kill();
    const killedMs = performance.now();
    this.#restarts.add(host);
    const restarted = sleep(this.#random.fraction() * 2 * sessionMs)
      .then(() => host.start())
      .finally(() => this.#restarts.delete(host));
    restarted.catch(() => undefined);
    const waits = await this.#waits(killedMs);
    const tookMs = Math.max(...waits.values());
    this.#tell(`${host.folder}: ${JSON.stringify(Object.fromEntries(waits))}`);
    this.#takeoversMs.push(tookMs);
    this.#moved.push([...waits.values()].filter((ms) => ms > sessionMs / 2).length);
    await restarted;
  }

  /**
   * By table: how long events that were acknowledged after that moment waited for a commit of it, ms. A commit that
   * was under way at that moment is none.
   */
  async #waits(sinceMs: number): Promise<ReadonlyMap<string, number>> {
    const { load, watch } = this.#seen!;
    const acknowledged = (): ReadonlyMap<string, number> => load.acknowledgements.firstAfter(sinceMs);
    const committed = (): ReadonlyMap<string, number> => watch.commits.firstAfter(sinceMs + IN_FLIGHT_MS);
    while (acknowledged().size + committed().size < 2 * load.sent.length) {
      load.assertNoFailure();
      if (performance.now() - sinceMs > STILL_MS)
        throw new Error(`still: ${this.#still(acknowledged(), committed())}`);
      await sleep(50);
    }
    const from = acknowledged();
    return new Map([...committed()].map(([table, ms]) => [table, Math.round(ms - from.get(table)!)]));
  }

  /** Types of which nothing was acknowledged, or committed. */
  #still(acknowledged: ReadonlyMap<string, number>, committed: ReadonlyMap<string, number>): string {
    const types = [...this.#types, this.#hot];
    const [unheard, unlanded] = [acknowledged, committed].map((found) =>
      types.filter((name) => !found.has(name)),
    );
    return JSON.stringify({ unheard, unlanded });
  }

  async #drained(sent: readonly Sent[]): Promise<number> {
    const startedMs = performance.now();
    const isLanded = async (): Promise<boolean> => {
      const left = await this.#balances(sent);
      const inFlight = left.reduce((sum, one) => sum + one.in_flight, 0);
      if (inFlight > 0) this.#tell(`${inFlight} in flight`);
      return inFlight === 0;
    };
    while (!(await isLanded())) {
      if (performance.now() - startedMs > END_MS) throw new Error("not everything landed");
      await sleep(500);
    }
    return Math.round(performance.now() - startedMs);
  }

  #balances(sent: readonly Sent[]): Promise<Balance[]> {
    const door: MuaraProcess = this.#door.running!;
    return Promise.all(sent.map(({ name }) => balanceOf(door, name)));
  }

  #checkLogs(): void {
    const errors = this.#logs
      .flatMap((log) => log().split("\n"))
      .filter((line) => /stopped|"level":"error"/.test(line));
    if (errors.length > 0) this.#tell(`${errors.length} lines of errors, the first: ${errors[0]}`);
    for (const host of [this.#door, ...this.#landers]) {
      host.assertNoSurprise();
      if (host.counts.failures.length > 0) throw new Error(`no refusal: ${host.counts.failures[0]}`);
    }
  }

  async #stopAll(): Promise<void> {
    for (const host of [...this.#landers, this.#door])
      if (!(await host.stop(STOP_MS))) throw new Error(`${host.folder} does not stop`);
  }

  /** @returns versions of all tables */
  async #audit(sent: readonly Sent[], books: readonly Balance[]): Promise<number> {
    let versions = 0;
    for (const [i, { name, events, acknowledged, unknown }] of sent.entries()) {
      const { accepted, landed, duplicates, balanced } = books[i]!;
      const told = `${name}: ${JSON.stringify({ ...sent[i], ...books[i] })}`;
      if (!balanced || landed !== events) throw new Error(`the books do not balance: ${told}`);
      if (accepted < acknowledged || accepted > acknowledged + unknown)
        throw new Error(`not as often stored as acknowledged: ${told}`);
      const { snapshot } = await auditRows(this.#lake, { name, events, resends: duplicates });
      versions += snapshot.version + 1;
    }
    return versions;
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "600" },
      rate: { type: "string", default: "5000" },
      session: { type: "string", default: "6000" },
      seed: { type: "string" },
    },
  });
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`seed ${seed}`);
  const result = await runScaleOut({
    seconds: Number(values.seconds),
    eventsPerSecond: Number(values.rate),
    sessionMs: Number(values.session),
    seed,
    tell: (line) => console.log(line),
  });
  console.log(JSON.stringify(result, null, 2));
}

if (process.argv[1] === import.meta.filename) await main();
