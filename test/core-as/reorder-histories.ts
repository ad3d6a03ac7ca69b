/** Lives of a reorder buffer next to its model: batches of every kind, watermarks that jump, images, refusals. */
import { hasCode } from "../../core/errors.ts";
import type { Kernel } from "../../core/kernel.ts";
import type { ReorderBatch, ReorderBuffer, ReorderOptions } from "../../core/kernel-reorder.ts";
import type { Dice } from "./documents.ts";
import { ReorderModel, type ModelRecord } from "./reorder-model.ts";
import { same } from "./support.ts";

const ANSWERS = ["held", "late", "ahead"];
const LOWEST = -(2n ** 63n);
const HIGHEST = 2n ** 63n - 1n;

export interface ReorderCounts {
  histories: number;
  records: number;
  released: number;
  late: number;
  ahead: number;
  images: number;
  refusals: number;
}

export function noReorderCounts(): ReorderCounts {
  return { histories: 0, records: 0, released: 0, late: 0, ahead: 0, images: 0, refusals: 0 };
}

export function columnsOf(records: readonly ModelRecord[]): ReorderBatch {
  return {
    count: records.length,
    timesUs: BigInt64Array.from(records, (record) => record.timeUs),
    partitions: Uint32Array.from(records, (record) => record.partition),
    offsets: Float64Array.from(records, (record) => record.offset),
    payloads: Uint32Array.from(records, (record) => record.payload),
  };
}

export function recordsOf(batch: ReorderBatch): readonly ModelRecord[] {
  return Array.from({ length: batch.count }, (_, i) => ({
    timeUs: batch.timesUs[i]!,
    partition: batch.partitions[i]!,
    offset: batch.offsets[i]!,
    payload: batch.payloads[i]!,
  }));
}

function clamp(timeUs: bigint): bigint {
  return timeUs < LOWEST ? LOWEST : timeUs > HIGHEST ? HIGHEST : timeUs;
}

/** Draws what happens, around a time that moves on. */
class Story {
  readonly dice: Dice;
  readonly sliceUs: number;
  readonly slices: number;
  nowUs: bigint;
  #payload = 0;
  #offsets = [0, 0, 0, 0];

  constructor(dice: Dice) {
    this.dice = dice;
    this.sliceUs = 2 ** dice.pick([0, 0, 3, 10, 20, 30]);
    this.slices = dice.pick([64, 64, 128, 512]);
    const ends = [LOWEST, HIGHEST - this.#ringUs() * 3n];
    this.nowUs = dice.chance(0.05)
      ? dice.pick(ends)
      : dice.pick([0n, -5n, -(10n ** 15n), 1_767_225_600_000_000n]);
  }

  #ringUs(): bigint {
    return BigInt(this.sliceUs) * BigInt(this.slices);
  }

  #roll(below: bigint): bigint {
    return below <= 0n ? 0n : BigInt(Math.floor(this.dice.roll(2 ** 30) * (Number(below) / 2 ** 30)));
  }

  time(): bigint {
    const { dice } = this;
    const kind = dice.roll(20);
    const ring = this.#ringUs();
    if (kind < 11) return clamp(this.nowUs + this.#roll(ring / 2n) - ring / 8n);
    if (kind < 13) return clamp(this.nowUs + BigInt(dice.roll(4)));
    if (kind < 15) return clamp(this.nowUs + this.#roll(ring) + ring * BigInt(dice.roll(5))); // aliases
    if (kind < 16) return clamp(this.nowUs + ring + BigInt(dice.roll(5) - 2));
    if (kind < 17) return clamp(this.nowUs + this.#roll(ring * 1000n));
    if (kind < 18) return clamp(this.nowUs - this.#roll(ring * 3n));
    if (kind < 19) return clamp(this.nowUs + this.#roll(ring * 3n));
    return dice.chance(0.1) ? dice.pick([LOWEST, HIGHEST, HIGHEST - 1n]) : clamp(this.nowUs + ring);
  }

  records(): readonly ModelRecord[] {
    const { dice } = this;
    const count = dice.pick([0, 1, 3, 17, 60, dice.chance(0.06) ? 900 : 100]);
    const one = dice.chance(0.15) ? this.time() : undefined;
    const isRepeated = dice.chance(0.2);
    return Array.from({ length: count }, () => {
      const partition = dice.chance(0.8) ? dice.roll(3) : dice.pick([3, 7, 2 ** 32 - 1]);
      const next = this.#offsets[partition & 3]!;
      if (!isRepeated) this.#offsets[partition & 3] = next + 1 + dice.roll(3);
      const offset = dice.chance(0.05) ? dice.pick([0, 2 ** 32, 2 ** 53]) : next;
      return { timeUs: one ?? this.time(), partition, offset, payload: this.#payload++ };
    });
  }

  watermark(): bigint {
    const ring = this.#ringUs();
    const step = this.dice.pick([0n, 1n, this.#roll(BigInt(this.sliceUs) * 3n), this.#roll(ring / 3n)]);
    const jump = this.dice.chance(0.12) ? ring * BigInt(this.dice.roll(1200)) : 0n;
    this.nowUs = clamp(this.nowUs + step + jump);
    return this.dice.chance(0.05) ? clamp(this.nowUs - ring) : this.nowUs;
  }
}

function bytesFor(slices: number, blocks: number): number {
  return 1088 * (slices + 6 + blocks) + slices * 9;
}

/** A buffer that got the same records in another order, where that cannot be seen, and in other batches. */
function retold(kernel: Kernel, options: ReorderOptions, model: ReorderModel, dice: Dice): ReorderBuffer {
  const buffer = kernel.createReorderBuffer(options);
  const lanes = new Map<string, ModelRecord[]>();
  for (const record of model.held) {
    const lane = `${record.timeUs} ${record.partition} ${record.offset}`;
    lanes.set(lane, [...(lanes.get(lane) ?? []), record]);
  }
  const left = [...lanes.values()].toSorted(() => dice.roll(3) - 1);
  const records = left.flat();
  for (let from = 0; from < records.length;) {
    const count = 1 + dice.roll(200);
    buffer.push(columnsOf(records.slice(from, from + count)));
    from += count;
  }
  if (model.watermarkUs !== undefined) buffer.advance(model.watermarkUs);
  return buffer;
}

/** One life. @param mayFail the kernel's memory is limited: calls may fail, and then nothing has changed */
export function liveReorder(
  kernel: Kernel,
  dice: Dice,
  context: string,
  mayFail: boolean,
  counts: ReorderCounts,
): void {
  const story = new Story(dice);
  const blocks = mayFail || dice.chance(0.7) ? 4000 : 1 + dice.roll(30);
  const aheadBlocks = dice.chance(0.7) ? 500 : dice.roll(4);
  const { sliceUs, slices } = story;
  const maxBytes = bytesFor(slices, blocks);
  const options: ReorderOptions = { sliceUs, slices, maxBytes, maxAheadBytes: aheadBlocks * 1088 };
  let buffer: ReorderBuffer;
  try {
    buffer = kernel.createReorderBuffer(options);
  } catch (error) {
    if (mayFail && hasCode(error, "kernel.memory")) return;
    throw error;
  }
  const model = new ReorderModel(sliceUs, slices, buffer.capacity, aheadBlocks * 41);
  const attempt = <T>(action: () => T): T | undefined => {
    try {
      return action();
    } catch (error) {
      if (!mayFail || !hasCode(error, "kernel.memory") || error.message.includes("budget")) throw error;
      counts.refusals++;
      return undefined;
    }
  };
  counts.histories++;
  for (let step = 0; step < 24; step++) {
    const where = `${context}, step ${step}`;
    const action = dice.roll(11);
    if (action < 5) push(step);
    else if (action < 7) {
      const watermark = story.watermark();
      buffer.advance(watermark);
      model.advance(watermark);
    } else if (action < 10) {
      const most = dice.pick([1, 7, 50, 5000]);
      const out = attempt(() => buffer.release(most));
      if (out === undefined) continue;
      // the kernel may have had memory for a part
      const wanted = model.release(mayFail ? out.count : most);
      same(recordsOf(out), wanted, where);
      counts.released += out.count;
    } else restore(where);
    same(buffer.size, model.held.length, where);
    same(buffer.ahead, model.ahead, where);
    if (buffer.bytes > maxBytes) throw new Error(`${where}: ${buffer.bytes} bytes, at most ${maxBytes}`);
  }
  buffer.advance(HIGHEST);
  model.advance(HIGHEST);
  const rest = attempt(() => buffer.release(100_000));
  if (rest) same(recordsOf(rest), model.release(mayFail ? rest.count : 100_000), `${context}, rest`);
  buffer.destroy();

  function push(step: number): void {
    const where = `${context}, step ${step}`;
    const records = story.records();
    const keepsAhead = dice.chance(0.85);
    let answers: string | undefined;
    try {
      const got = attempt(() => buffer.push(columnsOf(records), keepsAhead));
      if (got === undefined) return;
      answers = Array.from(got, (answer) => ANSWERS[answer]).join();
    } catch (error) {
      if (!hasCode(error, "kernel.memory")) throw error;
      answers = error.message.includes("ahead") ? "ahead budget" : "budget";
      counts.refusals++;
    }
    const wanted = model.push(records, keepsAhead);
    same(answers, typeof wanted === "string" ? wanted : wanted.join(), where);
    counts.records += records.length;
    if (typeof wanted === "string") return;
    for (const answer of wanted) {
      if (answer === "late") counts.late++;
      if (answer === "ahead") counts.ahead++;
    }
  }

  function restore(where: string): void {
    const image = attempt(() => buffer.snapshot());
    if (image === undefined) return;
    const copy = attempt(() => {
      const fresh = kernel.createReorderBuffer(options);
      try {
        fresh.restore(image);
        if (Buffer.compare(fresh.snapshot(), image) !== 0) throw new Error(`${where}: another image`);
        return fresh;
      } catch (error) {
        fresh.destroy();
        throw error;
      }
    });
    if (copy === undefined) return;
    counts.images++;
    if (!mayFail && dice.chance(0.3)) {
      const other = retold(kernel, { ...options, maxAheadBytes: maxBytes }, model, dice);
      if (Buffer.compare(other.snapshot(), image) !== 0) throw new Error(`${where}: not canonical`);
      other.destroy();
    }
    const [kept, dropped] = dice.chance(0.6) ? [copy, buffer] : [buffer, copy];
    dropped.destroy();
    buffer = kept;
  }
}
