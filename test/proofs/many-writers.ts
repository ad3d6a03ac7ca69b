/**
 * `npm run proof:many-writers -- [--seconds 600] [--seed N] [--s3]`: eight processes land the same tables from one log,
 * without agreeing on who does which, two compact them and one sweeps; one of the eleven is killed with SIGKILL every
 * five seconds and started again. On S3 the network resets connections and loses answers, and the server answers 503.
 *
 * Afterwards, with everything landed: every event is in its table once, what was sent twice is counted as a duplicate,
 * the books agree, and every version that the log still has is read by us, by delta-rs, by Polars and by DuckDB's
 * Delta extension, with the same number of rows.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type Randomness, seededRandomness } from "../../core/clock.ts";
import { temporaryFolder } from "../services/muara.ts";
import { CONFLICT, INTERNAL, type MoodyRelay, SLOW_DOWN, startMoodyRelay } from "../services/moody-relay.ts";
import { type FailingNetwork, startFailingNetwork } from "../services/toxiproxy.ts";
import type { S3Server } from "../services/versitygw.ts";
import { fillLog, type FilledType } from "./filled-log.ts";
import { sleep } from "./host.ts";
import { type Audit, auditLake, cursorsLeft } from "./lake-audit.ts";
import { proofCommand, type ProofOptions } from "./proof-command.ts";

const WRITER = fileURLToPath(new URL("lake-writer.ts", import.meta.url));
const ROLES = [...Array<string>(8).fill("land"), "compact", "compact", "sweep"];
const TABLES = 4;
const KILL_EVERY_MS = 5_000;
/** Of one read of the log. */
const READ_MS = 400;
/** What a table lands in a second, at most, so that a log lasts as long as it is to. */
const EVENTS_PER_SECOND = 150;
/** So many that there is something to compact. */
const EVENTS_MIN = 6_000;
const DRAIN_MS = 1_800_000; // no promise, only an end: proofs run with the lowest priority
const MOOD_SHARE = 0.02;

export interface ManyWritersOptions extends ProofOptions {
  readonly seconds: number;
  /** Foreign readers are asked for every so many-th version; default: for each. */
  readonly foreignEach?: number;
}

export interface ManyWritersResult extends Audit {
  kills: number;
  readonly killed: Record<string, number>;
  /** Ends that nobody had asked for. */
  readonly surprises: string[];
}

/** @throws Error naming the seed and what is wrong */
export async function runManyWriters(options: ManyWritersOptions): Promise<ManyWritersResult> {
  const folder = await temporaryFolder("many-writers");
  const random = seededRandomness(options.seed);
  const directory = join(folder.path, "log");
  const events = Math.max(EVENTS_MIN, options.seconds * EVENTS_PER_SECOND);
  const filled = await fillLog(directory, TABLES, events, random);
  const place = await placeOf(folder.path, options.server, random);
  const crowd = new Crowd(directory, place.lake, place.environment, random);
  try {
    crowd.startAll();
    await rage(crowd, place, options);
    await place.heal();
    await drained(crowd, place, directory, filled, options.tell);
    await crowd.stopAll();
    if (crowd.surprises.length > 0)
      throw new Error(`processes that ended by themselves: ${crowd.surprises[0]}`);
    const audit = await auditLake(place.folder, filled, options.foreignEach);
    await folder.remove(); // after a failure it stays, to be looked at
    return { ...audit, kills: crowd.kills, killed: crowd.killed, surprises: crowd.surprises };
  } catch (error) {
    throw new Error(`many writers with seed ${options.seed}, in ${folder.path}`, { cause: error });
  } finally {
    await crowd.killAll();
    await place.close();
  }
}

const nothing = async (): Promise<void> => undefined;

/** Where the lake lies, and what can go wrong on the way there. */
interface Place {
  readonly lake: string;
  /** Its files, past everything that fails. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  /** A new kind of trouble, or none for a while. */
  trouble(): Promise<void>;
  heal(): Promise<void>;
  close(): Promise<void>;
}

async function placeOf(folder: string, server: S3Server | undefined, random: Randomness): Promise<Place> {
  if (!server) {
    const lake = join(folder, "lake");
    return {
      lake: `file:${lake}`,
      folder: lake,
      environment: {},
      trouble: nothing,
      heal: nothing,
      close: nothing,
    };
  }
  const relay = await startMoodyRelay(server.url);
  const network = await startFailingNetwork(relay.url);
  const address = new URL(await server.freshAddress("lake"));
  const files = server.folderOf(address.href);
  address.searchParams.set("endpoint", network.url);
  const { accessKeyId, secretAccessKey } = server.credentials;
  return {
    lake: address.href,
    folder: files,
    environment: { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
    trouble: () => trouble(relay, network, random),
    heal: async () => {
      relay.mood = () => undefined;
      await network.heal();
    },
    close: async () => {
      await network.stop();
      await relay.stop();
    },
  };
}

async function trouble(relay: MoodyRelay, network: FailingNetwork, random: Randomness): Promise<void> {
  await network.heal();
  const bodies = [SLOW_DOWN, INTERNAL, CONFLICT];
  relay.mood = (request) => {
    if (random.fraction() >= MOOD_SHARE) return undefined;
    const body = bodies[Math.floor(random.fraction() * (request.startsWith("PUT") ? 3 : 2))]!;
    const status = body === SLOW_DOWN ? 503 : body === INTERNAL ? 500 : 409;
    // A conflict is the server's word that it did nothing.
    return { status, body, isCarriedOut: status !== 409 && random.fraction() < 0.5 };
  };
  const dice = random.fraction();
  if (dice < 0.3)
    await network.add({
      type: "reset_peer",
      stream: "downstream",
      attributes: { timeout: 20 },
      toxicity: 0.05,
    });
  else if (dice < 0.6)
    await network.add({
      type: "limit_data",
      stream: "downstream",
      attributes: { bytes: 300 },
      toxicity: 0.05,
    });
  else if (dice < 0.8)
    await network.add({ type: "latency", stream: "upstream", attributes: { latency: 50, jitter: 40 } });
}

async function rage(
  crowd: Crowd,
  place: Place,
  { seconds, tell = () => undefined }: ManyWritersOptions,
): Promise<void> {
  const endMs = performance.now() + seconds * 1_000;
  for (let round = 1; performance.now() < endMs; round++) {
    await place.trouble();
    await sleep(Math.min(KILL_EVERY_MS, endMs - performance.now()));
    await crowd.killOne();
    if (round % 12 === 0)
      tell(`${crowd.kills} kills, ${Math.round((endMs - performance.now()) / 1_000)} s to go`);
  }
}

/** Everybody goes on until the log's end is in the lake. */
async function drained(
  crowd: Crowd,
  place: Place,
  directory: string,
  filled: readonly FilledType[],
  tell: (line: string) => void = () => undefined,
): Promise<void> {
  const endMs = performance.now() + DRAIN_MS;
  crowd.hurry();
  for (;;) {
    const left = await cursorsLeft(place.folder, filled);
    if (left === 0) return;
    if (performance.now() > endMs) throw new Error(`${left} records are not landed; log ${directory}`);
    tell(`${left} records to land`);
    await sleep(2_000);
  }
}

class Crowd {
  readonly killed: Record<string, number> = {};
  readonly surprises: string[] = [];
  kills = 0;
  readonly #log: string;
  readonly #lake: string;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #random: Randomness;
  readonly #children: ChildProcess[] = [];
  #readMs = READ_MS;

  constructor(log: string, lake: string, environment: Readonly<Record<string, string>>, random: Randomness) {
    this.#log = log;
    this.#lake = lake;
    this.#environment = environment;
    this.#random = random;
  }

  startAll(): void {
    for (const place of ROLES.keys()) this.#start(place);
  }

  /** Whoever is started from now on reads without waiting. */
  hurry(): void {
    this.#readMs = 0;
    for (const place of ROLES.keys()) if (ROLES[place] === "land") this.#children[place]!.kill("SIGTERM");
  }

  async killOne(): Promise<void> {
    const place = Math.floor(this.#random.fraction() * ROLES.length);
    const child = this.#children[place]!;
    child.kill("SIGKILL");
    await ended(child);
    this.kills++;
    const role = ROLES[place]!;
    this.killed[role] = (this.killed[role] ?? 0) + 1;
    this.#start(place);
  }

  async stopAll(): Promise<void> {
    const children = this.#children.splice(0);
    for (const child of children) child.kill("SIGTERM");
    await Promise.all(children.map(ended));
  }

  async killAll(): Promise<void> {
    const children = this.#children.splice(0);
    for (const child of children) child.kill("SIGKILL");
    await Promise.all(children.map(ended));
  }

  #start(place: number): void {
    const args = [WRITER, ROLES[place]!, this.#log, this.#lake];
    const environment = { ...process.env, ...this.#environment, PROOF_READ_MS: String(this.#readMs) };
    const child = spawn(process.execPath, args, { env: environment, stdio: ["ignore", "ignore", "pipe"] });
    let last = "";
    child.stderr.on("data", (chunk: Buffer) => (last = (last + chunk.toString()).slice(-2_000)));
    child.once("exit", (code, signal) => {
      if (signal === "SIGKILL" || this.#children[place] !== child) return;
      // Asked before it could listen, a process ends by the signal itself.
      if (code !== 0 && signal !== "SIGTERM")
        this.surprises.push(`${ROLES[place]} ended with ${code ?? signal}: ${last}`);
      this.#start(place);
    });
    this.#children[place] = child;
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

if (process.argv[1] === import.meta.filename) await proofCommand({ seconds: 600 }, runManyWriters);
