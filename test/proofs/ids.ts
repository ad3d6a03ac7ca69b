/**
 * `npm run proof:ids -- [--count 100000000] [--bytes 536870912] [--seed N]`: so many unique ids within one horizon
 * and a budget. Every new id is new or unsettled (the lake, which has none of them, says so), every resend is known or
 * unsettled: none is ever forgotten. At the end each of them is looked up once more. Memory is watched all the way.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { ADMIT_DUPLICATE, ADMIT_NEW, ADMIT_UNSETTLED, SETTLED_NEW } from "../../core/kernel-set.ts";
import { testKernel } from "../core-as/support.ts";

const BATCH = 25_000;
const HORIZON_MS = 48 * 3_600_000;
const START_MS = 1_767_225_600_000;
/** Resends in every batch, of any id before. */
const RESENDS = 250;
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

/** @throws Error where an id was forgotten, or memory went beyond the budget */
export function runIdsProof(count: number, bytes: number, seed: number): IdsResult {
  const kernel = testKernel({ identityBytes: bytes });
  const set = kernel.createIdentitySet();
  const identities = new BigUint64Array((BATCH + RESENDS) * 2);
  const words = new Uint32Array(identities.buffer);
  const ingestMs = new Float64Array(BATCH + RESENDS);
  const verdicts = new Uint8Array(BATCH + RESENDS);
  const rssMib: number[] = [];
  let [resends, falsePositives, exactDuplicates, setsBytes] = [0, 0, 0, 0];
  const startCpu = process.cpuUsage();
  for (let from = 0; from < count; from += BATCH) {
    const fresh = Math.min(BATCH, count - from);
    const again = from === 0 ? 0 : RESENDS;
    const total = fresh + again;
    const nowMs = START_MS + Math.floor((from / count) * HORIZON_MS);
    for (let i = 0; i < fresh; i++) fill(words, i * 4, from + i, seed);
    for (let i = fresh; i < total; i++) fill(words, i * 4, Math.floor(fraction(from + i, seed) * from), seed);
    ingestMs.fill(nowMs);
    const settled = new Uint8Array(total);
    verdicts.fill(1, fresh, total).fill(0, 0, fresh);
    let answers = set.admit(total, identities, ingestMs, verdicts, settled);
    // What the first call leaves open of the new ones is settled as the lake would: it has none of them.
    const unknown = answers.subarray(fresh, total);
    if (unknown.some((answer) => answer !== ADMIT_DUPLICATE && answer !== ADMIT_UNSETTLED))
      throw new Error(`seed ${seed}: an id before ${from} was forgotten`);
    for (const answer of unknown) if (answer === ADMIT_DUPLICATE) exactDuplicates++;
    resends += again;
    for (let i = 0; i < fresh; i++) {
      if (answers[i] !== ADMIT_UNSETTLED) continue;
      settled[i] = SETTLED_NEW;
      falsePositives++;
    }
    // a call that leaves nothing open has admitted them already
    if (answers.includes(ADMIT_UNSETTLED))
      answers = set.admit(fresh, identities, ingestMs, verdicts, settled);
    for (let i = 0; i < fresh; i++)
      if (answers[i] !== ADMIT_NEW) throw new Error(`seed ${seed}: new id ${from + i} was taken for another`);
    set.keep();
    set.expire(nowMs);
    setsBytes = Math.max(setsBytes, kernel.identityBudget.bytes);
    if (setsBytes > bytes) throw new Error(`seed ${seed}: ${setsBytes} bytes are beyond the budget`);
    if (Math.floor((from / count) * 10) !== Math.floor(((from + fresh) / count) * 10))
      rssMib.push(shownRssMib(from + fresh));
  }
  if (set.size !== count) throw new Error(`seed ${seed}: ${set.size} ids of ${count} are known`);
  const fillCpu = process.cpuUsage(startCpu);
  for (let from = 0; from < count; from += BATCH) {
    const total = Math.min(BATCH, count - from);
    for (let i = 0; i < total; i++) fill(words, i * 4, from + i, seed);
    const answers = set.admit(total, identities, ingestMs.fill(START_MS + HORIZON_MS - 1), verdicts.fill(1));
    for (let i = 0; i < total; i++)
      if (answers[i] !== ADMIT_DUPLICATE && answers[i] !== ADMIT_UNSETTLED)
        throw new Error(`seed ${seed}: id ${from + i} was forgotten`);
  }
  rssMib.push(Math.round(process.memoryUsage.rss() / MIB));
  const cpu = process.cpuUsage(startCpu);
  return {
    ids: set.size,
    resends,
    falsePositives,
    exactDuplicates,
    setsMib: Math.round(setsBytes / MIB),
    kernelMib: Math.round(kernel.memoryBytes / MIB),
    parts: set.generations().reduce((sum, _, place) => sum + set.parts(place).length, 0),
    rssMib,
    cpuSeconds: Math.round((fillCpu.user + fillCpu.system) / 1e6),
    sweepSeconds: Math.round((cpu.user + cpu.system - fillCpu.user - fillCpu.system) / 1e6),
  };
}

function shownRssMib(ids: number): number {
  const rssMib = Math.round(process.memoryUsage.rss() / MIB);
  console.error(`${ids} ids, ${rssMib} MiB`);
  return rssMib;
}

/** In [0, 1). */
function fraction(i: number, seed: number): number {
  const word = new Uint32Array(4);
  fill(word, 0, i, seed ^ 0x5bd1_e995);
  return word[0]! / 2 ** 32;
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: {
      count: { type: "string", default: "100000000" },
      bytes: { type: "string", default: String(512 * MIB) },
      seed: { type: "string", default: "1" },
    },
  });
  console.log(runIdsProof(Number(values.count), Number(values.bytes), Number(values.seed)));
}
