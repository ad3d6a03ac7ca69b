/**
 * `npm run proof:extracts -- [--seconds 300] [--seed N] [--s3]`: a Muara makes an extract by the hour while sales come
 * in, late ones too, and is killed with SIGKILL again and again, most of all between the files of a version and its
 * manifest. `muara extract get` follows it and is killed as often. In the middle a subject is erased. At the end the
 * consumer has exactly the rows of the closed hours: those that were sent, and those that the table has; control totals
 * of every version are those of SQL over the table version that it names; and of the subject no byte is left.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Randomness, seededRandomness } from "../../core/clock.ts";
import { holds } from "../lake/byte-scan.ts";
import { ask } from "../lake/extract/independent-rows.ts";
import { eventually, temporaryFolder } from "../services/muara.ts";
import type { S3Server } from "../services/versitygw.ts";
import { type AuditCounts, ExtractAudit } from "./extract-audit.ts";
import { Consumer, type ConsumerCounts, type Death, filesBelow } from "./extract-consumer.ts";
import { bodyOf, CONFIG, FEED, ROW, type Sale, Sales, saleType, SUBJECT, TYPE } from "./extract-sales.ts";
import { Host, sleep } from "./host.ts";
import { proofCommand, type ProofOptions } from "./proof-command.ts";

const BATCH_MAX = 30;
const PAUSE_MS_MAX = 200;
/** An hour of sales lasts so many batches. */
const BATCHES_PER_HOUR = 10;
/** So many between two kills, so that a slow machine does not have more to do. */
const BATCHES_PER_KILL = 4;
const KILL_MS_MAX = 1_500;
const LOOK_MS = 3;
const WAIT_MS = 600_000; // no promise, only an end: proofs run with the lowest priority

export interface ExtractsOptions extends ProofOptions {
  readonly seconds: number;
}

export interface ExtractsResult extends AuditCounts {
  readonly sales: number;
  /** What the consumer has at the end. */
  readonly rows: number;
  readonly kills: number;
  /** Kills after a file of a version and before its manifest. */
  readonly unpublished: number;
  readonly consumer: ConsumerCounts;
  /** Answers to `make` that are no success, by code. */
  readonly refusals: Readonly<Record<string, number>>;
}

/** @throws Error naming the seed and what is wrong */
export async function runExtracts(options: ExtractsOptions): Promise<ExtractsResult> {
  const folder = await temporaryFolder("proof-extracts");
  const host = await hostOf(folder.path, options.server);
  const run = new ExtractsRun(host, folder.path, options);
  try {
    const result = await run.run();
    await host.kill();
    await folder.remove(); // after a failure it stays, to be looked at
    return result;
  } catch (error) {
    const log = host.running?.log().slice(-2_000) ?? "";
    throw new Error(`extracts with seed ${options.seed}, in ${folder.path}\n${log}`, { cause: error });
  } finally {
    await host.kill();
  }
}

async function hostOf(folder: string, server: S3Server | undefined): Promise<Host> {
  const config = join(folder, "muara.config.mjs");
  const data = join(folder, "data");
  await Promise.all([writeFile(config, CONFIG), mkdir(data)]);
  if (!server) return new Host(data, { MUARA_CONFIG: config });
  const address = await server.freshAddress("lake");
  const { accessKeyId, secretAccessKey } = server.credentials;
  const keys = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
  return new Host(data, { MUARA_CONFIG: config, MUARA_LAKE: address, ...keys }, server.folderOf(address));
}

class ExtractsRun {
  readonly #host: Host;
  readonly #options: ExtractsOptions;
  readonly #random: Randomness;
  readonly #sales: Sales;
  readonly #consumer: Consumer;
  readonly #audit: ExtractAudit;
  /** Where the feed's files lie. */
  readonly #feed: string;
  readonly #refusals: Record<string, number> = {};
  #unpublished = 0;
  #kills = 0;
  /** Table versions before it may have lost files. */
  #readableFrom = 0;
  #isErased = false;
  #batches = 0;
  #isOver = false;
  #publishing: Promise<unknown> = Promise.resolve();

  constructor(host: Host, folder: string, options: ExtractsOptions) {
    this.#host = host;
    this.#options = options;
    this.#random = seededRandomness(options.seed); // the kills' own: the others draw as often as they get to
    this.#sales = new Sales(seededRandomness(options.seed + 1), Date.now());
    this.#consumer = new Consumer(join(folder, "out"));
    this.#audit = new ExtractAudit(host.lake, folder);
    this.#feed = join(host.lake, "_extracts", FEED);
  }

  async run(): Promise<ExtractsResult> {
    await this.#host.start();
    const { status, text } = await this.#host.post("/event-types", JSON.stringify(saleType()));
    if (status !== 201) throw new Error(`declaring answered ${status}: ${text}`);
    const lanes = [this.#publishLane(), this.#makeLane(), this.#consumeLane()];
    const failed = Promise.all(lanes).then(() => new Promise<never>(() => undefined));
    await Promise.race([failed, this.#rage()]);
    this.#isOver = true;
    await Promise.all(lanes);
    return this.#settle();
  }

  async #rage(): Promise<void> {
    const { seconds, tell = () => undefined } = this.#options;
    const startMs = performance.now();
    const passedMs = (): number => performance.now() - startMs;
    for (let cycle = 1; passedMs() < seconds * 1_000 || !this.#isEverythingMet(); cycle++) {
      if (passedMs() > seconds * 1_000 + WAIT_MS) throw new Error(`not met: ${this.#figures()}`);
      const isTime = passedMs() >= seconds * 500 && this.#consumer.counts.finished > 0;
      if (!this.#isErased && isTime && this.#consumer.version > 0) await this.#erase();
      this.#batches = 0;
      await this.#killOnce();
      if (this.#random.fraction() < 0.15) {
        await this.#host.startBriefly(this.#random.fraction() * 800);
        this.#kills++;
      }
      await this.#host.start();
      if (cycle % 10 === 0) tell(`${Math.round(passedMs() / 1_000)} s: ${this.#figures()}`);
    }
  }

  /** Both were cut off where it matters. */
  #isEverythingMet(): boolean {
    const { inFile, beforeVersion } = this.#consumer.counts;
    return this.#isErased && this.#unpublished > 0 && inFile + beforeVersion > 0;
  }

  #figures(): string {
    const { kills, unpublished } = { kills: this.#kills, unpublished: this.#unpublished };
    return JSON.stringify({ sales: this.#sales.count, kills, unpublished, consumer: this.#consumer.counts });
  }

  async #killOnce(): Promise<void> {
    const dice = this.#random.fraction();
    const before = new Set(await filesBelow(this.#feed));
    if (dice < 0.45) await this.#newFile(isData, before);
    else if (dice < 0.75) await this.#newFile(isManifest, before);
    if (dice >= 0.75) await sleep(this.#random.fraction() * KILL_MS_MAX);
    else if (dice >= 0.3) await sleep(this.#random.fraction() * 20);
    await this.#host.kill();
    this.#kills++;
    const names = await filesBelow(this.#feed);
    const named = new Set<string>();
    for (const name of names.filter(isManifest)) {
      const { files } = JSON.parse(await readFile(name, "utf8")) as { files: { name: string }[] };
      for (const file of files) named.add(join(this.#host.lake, "_extracts", file.name));
    }
    if (names.some((name) => isData(name) && !before.has(name) && !named.has(name))) this.#unpublished++;
  }

  async #newFile(isIt: (name: string) => boolean, before: ReadonlySet<string>): Promise<void> {
    const endMs = performance.now() + WAIT_MS;
    const isThere = async (): Promise<boolean> =>
      (await filesBelow(this.#feed)).some((name) => isIt(name) && !before.has(name));
    while (!(await isThere())) {
      this.#host.assertNoSurprise();
      if (performance.now() > endMs) throw new Error(`nothing was made within ${WAIT_MS} ms`);
      await sleep(LOOK_MS);
    }
  }

  /** What has been published is audited before, since files of these versions go; then killed while it erases. */
  async #erase(): Promise<void> {
    this.#sales.dropSubject();
    await this.#publishing;
    await this.#audit.run(this.#host.running!, this.#readableFrom);
    const where = { column: "who", value: SUBJECT };
    const body = JSON.stringify({ event_types: [TYPE], where, reason: "asked to be forgotten" });
    const cutOff = this.#host.running!.fetch("/v1/erasures", { method: "POST", body }).catch(() => undefined);
    await sleep(this.#random.fraction() * 1_000);
    await this.#host.kill();
    this.#kills++;
    await cutOff;
    await this.#host.start();
    for (let isComplete = false; !isComplete; await sleep(20)) {
      const { status, text } = await this.#host.post("/v1/erasures", body);
      isComplete = status === 200 && isErased(JSON.parse(text) as Erasure);
    }
    const table = await this.#host.running!.fetch(`/v1/tables/${TYPE}`);
    this.#readableFrom = ((await table.json()) as { version: number }).version;
    this.#isErased = true;
  }

  async #publish(sales: readonly Sale[]): Promise<void> {
    const { status, text } = await this.#host.post(`/event-types/${TYPE}/events`, bodyOf(sales));
    if (status !== 200) throw new Error(`the door answered ${status}: ${text.slice(0, 500)}`);
  }

  async #publishLane(): Promise<void> {
    for (let batch = 0; !this.#isOver; await sleep(this.#random.fraction() * PAUSE_MS_MAX)) {
      if (this.#batches++ >= BATCHES_PER_KILL) continue;
      const isNext = batch++ % BATCHES_PER_HOUR === 0;
      const size = 1 + Math.floor(this.#random.fraction() * BATCH_MAX);
      this.#publishing = this.#publish(isNext ? this.#sales.advance() : this.#sales.batch(size));
      await this.#publishing;
    }
  }

  /** Makes what there is, at once: by itself a feed rests ten times as long as it worked. */
  async #makeLane(): Promise<void> {
    for (; !this.#isOver; await sleep(100)) await this.#make();
  }

  async #make(): Promise<void> {
    const init = { method: "POST" };
    const answer = await this.#host.running?.fetch(`/v1/extracts/${FEED}/make`, init).catch(() => undefined);
    if (!answer) return;
    const text = await answer.text().catch(() => "");
    if (answer.ok || text === "") return;
    const { code = String(answer.status) } = JSON.parse(text) as { code?: string };
    if (code === "internal") throw new Error(`make answered ${text}`);
    this.#refusals[code] = (this.#refusals[code] ?? 0) + 1;
  }

  async #consumeLane(): Promise<void> {
    for (; !this.#isOver; await sleep(this.#random.fraction() * 100)) {
      const muara = this.#host.running;
      const published = (await filesBelow(join(this.#feed, "_versions"))).length;
      // With nothing new a run shows little, and costs as much.
      if (!muara || (published <= this.#consumer.version && this.#random.fraction() < 0.95)) continue;
      const dice = this.#random.fraction();
      const deaths: readonly Death[] = [
        this.#random.fraction() * 1_000,
        "in a file",
        "after a file",
        "never",
      ];
      await this.#consumer.run(muara, deaths[Math.floor(dice * deaths.length)]!, this.#isPresigned());
    }
  }

  #isPresigned(): boolean {
    return this.#options.server !== undefined && this.#random.fraction() < 0.7;
  }

  /** Nobody is killed any more. */
  async #settle(): Promise<ExtractsResult> {
    await this.#publish(this.#sales.late());
    await this.#publish(this.#sales.advance());
    await eventually("every row is in the extract", WAIT_MS, async () => {
      await this.#make();
      const answer = await this.#host.running!.fetch(`/v1/extracts/${FEED}`);
      const feed = (await answer.json()) as { rows: number; complete_through: string; state: string };
      const untilMs = Date.parse(feed.complete_through);
      return untilMs >= this.#sales.closedMs && feed.rows === this.#sales.rows(untilMs).length;
    });
    await this.#host.stop(WAIT_MS);
    const muara = await this.#host.start(); // which sweeps what killed ones have left
    // An hour more may close meanwhile: a table that nobody writes to is idle.
    do {
      const code = await this.#consumer.run(muara, "never", this.#isPresigned());
      if (code !== 0) throw new Error(`the last run of the consumer ended with ${code}`);
      await this.#audit.run(muara, this.#readableFrom);
    } while (this.#consumer.version < this.#audit.counts.versions);
    const rows = await this.#compare();
    await eventually("no byte of the subject is left", WAIT_MS, () => this.#isForgotten());
    if (this.#host.counts.failures.length > 0) throw new Error(this.#host.counts.failures[0]);
    return {
      ...this.#audit.counts,
      sales: this.#sales.count,
      rows,
      kills: this.#kills,
      unpublished: this.#unpublished,
      consumer: this.#consumer.counts,
      refusals: this.#refusals,
    };
  }

  async #compare(): Promise<number> {
    const untilMs = await this.#consumer.completeThroughMs();
    const expected = this.#sales.rows(untilMs);
    same(await this.#audit.rows(untilMs), expected, "rows of the table");
    const files = `read_parquet('${this.#consumer.folder}/*/*.parquet')`;
    same((await ask(`SELECT ${ROW} FROM ${files}`)).toSorted(), expected, "rows of the consumer");
    const [mine, theirs] = [await this.#consumer.revisions(), this.#audit.revisions];
    same(Object.entries(mine).map(String).sort(), Object.entries(theirs).map(String).sort(), "revisions");
    return expected.length;
  }

  async #isForgotten(): Promise<boolean> {
    for (const folder of [this.#feed, this.#consumer.folder])
      for (const name of await filesBelow(folder)) {
        const bytes = await readFile(name).catch(() => new Uint8Array());
        if (await holds(bytes, SUBJECT)) return false;
      }
    return true;
  }
}

interface Erasure {
  readonly complete: boolean;
  readonly tables: readonly {
    readonly rows: number;
    readonly deleted: number;
    readonly in_flight: number;
    readonly waiting: readonly string[];
  }[];
}

/**
 * All of it is gone, or what is left is a file of a killed landing that no version names: for a day nobody can tell it
 * from one that is about to be committed, and the answer says so.
 */
function isErased({ complete, tables }: Erasure): boolean {
  const isLeft = tables.some(({ waiting }) => waiting.length > 0);
  const isQuiet = tables.every((table) => table.rows + table.deleted + table.in_flight === 0);
  return complete || (isLeft && isQuiet);
}

const isData = (name: string): boolean => /\/hour=[^/]+\/[^/]+\.parquet$/.test(name);
const isManifest = (name: string): boolean => /\/_versions\/\d{20}\.json$/.test(name);

function same(actual: readonly string[], expected: readonly string[], what: string): void {
  const [there, wanted] = [new Set(actual), new Set(expected)];
  const lost = expected.filter((row) => !there.has(row));
  const strange = actual.filter((row) => !wanted.has(row));
  if (actual.length === expected.length && lost.length + strange.length === 0) return;
  const counts = `${actual.length} instead of ${expected.length}`;
  throw new Error(
    `${what}: ${counts}; lost ${lost.slice(0, 3).join()}; strange ${strange.slice(0, 3).join()}`,
  );
}

if (process.argv[1] === import.meta.filename) await proofCommand({ seconds: 300 }, runExtracts);
