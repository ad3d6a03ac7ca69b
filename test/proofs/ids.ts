/**
 * `npm run proof:ids -- [--count 100000000] [--bytes 402653184] [--batch 100000] [--seed N]`: so many unique ids within
 * one horizon and a budget. Every new id is new or unsettled (the lake, which has none of them, says so), every resend
 * is known or unsettled: none is ever forgotten. At the end each of them is looked up once more. Memory is watched all
 * the way: the bytes of all sets against the budget, and what the whole process has in memory.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import {
  ADMIT_DUPLICATE,
  ADMIT_NEW,
  ADMIT_UNSETTLED,
  type IdentitySet,
  SETTLED_NEW,
} from "../../core/kernel-set.ts";
import { testKernel } from "../core-as/support.ts";

const HORIZON_MS = 48 * 3_600_000;
const START_MS = 1_767_225_600_000;
/** Of a batch's ids: as many are sent again, of any id before. */
const RESENT = 1 / 100;
const MIB = 1_048_576;

export interface IdsResult {
  readonly ids: number;
  readonly resends: number;
  readonly falsePositives: number;
  readonly exactDuplicates: number;
  readonly setsMib: number;
  readonly kernelMib: number;
  readonly parts: number;
  /** Resident memory of the process after each tenth and at the end, MiB. */
  readonly rssMib: readonly number[];
  /** The most at any time, MiB. */
  readonly rssMostMib: number;
  readonly cpuSeconds: number;
  /** CPU of looking every id up at the end. */
  readonly sweepSeconds: number;
}

/** Fills in identities as a keyed hash would give them: four words of a mixed counter. */
function fill(words: Uint32Array, at: number, id: number, seed: number): void {
  for (let word = 0; word < 4; word++) {
    let value = Math.imul(id ^ Math.imul(seed + word, 0x9e37_79b9), 0x85eb_ca6b) + word * 0x27d4_eb2f;
    value = Math.imul(value ^ (value >>> 16), 0x7feb_352d);
    value = Math.imul(value ^ (value >>> 15), 0x846c_a68b);
    words[at + word] = value ^ (value >>> 16);
  }
}

const drawn = new Uint32Array(4);

/** In [0, 1). */
function fraction(i: number, seed: number): number {
  fill(drawn, 0, i, seed ^ 0x5bd1_e995);
  return drawn[0]! / 2 ** 32;
}

/** One run: its set, its columns, and what it has seen so far. */
class Run {
  readonly kernel;
  readonly set: IdentitySet;
  resends = 0;
  falsePositives = 0;
  exactDuplicates = 0;
  setsBytes = 0;
  readonly #bytes: number;
  readonly #seed: number;
  readonly #identities: BigUint64Array;
  readonly #words: Uint32Array;
  readonly #ingestMs: Float64Array;
  readonly #verdicts: Uint8Array;
  readonly #settled: Uint8Array;

  constructor(bytes: number, batch: number, seed: number) {
    const rows = batch + Math.ceil(batch * RESENT);
    this.kernel = testKernel({ identityBytes: bytes });
    this.set = this.kernel.createIdentitySet();
    this.#bytes = bytes;
    this.#seed = seed;
    this.#identities = new BigUint64Array(rows * 2);
    this.#words = new Uint32Array(this.#identities.buffer);
    this.#ingestMs = new Float64Array(rows);
    this.#verdicts = new Uint8Array(rows);
    this.#settled = new Uint8Array(rows);
  }

  /** New ids, and behind them resends that are only looked up. @throws Error where one was forgotten */
  add(from: number, fresh: number, nowMs: number): void {
    const again = from === 0 ? 0 : Math.ceil(fresh * RESENT);
    const total = fresh + again;
    for (let i = 0; i < fresh; i++) fill(this.#words, i * 4, from + i, this.#seed);
    for (let i = fresh; i < total; i++)
      fill(this.#words, i * 4, Math.floor(fraction(from + i, this.#seed) * from), this.#seed);
    this.#ingestMs.fill(nowMs);
    this.#settled.fill(0);
    this.#verdicts.fill(0).fill(1, fresh, total);
    let answers = this.#admit(total);
    this.#expectKnown(answers, fresh, total, "a resend");
    this.resends += again;
    // a call that leaves nothing open has admitted them already
    if (answers.includes(ADMIT_UNSETTLED)) {
      for (let i = 0; i < fresh; i++) {
        // what is open is settled as the lake would, which has none of them
        if (answers[i] === ADMIT_UNSETTLED) this.falsePositives++;
        this.#settled[i] = SETTLED_NEW;
      }
      answers = this.#admit(fresh);
    }
    for (let i = 0; i < fresh; i++)
      if (answers[i] !== ADMIT_NEW) throw new Error(`new id ${from + i} was taken for another`);
    this.set.keep();
    this.set.expire(nowMs);
    this.setsBytes = Math.max(this.setsBytes, this.kernel.identityBudget.bytes);
    if (this.setsBytes > this.#bytes) throw new Error(`${this.setsBytes} bytes are beyond the budget`);
  }

  /** Looks ids up. @throws Error where one was forgotten */
  find(from: number, count: number): void {
    for (let i = 0; i < count; i++) fill(this.#words, i * 4, from + i, this.#seed);
    this.#ingestMs.fill(START_MS + HORIZON_MS - 1);
    this.#settled.fill(0);
    this.#verdicts.fill(1);
    const answers = this.#admit(count);
    this.#expectKnown(answers, 0, count, `one of the ids from ${from}`);
  }

  #admit(count: number): Uint8Array {
    return this.set.admit(count, this.#identities, this.#ingestMs, this.#verdicts, this.#settled);
  }

  #expectKnown(answers: Uint8Array, from: number, to: number, what: string): void {
    for (let i = from; i < to; i++)
      if (answers[i] === ADMIT_DUPLICATE) this.exactDuplicates++;
      else if (answers[i] !== ADMIT_UNSETTLED) throw new Error(`${what} was forgotten: number ${i}`);
  }
}

/** @throws Error where an id was forgotten, or memory went beyond the budget */
export function runIdsProof(count: number, bytes: number, seed: number, batch = 25_000): IdsResult {
  const run = new Run(bytes, batch, seed);
  const rssMib: number[] = [];
  let rssMost = 0;
  const startCpu = process.cpuUsage();
  const step = (what: string, from: number, length: number, each: () => void): void => {
    try {
      each();
    } catch (error) {
      throw new Error(`seed ${seed}, ids from ${from}`, { cause: error });
    }
    rssMost = Math.max(rssMost, process.memoryUsage.rss());
    if (Math.floor((from / count) * 10) === Math.floor(((from + length) / count) * 10)) return;
    const mib = Math.round(process.memoryUsage.rss() / MIB);
    if (what === "known") rssMib.push(mib);
    console.error(`${from + length} ids ${what}, ${mib} MiB, ${secondsSince(startCpu)} s of CPU`);
  };
  for (let from = 0; from < count; from += batch) {
    const fresh = Math.min(batch, count - from);
    const nowMs = START_MS + Math.floor((from / count) * HORIZON_MS);
    step("known", from, fresh, () => run.add(from, fresh, nowMs));
  }
  if (run.set.size !== count) throw new Error(`seed ${seed}: ${run.set.size} ids of ${count} are known`);
  const { exactDuplicates } = run;
  const cpuSeconds = secondsSince(startCpu);
  for (let from = 0; from < count; from += batch) {
    const total = Math.min(batch, count - from);
    step("found again", from, total, () => run.find(from, total));
  }
  rssMib.push(Math.round(process.memoryUsage.rss() / MIB));
  return {
    ids: run.set.size,
    resends: run.resends,
    falsePositives: run.falsePositives,
    exactDuplicates,
    setsMib: Math.round(run.setsBytes / MIB),
    kernelMib: Math.round(run.kernel.memoryBytes / MIB),
    parts: run.set.generations().reduce((sum, _, place) => sum + run.set.parts(place).length, 0),
    rssMib,
    rssMostMib: Math.round(rssMost / MIB),
    cpuSeconds,
    sweepSeconds: secondsSince(startCpu) - cpuSeconds,
  };
}

function secondsSince(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start);
  return Math.round((user + system) / 1e6);
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: {
      count: { type: "string", default: "100000000" },
      bytes: { type: "string", default: String(384 * MIB) },
      batch: { type: "string", default: "100000" },
      seed: { type: "string", default: "1" },
    },
  });
  const [count, bytes, seed, batch] = [values.count, values.bytes, values.seed, values.batch].map(Number);
  console.log(runIdsProof(count!, bytes!, seed!, batch));
}
