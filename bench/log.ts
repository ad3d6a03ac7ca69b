/**
 * The log on disk in CPU time per event of 500 bytes: `node bench/log.ts` (`--json` for one object). The reference
 * is a bare `writev` + `fdatasync` of the same payload bytes, measured in alternating rounds of the same run: what
 * a log costs that has no index, no checksums, no offsets and no reader. Both write from as many different buffers as
 * fill 16 MB, since no two requests share their memory. Ratios are medians over pairs of neighbouring rounds. Last,
 * how long a start takes.
 */
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { openFileLog } from "../adapters/file/log.ts";
import { seededRandomness, systemClock, systemRandomness } from "../core/clock.ts";
import { silentLogger } from "../core/logger.ts";
import type { Log } from "../core/ports/log.ts";
import { ABSENT, RECORD_WORDS, type RecordBatch } from "../core/record.ts";
import { median, type Metric, printResult } from "./result.ts";

const EVENT_BYTES = 500;
const ROUNDS = 25;
const ROUND_EVENTS = 48_000;
const SOURCE_BYTES = 16 << 20;
const START_BYTES = Number(process.env["BENCH_START_BYTES"] ?? 1 << 30);

const directory = mkdtempSync(join(tmpdir(), "muara-bench-log-"));

/** Events in a row with a shared header, as the HTTP door hands them over. */
function makeBatch(events: number): RecordBatch {
  const random = seededRandomness(events);
  const header = Buffer.from('{"flow_id":"f-0123456789abcdef"}');
  const bytes = new Uint8Array(events * EVENT_BYTES + header.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = 32 + Math.floor(random.fraction() * 90);
  bytes.set(header, events * EVENT_BYTES);
  const index = new Uint32Array(events * RECORD_WORDS);
  for (let i = 0; i < events; i++)
    index.set(
      [i * EVENT_BYTES, EVENT_BYTES, i * EVENT_BYTES, ABSENT, events * EVENT_BYTES, header.length],
      i * RECORD_WORDS,
    );
  return { count: events, bytes, index };
}

interface Spent {
  readonly cpuMs: number;
  readonly wallMs: number;
}

async function spend(work: () => Promise<void>): Promise<Spent> {
  const cpu = process.cpuUsage();
  const startedMs = performance.now();
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return { cpuMs: (user + system) / 1000, wallMs: performance.now() - startedMs };
}

/** `atOnce` appends are made, and awaited, together. */
async function appendRound(log: Log, batches: readonly RecordBatch[], atOnce: number): Promise<void> {
  let turn = 0;
  const append = (partition: number): Promise<unknown> =>
    log.append("events", partition, batches[turn++ % batches.length]!);
  for (let sent = 0; sent < ROUND_EVENTS; sent += batches[0]!.count * atOnce)
    await Promise.all(Array.from({ length: atOnce }, (_, i) => append(i % 4)));
}

/** The same bytes, `atOnce` batches to one writev and one sync. */
async function rawRound(fd: number, batches: readonly RecordBatch[], atOnce: number): Promise<void> {
  const { count } = batches[0]!;
  const payloads = batches.map(({ bytes }) => bytes.subarray(0, count * EVENT_BYTES));
  let turn = 0;
  for (let sent = 0; sent < ROUND_EVENTS; sent += count * atOnce) {
    const parts = Array.from({ length: atOnce }, () => payloads[turn++ % payloads.length]!);
    await new Promise<void>((resolve, reject) =>
      fs.writev(fd, parts, (error) => (error ? reject(error) : resolve())),
    );
    await new Promise<void>((resolve, reject) =>
      fs.fdatasync(fd, (error) => (error ? reject(error) : resolve())),
    );
  }
}

function open(name: string): Promise<Log> {
  return openFileLog({
    directory: join(directory, name),
    clock: systemClock,
    randomness: systemRandomness,
    logger: silentLogger,
  });
}

async function compareAppends(events: number, atOnce: number): Promise<Metric[]> {
  const first = makeBatch(events);
  const batches = Array.from({ length: Math.ceil(SOURCE_BYTES / first.bytes.length) }, () => ({
    ...first,
    bytes: first.bytes.slice(),
  }));
  const log = await open(`append-${events}-${atOnce}`);
  await log.createStream("events", { partitions: 4, cleanup: "delete", retentionMs: 1e12 });
  const fd = openSync(join(directory, `raw-${events}-${atOnce}`), "w");
  const ours: Spent[] = [];
  const raw: Spent[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    raw.push(await spend(() => rawRound(fd, batches, atOnce)));
    ours.push(await spend(() => appendRound(log, batches, atOnce)));
  }
  closeSync(fd);
  await log.close();
  ours.shift(); // the first round warms up
  raw.shift();
  const perCpuSecond = (all: readonly Spent[]): number =>
    median(all.map(({ cpuMs }) => (ROUND_EVENTS / cpuMs) * 1000));
  const ratio = median(ours.map(({ cpuMs }, round) => raw[round]!.cpuMs / cpuMs));
  const name = `append, batches of ${events}, ${atOnce} at once`;
  const wall = median(ours.map(({ wallMs }) => (ROUND_EVENTS / wallMs) * 1000));
  return [
    { name, value: perCpuSecond(ours), unit: "events/CPU s", reference: perCpuSecond(raw), ratio },
    { name: `${name}, elapsed`, value: wall, unit: "events/s" },
  ];
}

/** Reading everything back, from memory where it is still there, in CPU time; the reference is a bare read. */
async function compareReads(): Promise<Metric[]> {
  const name = "append-1000-1";
  const log = await open(name);
  const segment = fs.readdirSync(join(directory, name)).find((file) => file.endsWith(".log"))!;
  const path = join(directory, name, segment);
  const length = Math.min(fs.statSync(path).size, 100 << 20);
  const { endOffset } = await log.bounds("events", 0);
  let events = 0;
  const reads: number[] = [];
  const raws: number[] = [];
  for (let round = 0; round < 5; round++) {
    events = 0;
    const ours = await spend(async () => {
      for (let at = 0; at < endOffset && events * EVENT_BYTES < length;) {
        const batch = await log.read("events", 0, at, 4 << 20);
        events += batch.count;
        at = batch.next;
      }
    });
    const raw = await spend(async () => {
      const fd = openSync(path, "r");
      for (let at = 0; at < length; at += 4 << 20) {
        const target = new Uint8Array(4 << 20);
        await new Promise<void>((resolve, reject) =>
          fs.read(fd, target, 0, target.length, at, (error) => (error ? reject(error) : resolve())),
        );
      }
      closeSync(fd);
    });
    reads.push((events / ours.cpuMs) * 1000);
    raws.push((length / EVENT_BYTES / raw.cpuMs) * 1000);
  }
  await log.close();
  const value = median(reads);
  const reference = median(raws);
  return [{ name: "read from disk", value, unit: "events/CPU s", reference, ratio: value / reference }];
}

/** A start after a kill with most bytes in sealed segments; the reference reads all of them. */
async function measureStart(): Promise<Metric[]> {
  const batch = makeBatch(1000);
  const log = await open("start");
  await log.createStream("events", { partitions: 4, cleanup: "delete", retentionMs: 1e12 });
  for (let bytes = 0; bytes < START_BYTES; bytes += 40 * batch.bytes.length)
    await Promise.all(Array.from({ length: 40 }, (_, i) => log.append("events", i % 4, batch)));
  await log.close();
  const { wallMs, cpuMs } = await spend(async () => (await open("start")).close());
  const gigabytes = Math.round((START_BYTES / (1 << 30)) * 10) / 10;
  return [
    { name: `start with ${gigabytes} GB, elapsed`, value: wallMs, unit: "ms" },
    { name: `start with ${gigabytes} GB, CPU`, value: cpuMs, unit: "ms" },
  ];
}

try {
  const metrics: Metric[] = [];
  for (const [events, atOnce] of [
    [100, 1],
    [1000, 1],
    [100, 16],
    [1000, 16],
  ] as const)
    metrics.push(...(await compareAppends(events, atOnce)));
  metrics.push(...(await compareReads()), ...(await measureStart()));
  printResult("log", metrics);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
