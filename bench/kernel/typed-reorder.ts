/**
 * What the reorder buffer is compared with: the same ring of slices in tuned TypeScript, on typed arrays only. Records
 * lie in columns with a free list and are linked per slice; a slice that leaves is sorted by radix on what its times
 * differ in. It knows no budget, no records outside of its ring and no images.
 */
import { SLICES, SLICE_SHIFT } from "./workload.ts";

const SLICE_US = 2 ** SLICE_SHIFT;
const DIGIT = 1024;

export class TypedReorder {
  readonly times: Float64Array;
  readonly offsets: Float64Array;
  readonly partitions: Uint32Array;
  readonly payloads: Uint32Array;
  /** The last release, in order. */
  readonly outTimes: Float64Array;
  readonly outOffsets: Float64Array;
  readonly outPartitions: Uint32Array;
  readonly outPayloads: Uint32Array;
  readonly #order: Int32Array;
  readonly #next: Int32Array;
  readonly #first = new Int32Array(SLICES).fill(-1);
  readonly #last = new Int32Array(SLICES).fill(-1);
  readonly #spare: Int32Array;
  readonly #counts = new Int32Array(DIGIT);
  #free = 0;
  #frontier: number;

  constructor(capacity: number, frontier: number) {
    this.times = new Float64Array(capacity);
    this.offsets = new Float64Array(capacity);
    this.partitions = new Uint32Array(capacity);
    this.payloads = new Uint32Array(capacity);
    this.outTimes = new Float64Array(capacity);
    this.outOffsets = new Float64Array(capacity);
    this.outPartitions = new Uint32Array(capacity);
    this.outPayloads = new Uint32Array(capacity);
    this.#order = new Int32Array(capacity);
    this.#spare = new Int32Array(capacity);
    this.#next = Int32Array.from({ length: capacity }, (_, i) => i + 1);
    this.#frontier = frontier;
  }

  /** @returns how many are late, and not taken */
  push(
    count: number,
    times: Float64Array,
    partitions: Uint32Array,
    offsets: Float64Array,
    payloads: Uint32Array,
  ): number {
    let late = 0;
    for (let i = 0; i < count; i++) {
      const time = times[i]!;
      if (time < this.#frontier) {
        late++;
        continue;
      }
      const record = this.#free;
      this.#free = this.#next[record]!;
      this.times[record] = time;
      this.offsets[record] = offsets[i]!;
      this.partitions[record] = partitions[i]!;
      this.payloads[record] = payloads[i]!;
      this.#next[record] = -1;
      const place = Math.floor(time / SLICE_US) & (SLICES - 1);
      const last = this.#last[place]!;
      if (last === -1) this.#first[place] = record;
      else this.#next[last] = record;
      this.#last[place] = record;
    }
    return late;
  }

  /** Moves the frontier and takes out what it has passed. @returns how many */
  release(frontier: number): number {
    let count = 0;
    const to = Math.floor(frontier / SLICE_US);
    for (let slice = Math.floor(this.#frontier / SLICE_US); slice <= to; slice++) {
      const place = slice & (SLICES - 1);
      const start = count;
      let keptFirst = -1;
      let keptLast = -1;
      for (let record = this.#first[place]!; record !== -1;) {
        const next = this.#next[record]!;
        if (this.times[record]! < frontier) {
          this.#order[count++] = record;
        } else {
          if (keptLast === -1) keptFirst = record;
          else this.#next[keptLast] = record;
          this.#next[record] = -1;
          keptLast = record;
        }
        record = next;
      }
      this.#first[place] = keptFirst;
      this.#last[place] = keptLast;
      this.#sort(start, count, slice * SLICE_US);
    }
    this.#frontier = frontier;
    this.#takeOut(count);
    return count;
  }

  #takeOut(count: number): void {
    for (let i = 0; i < count; i++) {
      const record = this.#order[i]!;
      this.outTimes[i] = this.times[record]!;
      this.outOffsets[i] = this.offsets[record]!;
      this.outPartitions[i] = this.partitions[record]!;
      this.outPayloads[i] = this.payloads[record]!;
      this.#next[record] = this.#free;
      this.#free = record;
    }
  }

  #sort(from: number, to: number, startUs: number): void {
    this.#pass(this.#order, this.#spare, from, to, startUs, 0);
    this.#pass(this.#spare, this.#order, from, to, startUs, 10);
    for (let i = from + 1; i < to; i++) {
      const record = this.#order[i]!;
      let at = i;
      while (at > from && this.#isBefore(record, this.#order[at - 1]!)) {
        this.#order[at] = this.#order[at - 1]!;
        at--;
      }
      this.#order[at] = record;
    }
  }

  #pass(
    source: Int32Array,
    target: Int32Array,
    from: number,
    to: number,
    startUs: number,
    shift: number,
  ): void {
    const counts = this.#counts.fill(0);
    for (let i = from; i < to; i++) counts[((this.times[source[i]!]! - startUs) >> shift) & (DIGIT - 1)]!++;
    let sum = from;
    for (let digit = 0; digit < DIGIT; digit++) {
      const here = counts[digit]!;
      counts[digit] = sum;
      sum += here;
    }
    for (let i = from; i < to; i++) {
      const record = source[i]!;
      target[counts[((this.times[record]! - startUs) >> shift) & (DIGIT - 1)]!++] = record;
    }
  }

  #isBefore(a: number, b: number): boolean {
    if (this.times[a] !== this.times[b]) return this.times[a]! < this.times[b]!;
    if (this.partitions[a] !== this.partitions[b]) return this.partitions[a]! < this.partitions[b]!;
    return this.offsets[a]! < this.offsets[b]!;
  }
}
