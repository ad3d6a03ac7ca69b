/**
 * Copies in chunks beside a stream, against a model of the source with many transactions at once: whatever happens
 * between any two steps, crashes included, the records put together are the source's rows, in the order of places.
 * `MUARA_SEED=n` replays one history.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, expect, test } from "vitest";
import type { CapturedTable } from "../../../core/capture.ts";
import { type Clock, seededRandomness } from "../../../core/clock.ts";
import { MuaraError } from "../../../core/errors.ts";
import { createLogger } from "../../../core/logger.ts";
import type { SourceBatch } from "../../../core/ports/source.ts";
import type { RecordBatch } from "../../../core/record.ts";
import { CopyRun } from "../../../workers/capture/copy-run.ts";
import {
  type Logged,
  type ModelBugs,
  modelCopy,
  ModelReader,
  ModelSource,
  recordsOf,
  STREAM,
} from "./copy-model.ts";

const SEEDS = Number(process.env["MUARA_SEEDS"] ?? 400);
const ONE = process.env["MUARA_SEED"];
const TABLE = "public.items";
const STEPS_MAX = 20_000;
const logger = createLogger(
  () => undefined,
  "error",
  () => 0,
);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class Crash extends Error {}

interface World {
  readonly source: ModelSource;
  readonly reader: ModelReader;
  saved: CapturedTable;
  acknowledged: bigint;
  nowMs: number;
  isQuiet: boolean;
  crashes: number;
}

function worldOf(seed: number): World {
  const random = seededRandomness(seed);
  const source = new ModelSource(random, 5 + Math.floor(random.fraction() * 60));
  for (let i = 0; i < 300; i++) source.step();
  const table: CapturedTable = {
    eventType: STREAM,
    partition: 0,
    copy: "waiting",
    copiedTo: null,
    copiedRows: 0,
    completeAt: null,
  };
  return {
    source,
    reader: new ModelReader(source),
    saved: table,
    acknowledged: source.end,
    nowMs: 0,
    isQuiet: false,
    crashes: 0,
  };
}

function clockOf(world: World): Clock {
  return {
    nowMs: () => world.nowMs,
    monotonicMs: () => world.nowMs,
    sleep: async (ms, signal) => {
      const end = world.nowMs + ms;
      // oxlint-disable-next-line no-unmodified-loop-condition -- it is, by others
      while (world.nowMs < end && !signal?.aborted) await turn();
    },
  };
}

/** Batches of the log as the stream would give them, from a place on: whole transactions, or parts of one. */
class ModelStream {
  readonly #world: World;
  #at: number;
  #done = 0;

  constructor(world: World) {
    this.#world = world;
    this.#at = world.source.log.findIndex(({ end }) => end > world.acknowledged);
    if (this.#at < 0) this.#at = world.source.log.length;
  }

  next(): SourceBatch {
    const { source } = this.#world;
    const parts: RecordBatch[] = [];
    let cursor: bigint | null = null;
    const count = source.below(5);
    for (let i = 0; i < count && this.#at < source.log.length; i++) {
      const logged: Logged = source.log[this.#at]!;
      const to = source.chance(0.2) ? this.#done + source.below(3) : logged.changes.length;
      const end = Math.min(to, logged.changes.length);
      parts.push(recordsOf(logged, this.#done, end));
      this.#done = end;
      if (end < logged.changes.length) break;
      this.#at++;
      this.#done = 0;
      cursor = logged.end;
    }
    if (this.#at === source.log.length && this.#done === 0 && source.chance(0.7)) cursor = source.end;
    const records = join(parts);
    return {
      parts: records.count === 0 ? [] : [{ stream: STREAM, partition: 0, records }],
      messages: [],
      cursor: cursor === null ? null : String(cursor),
      changes: records.count,
      commitUs: null,
    };
  }
}

function join(batches: readonly RecordBatch[]): RecordBatch {
  const bytes = Buffer.concat(batches.map((batch) => batch.bytes));
  const index: number[] = [];
  let base = 0;
  for (const batch of batches) {
    // Every other word is a place, but those of what is absent.
    batch.index.forEach((word, i) => index.push(i % 2 === 0 ? word + base : word));
    base += batch.bytes.length;
  }
  return { count: index.length / 6, bytes, index: Uint32Array.from(index) };
}

interface History {
  readonly bugs?: ModelBugs;
  readonly crashPart?: number;
  readonly failPart?: number;
}

/** From one start of the capture to its end, or to a crash. */
async function live(
  world: World,
  { bugs = {}, crashPart = 0.01, failPart = 0.005 }: History,
): Promise<boolean> {
  const { source } = world;
  const crashes = (): void => {
    if (!world.isQuiet && source.chance(crashPart)) throw new Crash();
  };
  const pause = async (): Promise<void> => {
    const turns = source.below(4);
    for (let i = 0; i < turns; i++) await turn();
    if (source.chance(failPart)) throw new MuaraError("source.unavailable", "the session broke");
  };
  const stop = new AbortController();
  let [durable, run]: [bigint, CopyRun | undefined] = [world.acknowledged, undefined];
  /** Both or neither, and the source is told afterwards. */
  const save = async (): Promise<void> => {
    const [cursor, saved] = [durable, run!.tables[TABLE] ?? world.saved];
    await turn();
    if (stop.signal.aborted) return;
    world.saved = saved;
    world.acknowledged = cursor;
  };
  run = new CopyRun({
    copy: modelCopy(source, pause, bugs),
    from: world.acknowledged,
    tables: [
      {
        name: TABLE,
        table: { schema: "public", name: "items", shard: "eu", incarnation: 7, bind: async () => null },
        progress: world.saved,
      },
    ],
    chunkRows: 1 + source.below(12),
    chunkBytes: 1_000_000,
    ...(source.chance(0.3) ? { notedKeysMax: source.below(6) } : {}),
    save,
    ask: () => undefined,
    clock: clockOf(world),
    logger,
  });
  const running = run.run(stop.signal);
  const moving = move(world, stop.signal);
  const stream = new ModelStream(world);
  try {
    for (let steps = 0; ; steps++) {
      assert(steps < STEPS_MAX, "the copy does not end");
      await turn();
      const batch = stream.next();
      const woven = await run.weave(batch);
      for (const group of woven.groups) {
        crashes();
        for (const { records } of group) world.reader.append(records);
      }
      crashes();
      run.durable(woven);
      if (batch.cursor !== null) durable = BigInt(batch.cursor);
      if (world.isQuiet || source.chance(0.3)) await save();
      crashes();
      if (steps > 300 || run.isDone) {
        world.isQuiet = true;
        source.settle();
      }
      const isRead = world.acknowledged >= (source.log.at(-1)?.end ?? 0n);
      if (run.isDone && world.isQuiet && isRead && world.saved.copy === "done") return true;
    }
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
    world.crashes++;
    return false;
  } finally {
    stop.abort();
    world.nowMs += 100_000;
    await running;
    await moving;
  }
}

/** The source does not wait for whoever reads it. */
async function move(world: World, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    world.nowMs += 40;
    if (!world.isQuiet) for (let i = world.source.below(4); i > 0; i--) world.source.step();
    await turn();
  }
}

async function history(seed: number, how: History = {}): Promise<World> {
  const world = worldOf(seed);
  while (!(await live(world, how)));
  const expected = world.source.rows(world.source.view());
  assert.deepEqual(
    [...world.reader.rows].toSorted(([a], [b]) => a - b),
    [...expected].map(([key, { small, big }]) => [key, { small, big }]),
  );
  return world;
}

async function isFoundOut(seeds: number, how: History): Promise<boolean> {
  for (let seed = 1; seed <= seeds; seed++) {
    const isFine = await history(seed, how).then(
      () => true,
      () => false,
    );
    if (!isFine) return true;
  }
  return false;
}

describe("a copy in chunks beside a stream", () => {
  test("random histories give the source's rows, in order", async () => {
    let [crashes, copied] = [0, 0];
    const seeds = ONE === undefined ? Array.from({ length: SEEDS }, (_, i) => i + 1) : [Number(ONE)];
    for (const seed of seeds) {
      const world = await history(seed).catch((error: unknown) => {
        throw new Error(`MUARA_SEED=${seed}: ${String(error)}`, { cause: error });
      });
      crashes += world.crashes;
      copied += world.reader.copied;
      expect(world.saved.copiedRows).toBeLessThanOrEqual(world.reader.copied);
    }
    // The world has to be moved for any of this to mean something.
    if (ONE !== undefined) return;
    assert(crashes > SEEDS / 10, `${crashes} crashes`);
    assert(copied > SEEDS * 5, `${copied} rows`);
  });

  test("a place that was taken before the snapshot is found out", async () => {
    expect(await isFoundOut(60, { bugs: { isPlaceEarly: true } })).toBe(true);
  });
});
