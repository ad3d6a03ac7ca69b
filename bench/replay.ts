/**
 * Real input through a real process: `npm run proof:real-input -- PATH [--kills N] [--rate N] [--seed N]`. The rows of
 * a file of purchase-order events (bench/replay-plan.ts says how they are sent) go over HTTP into `muara start`. At
 * the end the lake holds the file's rows and nothing else (bench/replay-oracle.ts), and duplicates, dead letters and
 * refusals are counted exactly. With kills: whatever had no answer is sent again, and only that may be there twice.
 */
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { type Randomness, seededRandomness } from "../core/clock.ts";
import { Host, sleep } from "../test/proofs/host.ts";
import { type Balance, balanceOf } from "../test/proofs/kill-load.ts";
import { auditTableFolder, type FolderAudit } from "../test/proofs/table-folder.ts";
import { eventually, type MuaraProcess, temporaryFolder } from "../test/services/muara.ts";
import { type Compared, compareWithFile } from "./replay-oracle.ts";
import { planReplay, REPLAY_TYPE, type ReplayPlan, type ReplayRequest, replayType } from "./replay-plan.ts";
import { median, type Metric, printResult } from "./result.ts";

const LANES = 6;
const PARTITIONS = 3;
const LAND_MS = 600_000;
const KILL_MS_MAX = 400;
/** Of /proc/PID/stat: clock ticks a second. */
const TICKS = 100;

export interface ReplayOptions {
  readonly file: string;
  readonly kills: number;
  readonly seed: number;
  /** Rows per second that are offered. */
  readonly rate: number;
  readonly tell?: (line: string) => void;
}

export interface ReplayResult {
  readonly plan: ReplayPlan;
  readonly books: Balance;
  readonly compared: Compared;
  readonly folder: FolderAudit;
  /** Refused requests by code. */
  readonly refused: ReadonlyMap<string, number>;
  /** Tries without an answer, and the events in them. */
  readonly unanswered: { requests: number; events: number };
  /** Of those events, how many had been stored: they became duplicates, or dead letters once more. */
  readonly storedAgain: { readonly duplicates: number; readonly deadLetters: number };
  /** From the first request until everything had landed. */
  readonly seconds: number;
  /** Of the server, without its query processes. */
  readonly cpuSeconds: number;
  readonly restartMs: readonly number[];
}

/** @throws Error when anything is not exactly as it must be */
export async function runReplay(options: ReplayOptions): Promise<ReplayResult> {
  const { file, rate, seed, tell = () => undefined } = options;
  const plan = await planReplay(file, rate, seededRandomness(seed));
  const folder = await temporaryFolder("replay");
  const host = new Host(folder.path);
  try {
    await host.start();
    const declared = await host.post("/event-types", JSON.stringify(replayType(PARTITIONS)));
    if (declared.status !== 201) throw new Error(`declaring answered ${declared.status}: ${declared.text}`);
    const startedMs = performance.now();
    const sender = new Sender(host, plan);
    const killer = new Killer(host, sender, seededRandomness(seed + 1));
    await Promise.all([sender.run(tell), killer.run(options.kills, plan.requests.length)]);
    const muara = host.running!;
    await eventually(
      "all landed",
      LAND_MS,
      async () => (await balanceOf(muara, REPLAY_TYPE)).in_flight === 0,
    );
    const seconds = (performance.now() - startedMs) / 1_000;
    const cpuSeconds = killer.cpuSeconds + (await cpuSecondsOf(host.pid));
    const books = await balanceOf(muara, REPLAY_TYPE);
    const storedAgain = await new Fates(muara, plan, sender).check(books);
    const compared = await compareWithFile(muara, file, folder.path, plan.idOf);
    const { refused, unanswered } = sender;
    const audited = await auditTableFolder(folder.path, REPLAY_TYPE);
    same("rows by the table's files", audited.rows, plan.rows);
    const { restartMs } = killer;
    return {
      plan,
      books,
      compared,
      folder: audited,
      refused,
      unanswered,
      storedAgain,
      seconds,
      cpuSeconds,
      restartMs,
    };
  } finally {
    await host.kill();
    await folder.remove();
  }
}

/** Sends the requests in order of their due time over a few connections, each until it is answered. */
class Sender {
  readonly #host: Host;
  readonly #plan: ReplayPlan;
  readonly refused = new Map<string, number>();
  readonly unanswered = { requests: 0, events: 0 };
  /** [key] */
  readonly acknowledged: Uint8Array;
  /** [key] sends without an answer */
  readonly unknown: Uint16Array;
  #next = 0;
  answered = 0;
  onAcknowledged: () => void = () => undefined;

  constructor(host: Host, plan: ReplayPlan) {
    this.#host = host;
    this.#plan = plan;
    this.acknowledged = new Uint8Array(plan.rows + plan.unlandable.size);
    this.unknown = new Uint16Array(plan.rows + plan.unlandable.size);
  }

  async run(tell: (line: string) => void): Promise<void> {
    const startedMs = performance.now();
    const { requests } = this.#plan;
    const lane = async (): Promise<void> => {
      while (this.#next < requests.length) {
        const request = requests[this.#next++]!;
        await sleep(Math.max(0, startedMs + request.atMs - performance.now()));
        await this.#send(request);
        if (++this.answered % 500 === 0) tell(`${this.answered} of ${requests.length} requests`);
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    same("failures of the server", this.#host.counts.failures.join(), "");
    for (const [code, count] of this.#plan.refusals)
      same(`refused with ${code}`, this.refused.get(code), count);
  }

  async #send({ body, keys, wanted }: ReplayRequest): Promise<void> {
    const path = `/event-types/${REPLAY_TYPE}/events`;
    const { status, text, unanswered } = await this.#host.post(path, body());
    this.unanswered.requests += unanswered;
    this.unanswered.events += unanswered * keys.length;
    if (wanted) {
      const code = codeOf(text);
      if (status !== wanted.status || code !== wanted.code)
        throw new Error(
          `${JSON.stringify(wanted)} was answered with ${status}: ${text}\n${body().toString()}`,
        );
      this.refused.set(code, (this.refused.get(code) ?? 0) + 1);
      return;
    }
    if (status !== 200) throw new Error(`the door answered ${status}: ${text.slice(0, 500)}`);
    for (const key of keys) {
      this.acknowledged[key]!++;
      this.unknown[key]! += unanswered;
    }
    this.onAcknowledged();
  }
}

/** The code of a problem, or of the first event of a refused batch. */
function codeOf(text: string): string {
  if (text === "") return "none";
  const answer = JSON.parse(text) as { code?: string } | { code?: string }[];
  return String(Array.isArray(answer) ? answer[0]?.code : answer.code);
}

class Killer {
  readonly #host: Host;
  readonly #sender: Sender;
  readonly #random: Randomness;
  readonly restartMs: number[] = [];
  /** Of the processes that were killed. */
  cpuSeconds = 0;

  constructor(host: Host, sender: Sender, random: Randomness) {
    this.#host = host;
    this.#sender = sender;
    this.#random = random;
  }

  /** Kills at random places of the replay, and a random while behind them; restarts at once. */
  async run(kills: number, requests: number): Promise<void> {
    const places = Array.from({ length: kills }, () => this.#random.fraction() * requests * 0.95);
    for (const place of places.toSorted((a, b) => a - b)) {
      while (this.#sender.answered < place) await sleep(5);
      await sleep(this.#random.fraction() * KILL_MS_MAX);
      this.cpuSeconds += await cpuSecondsOf(this.#host.pid);
      await this.#host.kill();
      const startedMs = performance.now();
      const acknowledged = new Promise<void>((resolve) => (this.#sender.onAcknowledged = resolve));
      await this.#host.start();
      await Promise.race([acknowledged, sleep(30_000)]);
      this.restartMs.push(performance.now() - startedMs);
    }
  }
}

/** What became of each key, held against what was sent of it. */
class Fates {
  readonly #muara: MuaraProcess;
  readonly #plan: ReplayPlan;
  readonly #sender: Sender;

  constructor(muara: MuaraProcess, plan: ReplayPlan, sender: Sender) {
    this.#muara = muara;
    this.#plan = plan;
    this.#sender = sender;
  }

  async check(books: Balance): Promise<ReplayResult["storedAgain"]> {
    const { rows, resends, unlandable, idOf } = this.#plan;
    same("the books balance", books.balanced, true);
    same("landed", books.landed, rows);
    const duplicates = await this.#projected("duplicates", books.duplicates);
    const dead = await this.#projected("dead_letters", books.dead_letters);
    let [copies, letters] = [0, 0];
    for (let key = 0; key < rows; key++) {
      const extra = duplicates.get(idOf(key)) ?? 0;
      copies += extra;
      this.#within(key, extra + 1);
    }
    for (const [key, reason] of unlandable) {
      const count = dead.get(`${idOf(key)} ${reason}`) ?? 0;
      letters += count;
      this.#within(key, count);
    }
    same("duplicates of rows", copies, books.duplicates);
    same("dead letters of what cannot land", letters, books.dead_letters);
    return { duplicates: copies - resends, deadLetters: letters - unlandable.size };
  }

  /** Stored as often as acknowledged, and beyond that at most as often as a send had no answer. */
  #within(key: number, stored: number): void {
    const least = this.#sender.acknowledged[key]!;
    const most = least + this.#sender.unknown[key]!;
    if (least < 1 || stored < least || stored > most)
      throw new Error(
        `event ${key} was stored ${stored} times: acknowledged ${least}, unknown ${most - least}`,
      );
  }

  /** Counts by id (and reason), once the projection holds all. */
  async #projected(table: "duplicates" | "dead_letters", wanted: number): Promise<Map<string, number>> {
    const from = `FROM ${table} WHERE event_type = '${REPLAY_TYPE}'`;
    const count = async (): Promise<number> =>
      Number((await this.#muara.sql(`SELECT count(*) ${from}`))[0]![0]);
    await eventually(`${table} projected`, LAND_MS, async () => (await count()) === wanted);
    const name = table === "duplicates" ? "event_id" : "event_id || ' ' || reason";
    const found = await this.#muara.sql(`SELECT ${name}, count(*) ${from} GROUP BY ALL`);
    return new Map(found.map(([id, n]) => [String(id), Number(n)]));
  }
}

/** User and system time of a process so far; 0 where it is gone. */
async function cpuSecondsOf(pid: number | undefined): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  if (stat === undefined) return 0;
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

function same(what: string, actual: unknown, wanted: unknown): void {
  if (actual !== wanted) throw new Error(`${what}: ${String(actual)}, expected ${String(wanted)}`);
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      kills: { type: "string", default: "0" },
      rate: { type: "string", default: "8000" },
      seed: { type: "string" },
      json: { type: "boolean" },
    },
  });
  const [file] = positionals;
  if (file === undefined)
    throw new Error("which file? npm run proof:real-input -- PATH [--kills N] [--rate N]");
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
  const say = (line: string): void => (values.json ? undefined : console.log(line));
  say(`seed ${seed}`);
  const [kills, rate] = [Number(values.kills), Number(values.rate)];
  const result = await runReplay({ file, kills, rate, seed, tell: say });
  const { plan, books, compared, folder, refused, unanswered, storedAgain, restartMs } = result;
  const refusedTotal = [...refused.values()].reduce((a, b) => a + b, 0);
  say(
    `rows ${plan.rows}, activities ${compared.activities}, rows with a value ${compared.values}: all as in the file`,
  );
  say(
    `books ${JSON.stringify(books)}; versions ${folder.versions}, unreferenced files ${folder.unreferenced}`,
  );
  say(`resends ${plan.resends}, dead letters meant ${plan.unlandable.size}`);
  say(`refused ${refusedTotal}: ${JSON.stringify(Object.fromEntries(refused))}`);
  say(`without an answer ${JSON.stringify(unanswered)}, of these stored ${JSON.stringify(storedAgain)}`);
  const metrics: Metric[] = [
    { name: "events accepted and landed", value: books.accepted / result.seconds, unit: "1/s" },
    { name: "CPU per million events", value: (result.cpuSeconds / books.accepted) * 1e6, unit: "s" },
  ];
  if (restartMs.length > 0)
    metrics.push(
      { name: "restart to first acknowledgement, median", value: median(restartMs), unit: "ms" },
      { name: "restart to first acknowledgement, most", value: Math.max(...restartMs), unit: "ms" },
    );
  printResult("replay", metrics);
}

if (process.argv[1] === import.meta.filename) await main();
