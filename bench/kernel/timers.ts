/** Keyed timers against the same work in tuned TypeScript on typed arrays, which take turns; CPU time, medians. */
import process from "node:process";
import { seededRandomness } from "../../core/clock.ts";
import type { Kernel } from "../../core/kernel.ts";
import { median, type Metric } from "../result.ts";
import { TypedTimers } from "./typed-timers.ts";

const BATCH = 8192;
const ROUNDS = 7;
const START_US = 1_767_225_600_000_000;
const TIMERS = 300_000;

/** CPU ms. */
function spent(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** Both in turns, so that what else the machine does meets both alike. */
function compare(name: string, events: number, ours: () => void, theirs: () => void): Metric {
  const costs: number[] = [];
  const references: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const cost = spent(ours);
    const reference = spent(theirs);
    if (round === 0) continue; // nothing is compiled yet
    costs.push(cost);
    references.push(reference);
  }
  const value = (median(costs) / events) * 1e6;
  const reference = (median(references) / events) * 1e6;
  const ratio = median(costs.map((cost, i) => references[i]! / cost));
  return { name, value, unit: "ns/event", reference, ratio };
}

export function benchTimers(kernel: Kernel): Metric {
  const random = seededRandomness(1);
  const deadlineUs = 3600e6;
  const open = Array.from({ length: TIMERS }, (_, i) => i);
  const events = [
    ...open.map((key) => ({ key, kind: 0, time: START_US + key * 1e5 })),
    ...open
      .filter(() => random.fraction() < 0.9)
      .map((key) => ({ key, kind: 1, time: START_US + key * 1e5 + Math.floor(random.fraction() * 3000e6) })),
  ].toSorted((a, b) => a.time - b.time);
  // words of 32 random bits each: a fraction has no more
  const words = Uint32Array.from({ length: TIMERS * 4 }, () => Math.floor(random.fraction() * 2 ** 32));
  const names = new BigUint64Array(words.buffer);
  const batches: ReturnType<typeof batchOf>[] = [];
  for (let from = 0; from < events.length; from += BATCH) batches.push(batchOf(from));
  function batchOf(from: number) {
    const part = events.slice(from, from + BATCH);
    const identities = BigUint64Array.from(part.flatMap(({ key }) => [names[key * 2]!, names[key * 2 + 1]!]));
    const times = Float64Array.from(part, ({ time }) => time);
    const deadlines = times.map((time) => time + deadlineUs);
    return {
      count: part.length,
      kinds: Uint8Array.from(part, ({ kind }) => kind),
      rules: new Uint32Array(part.length),
      identities,
      words: new Uint32Array(identities.buffer),
      timesUs: BigInt64Array.from(times, BigInt),
      deadlines,
      deadlinesUs: BigInt64Array.from(deadlines, BigInt),
      parts: new BigUint64Array(part.length).fill(1n),
      bits: new Uint32Array(part.length).fill(1),
      needs: new Uint32Array(part.length).fill(1),
      watermark: Math.floor(times[0]! / 1e6) * 1e6,
    };
  }
  const results = [0, 0];
  const ours = (): void => {
    const timers = kernel.createKeyedTimers({ retentionUs: 0n, maxBytes: 512 << 20 });
    let breaches = 0;
    for (const batch of [...batches, null]) {
      if (batch) timers.update(batch);
      timers.advance(batch ? BigInt(batch.watermark) : 1n << 60n);
      while (timers.isDraining) for (const kind of timers.take(BATCH).kinds) if (kind === 2) breaches++;
    }
    timers.destroy();
    results[0] = breaches;
  };
  const theirs = (): void => {
    const timers = new TypedTimers(TIMERS, START_US);
    for (const batch of batches) {
      timers.update(batch.count, batch.kinds, batch.words, batch.deadlines, batch.bits);
      timers.advance(batch.watermark);
    }
    timers.advance(START_US + TIMERS * 1e5 + 2 * deadlineUs);
    results[1] = timers.breaches;
  };
  const metric = compare("keyed timers, against typed arrays", events.length, ours, theirs);
  if (results[0] !== results[1]) throw new Error(`the two ways give different breaches: ${results.join()}`);
  return metric;
}
