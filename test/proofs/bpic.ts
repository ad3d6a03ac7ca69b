/**
 * `npm run proof:bpic -- [--parts 1] [--seed N] [PATH]`: purchase orders of a real company through landing and the jobs
 * of a process, under a simulated ingest clock that follows the events' own times. Events come in their order but for a
 * shuffle of half a day; those whose clocks are years off come anywhere. What the process says of each case must be
 * what a query over the file says, and no clock that is off may move the watermark.
 */
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { systemClock, seededRandomness, type Randomness } from "../../core/clock.ts";
import { type Job, jobLimitsSchema } from "../../core/job.ts";
import { watermarkOf } from "../../core/landed.ts";
import { processRequestSchema } from "../../core/process.ts";
import { planJob } from "../../lake/job/plan-job.ts";
import { ruleTexts } from "../../lake/process/rule-text.ts";
import { openEngine } from "../../lake/query/session.ts";
import { sqlColumns, viewStatements } from "../../lake/query/view.ts";
import { TableLanding } from "../../workers/land/table-landing.ts";
import { JobRun } from "../../workers/stream/job-run.ts";
import { openEngine as openPlanner } from "../lake/job/job-engine.ts";
import {
  declare,
  eventType,
  install,
  type Installation,
  never,
  OPTIONS,
  send,
  uuid,
} from "../workers/land/setup.ts";
import { answerOf, BPIC_FILE, type FileRow, QUESTIONS, readFileRows } from "./bpic-file.ts";

const TABLE = "purchase.event";
const PARTITIONS = 2;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const DISORDER_MS = DAY_MS;
const SHUFFLE_MS = DAY_MS / 2;
const SKEW_MS = HOUR_MS;
/** Times outside were entered by hand, or by a clock that is off. */
const CLEAN: readonly [number, number] = [Date.UTC(2018, 0, 1), Date.UTC(2019, 1, 1)];
/** Everything is due before. */
const CLOSING_MS = Date.UTC(2020, 6, 1);
const CHUNK = 250;

const stepName = (activity: string): string => activity.toLowerCase().replaceAll(/\W+/g, "_").slice(0, 27);
const activities = [...new Set(QUESTIONS.flatMap(({ from, to }) => [from, to]))];

export const PROCESS = processRequestSchema.parse({
  name: "purchase",
  activities: Object.fromEntries(
    activities.map((activity) => [
      stepName(activity),
      { from: TABLE, when: `activity = '${activity}'`, case: "case_id", fields: { vendor: "vendor" } },
    ]),
  ),
  deadlines: Object.fromEntries(
    QUESTIONS.map(({ rule, from, to, days }) => [
      rule,
      { from: stepName(from), to: stepName(to), within: `${days} days`, carry: ["vendor"] },
    ]),
  ),
});

export interface BpicResult {
  readonly events: number;
  readonly dirty: { readonly past: number; readonly future: number };
  readonly commits: number;
  readonly restarts: number;
  /** By question. `late`: began with an event that landed when its time was over; told in the corrections. */
  readonly questions: Readonly<
    Record<string, { readonly cases: number; readonly met: number; readonly late: number }>
  >;
}

interface Arrival extends FileRow {
  readonly arrivalMs: number;
}

export interface BpicOptions {
  readonly file: string;
  /** One of so many cases. */
  readonly parts: number;
  readonly seed: number;
  readonly tell?: ((line: string) => void) | undefined;
}

/** @throws Error where anything differs */
export async function runBpic({ file, parts, seed, tell }: BpicOptions): Promise<BpicResult> {
  const random = seededRandomness(seed);
  const rows = await readFileRows(file, parts);
  const replay = await Replay.start(random);
  try {
    const arrivals = arrivalsOf(rows, random);
    for (let from = 0; from < arrivals.length; from += CHUNK) {
      await replay.chunk(arrivals.slice(from, from + CHUNK));
      if (random.fraction() < 0.3) await replay.land();
      if (random.fraction() < 0.1) await replay.follow();
      if (from % (40 * CHUNK) === 0) tell?.(`${from} of ${arrivals.length} events`);
    }
    await replay.close();
    const questions: Record<string, { cases: number; met: number; late: number }> = {};
    for (const question of QUESTIONS)
      questions[question.rule] = await compare(replay, await answerOf(file, parts, question), question.rule);
    const isBefore = ({ timeMs }: FileRow): boolean => timeMs < CLEAN[0];
    const past = rows.filter((row) => isDirty(row) && isBefore(row)).length;
    const future = rows.filter((row) => isDirty(row) && !isBefore(row)).length;
    const { commits, restarts } = replay;
    return { events: rows.length, dirty: { past, future }, commits, restarts, questions };
  } finally {
    await replay.end();
  }
}

function isDirty({ timeMs }: FileRow): boolean {
  return timeMs < CLEAN[0] || timeMs >= CLEAN[1];
}

function arrivalsOf(rows: readonly FileRow[], random: Randomness): readonly Arrival[] {
  const anywhere = (): number => CLEAN[0] + random.fraction() * (CLEAN[1] - CLEAN[0] - DAY_MS);
  return rows
    .map((row) => ({
      ...row,
      arrivalMs: Math.ceil(isDirty(row) ? anywhere() : row.timeMs + random.fraction() * SHUFFLE_MS),
    }))
    .toSorted((a, b) => a.arrivalMs - b.arrivalMs);
}

function partitionOf(caseId: string): number {
  return createHash("sha256").update(caseId).digest()[0]! % PARTITIONS;
}

class Replay {
  readonly #at: Installation;
  readonly #landing: TableLanding;
  readonly #random: Randomness;
  readonly #folder: string;
  readonly #jobs = new Map<string, { readonly about: Parameters<typeof JobRun.open>[2]; run: JobRun }>();
  /** Of events that the log has, whose clocks are not ahead of their acceptance. [partition] */
  readonly #newest: number[] = Array.from({ length: PARTITIONS }, () => -Infinity);
  /** Rows that the log has and the table has not. */
  #waiting: number[] = [];
  #watermarkMs = -Infinity;
  /** Of the table before a row's commit, by row. */
  readonly watermarks = new Map<number, number>();
  commits = 0;
  restarts = 0;

  private constructor(at: Installation, landing: TableLanding, random: Randomness, folder: string) {
    this.#at = at;
    this.#landing = landing;
    this.#random = random;
    this.#folder = folder;
  }

  static async start(random: Randomness): Promise<Replay> {
    const at = await install(undefined, systemClock, CLEAN[0]);
    const text = { type: "string" };
    const properties = { case_id: text, activity: text, vendor: text };
    const schema = JSON.stringify({ type: "object", properties });
    const type = eventType({ name: TABLE, schema: { type: "json_schema", schema } });
    await declare(at, type, PARTITIONS);
    const options = {
      ...OPTIONS,
      commitBytes: 1 << 26,
      commitRows: 1_000_000,
      disorderMs: DISORDER_MS,
      skewMs: SKEW_MS,
      idleAfterMs: Number.MAX_SAFE_INTEGER,
    };
    const landing = await TableLanding.open(at.ports, options, type);
    const replay = new Replay(at, landing, random, await mkdtemp(join(tmpdir(), "muara-bpic-")));
    return replay;
  }

  /** A piece of the log, accepted when its last event came. */
  async chunk(arrivals: readonly Arrival[]): Promise<void> {
    const { clock } = this.#at;
    clock.jump(Math.max(0, arrivals.at(-1)!.arrivalMs - clock.nowMs()));
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const own = arrivals.filter(({ caseId }) => partitionOf(caseId) === partition);
      if (own.length > 0) await send(this.#at, own.map(payloadOf), partition, TABLE);
      for (const { timeMs } of own)
        if (timeMs - clock.nowMs() <= SKEW_MS)
          this.#newest[partition] = Math.max(this.#newest[partition]!, timeMs);
    }
    this.#waiting.push(...arrivals.map(({ row }) => row));
  }

  /** One commit; the watermark behind it is that of the clean clocks. */
  async land(): Promise<void> {
    if (this.#waiting.length === 0) return;
    const before = (await this.#at.openTable(TABLE).snapshot()).version;
    for (const row of this.#waiting) this.watermarks.set(row, this.#watermarkMs);
    this.#waiting = [];
    this.#at.clock.ms += 1_000;
    while ((await this.#landing.step(never)).hasBacklog);
    const { version, txns } = await this.#at.openTable(TABLE).snapshot();
    same("commits of one landing", version - Math.max(before, 0) <= 1, true);
    this.commits += 1;
    this.#watermarkMs = Math.min(...this.#newest) - DISORDER_MS;
    same("watermark", watermarkOf(txns) ?? -Infinity, Math.max(this.#watermarkMs, -Infinity));
  }

  /** The jobs go on; now and then one of them ends and begins again. */
  async follow(): Promise<void> {
    if (this.commits === 0) return;
    if (this.#jobs.size === 0) await this.#deploy();
    for (const job of this.#jobs.values()) {
      if (this.#random.fraction() < 0.1) {
        await job.run.close();
        job.run = await this.#open(job.about);
        this.restarts += 1;
      }
      while ((await job.run.step(never)) === "moved");
    }
  }

  async close(): Promise<void> {
    const { clock } = this.#at;
    await this.land();
    clock.jump(CLOSING_MS - clock.nowMs());
    for (let partition = 0; partition < PARTITIONS; partition++) {
      await send(
        this.#at,
        [payload(uuid(9_000_000 + partition), CLOSING_MS, "", "closing", null)],
        partition,
        TABLE,
      );
      this.#newest[partition] = CLOSING_MS;
    }
    this.#waiting.push(-1);
    await this.land();
    await this.follow();
  }

  /** Rows of a query over tables of the lake. */
  async rows(tables: readonly string[], sql: string): Promise<readonly (readonly unknown[])[]> {
    const engine = await openEngine({ memoryBytes: 1 << 29, threads: 1 });
    for (const [i, name] of tables.entries()) {
      const { metadata, files } = await this.#at.openTable(name).snapshot();
      const local = [];
      for (const { path, partitionValues } of files.values()) {
        const copy = join(this.#folder, `${i}-${local.length}.parquet`);
        await writeFile(copy, (await this.#at.store.get(`${name}/${path}`))!);
        local.push({ path: copy, partitionValues });
      }
      const { schemaString, partitionColumns } = metadata!;
      const pinned = { names: [name], schemaString, partitionColumns, files: local, ingestedUntilMs: null };
      for (const statement of viewStatements(pinned, i)) await engine.run(statement);
    }
    return (await engine.runAndReadAll(sql)).getRowsJson();
  }

  async end(): Promise<void> {
    for (const { run } of this.#jobs.values()) await run.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #deploy(): Promise<void> {
    const { metadata } = await this.#at.openTable(TABLE).snapshot();
    const tables = [{ names: [TABLE], columns: sqlColumns(metadata!.schemaString) }];
    for (const { table, text } of ruleTexts(PROCESS)) {
      const planned = await planJob(text, tables, await openPlanner());
      if (planned.kind === "refused") throw new Error(JSON.stringify(planned.refusal));
      const job: Job = {
        id: `id-${table}`,
        name: table,
        text,
        inputs: [TABLE],
        output: table,
        start: "begin",
        limits: jobLimitsSchema.parse({}),
        isPaused: false,
        by: "proof",
        createdMs: 0,
      };
      const about = { job, plan: planned.plan, stats: { steps: 0, rows: 0, size: null, rebuilds: 0 } };
      this.#jobs.set(table, { about, run: await this.#open(about) });
    }
  }

  #open(about: Parameters<typeof JobRun.open>[2]): Promise<JobRun> {
    const { store, openTable, randomness, logger } = this.#at;
    const ports = { store, openTable, randomness, logger, clock: systemClock };
    return JobRun.open(ports, { folder: this.#folder, quietMs: 60_000 }, about, never);
  }
}

function payloadOf({ row, timeMs, caseId, activity, vendor }: Arrival): string {
  return payload(uuid(row), timeMs, caseId, activity, vendor);
}

function payload(
  eid: string,
  timeMs: number,
  caseId: string,
  activity: string,
  vendor: string | null,
): string {
  const metadata = { eid, occurred_at: new Date(timeMs).toISOString() };
  return JSON.stringify({ metadata, case_id: caseId, activity, ...(vendor === null ? {} : { vendor }) });
}

const line = (row: number, caseId: unknown, outcome: unknown, atMs: number): string =>
  JSON.stringify([uuid(row), caseId, outcome, atMs]);

/** Each answer of the file is a row of the rule, or its event came too late and is told so. */
async function compare(
  replay: Replay,
  answers: Awaited<ReturnType<typeof answerOf>>,
  rule: string,
): Promise<{ cases: number; met: number; late: number }> {
  const table = `process.purchase.${rule}`;
  const days = QUESTIONS.find((question) => question.rule === rule)!.days;
  const from = stepName(QUESTIONS.find((question) => question.rule === rule)!.from);
  const startOf = await startsOf(replay);
  const isLate = (row: number): boolean => replay.watermarks.get(row)! >= startOf.get(row)! + days * DAY_MS;
  const expected = answers
    .filter(({ row }) => !isLate(row))
    .map(({ row, caseId, outcome, atMs }) => line(row, caseId, outcome, atMs));
  const found = (
    await replay.rows([table], `SELECT event_id, case_id, outcome, epoch_ms(event_time) FROM "${table}"`)
  ).map(([id, caseId, outcome, at]) => JSON.stringify([id, caseId, outcome, Number(at)]));
  same(`${rule}: answers`, found.toSorted(), expected.toSorted());
  const late = answers.filter(({ row }) => isLate(row)).map(({ row }) => uuid(row));
  const told =
    late.length === 0
      ? []
      : await replay.rows(
          [`${table}.corrections`],
          `SELECT late_row->>'event_id' FROM "${table}.corrections" WHERE source = '${from}'`,
        );
  same(`${rule}: corrections`, told.map(([id]) => String(id)).toSorted(), late.toSorted());
  const met = answers.filter(({ outcome }) => outcome === "met").length;
  return { cases: answers.length, met, late: late.length };
}

/** Event times as the lake has them, by row of the file. */
async function startsOf(replay: Replay): Promise<ReadonlyMap<number, number>> {
  const rows = await replay.rows([TABLE], `SELECT event_id, epoch_ms(event_time) FROM "${TABLE}"`);
  return new Map(rows.map(([id, ms]) => [Number.parseInt(String(id).slice(-12), 16), Number(ms)]));
}

function same(what: string, found: unknown, expected: unknown): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  if (a === b) return;
  throw new Error(`${what}: ${firstDifference(a, b)}`);
}

function firstDifference(a: string, b: string): string {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return `…${a.slice(Math.max(0, at - 100), at + 100)} is not …${b.slice(Math.max(0, at - 100), at + 100)}`;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { parts: { type: "string", default: "1" }, seed: { type: "string" } },
    allowPositionals: true,
  });
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`seed ${seed}`);
  const startedMs = performance.now();
  const options = { file: positionals[0] ?? BPIC_FILE, parts: Number(values.parts), seed, tell: console.log };
  console.log(JSON.stringify(await runBpic(options), null, 2));
  console.log(`${Math.round((performance.now() - startedMs) / 1_000)} s`);
}

if (process.argv[1] === import.meta.filename) await main();
