/**
 * One random life of identity sets within a budget, beside a Map that knows everything: sealing, blinding, undo,
 * expiry, restores and refused memory at any moment. The lake that settles a maybe is the Map of what was kept.
 */
import { hasCode } from "../../core/errors.ts";
import {
  ADMIT_NEW,
  ADMIT_UNKNOWN,
  ADMIT_UNSETTLED,
  type IdentitySet,
  SETTLED_IN_LAKE,
  SETTLED_NEW,
} from "../../core/kernel-set.ts";
import type { Kernel } from "../../core/kernel.ts";
import type { Dice } from "./documents.ts";
import { PartModel } from "./fuse-model.ts";
import { SetModel } from "./set-model.ts";
import { same } from "./support.ts";

const HOUR_MS = 3_600_000;
const START_MS = 1_767_225_600_000;
/** The year 10,000. */
const FAR_MS = 253_402_300_800_000 - START_MS;

export interface SealedCounts {
  records: number;
  seals: number;
  blinds: number;
  restores: number;
  unsettled: number;
  falsePositives: number;
  outOfMemory: number;
  /** The most bytes that all sets took. */
  mostBytes: number;
}

export function noSealedCounts(): SealedCounts {
  return {
    records: 0,
    seals: 0,
    blinds: 0,
    restores: 0,
    unsettled: 0,
    falsePositives: 0,
    outOfMemory: 0,
    mostBytes: 0,
  };
}

/** [n × 2] */
export function identitiesOf(numbers: readonly bigint[]): BigUint64Array {
  return BigUint64Array.from(numbers.flatMap((number) => [number, number ^ 0x5555n]));
}

interface Life {
  readonly kernel: Kernel;
  readonly dice: Dice;
  readonly counts: SealedCounts;
  readonly horizonMs: number;
  readonly generationMs: number;
  readonly pool: number;
  readonly scatter: bigint;
  readonly model: SetModel;
  /** What a full lookup in the lake would find: every kept entry with its exact time. */
  readonly lake: Map<bigint, number[]>;
  readonly context: string;
  set: IdentitySet;
  nowMs: number;
  pending: { readonly number: bigint; readonly ms: number }[];
}

/** @param kernel with or without a budget: where it has none, only the history itself seals */
export function liveSealed(kernel: Kernel, dice: Dice, counts: SealedCounts, context: string): void {
  const horizonMs = dice.pick([1, 4, 10, 37, 48 * HOUR_MS]);
  const generationMs = Math.max(1, Math.floor(horizonMs / dice.pick([1, 1, 2, 3, 4, 4])));
  const life: Life = {
    kernel,
    dice,
    counts,
    horizonMs,
    generationMs,
    pool: dice.pick([3, 20, 300, 5000]),
    scatter: dice.pick([1n, 0x9e37_79b9_7f4a_7c15n, 1n << 40n]),
    model: new SetModel(horizonMs, generationMs),
    lake: new Map(),
    context,
    set: kernel.createIdentitySet({ horizonMs, generationMs }),
    nowMs: START_MS,
    pending: [],
  };
  for (let step = 0; step < 12; step++) {
    act(life);
    check(life);
  }
  keep(life);
  probeEdges(life);
  life.set.destroy();
}

function act(life: Life): void {
  const { dice, set, model } = life;
  const action = dice.roll(14);
  if (action < 6) return admit(life);
  if (action === 6) return keep(life);
  if (action === 7) return undo(life);
  if (action === 8) return expire(life);
  if (action === 9) return insert(life);
  if (action < 12) return seal(life);
  if (action === 12) return restore(life);
  if (!dice.chance(0.2)) return probeEdges(life);
  set.clear();
  model.clear();
  life.lake.clear();
  life.pending = [];
}

/** A third of the ids are few: resends come in heaps. */
function draw({ dice, pool, scatter }: Life): bigint {
  const among = dice.chance(0.3) ? Math.max(1, pool >> 6) : pool;
  return (BigInt(dice.roll(among)) * scatter) & 0xffff_ffff_ffffn;
}

/** Ingest times around now, out of order, or all equal; now and then one before 1970 or far ahead. */
function drawTimes({ dice, horizonMs, nowMs }: Life, count: number): Float64Array<ArrayBuffer> {
  const around = (): number => nowMs + dice.roll(horizonMs * 3 + 2) - horizonMs;
  const equal = dice.chance(0.2) ? around() : undefined;
  return Float64Array.from({ length: count }, () => {
    const odd = dice.roll(200);
    if (odd === 0) return around() - START_MS * 2;
    if (odd === 1) return around() + dice.pick([FAR_MS, horizonMs * 40]);
    return equal ?? around();
  });
}

function admit(life: Life): void {
  const { dice, set, model, context } = life;
  const count = dice.pick([0, 1, 5, 40, dice.chance(0.05) ? 2500 : 100]);
  const numbers = Array.from({ length: count }, () => draw(life));
  const ingestMs = drawTimes(life, count);
  const verdicts = Uint8Array.from(numbers, () => (dice.chance(0.1) ? 1 + dice.roll(7) : 0));
  let answers: Uint8Array;
  try {
    answers = admitSettled(life, set, numbers, ingestMs, verdicts);
  } catch (error) {
    if (!hasCode(error, "kernel.memory")) throw error;
    life.counts.outOfMemory++;
    return;
  }
  const wanted = numbers.map((number, i) => model.admit(number, ingestMs[i]!, verdicts[i]!));
  same(answers.join(""), wanted.join(""), context);
  life.counts.records += count;
  numbers.forEach((number, i) => {
    if (answers[i] === ADMIT_NEW) life.pending.push({ number, ms: ingestMs[i]! });
  });
}

/** As landing does it: until nothing is unsettled. What nobody ever had need not be asked again, come what may. */
function admitSettled(
  life: Life,
  set: IdentitySet,
  numbers: readonly bigint[],
  ingestMs: Float64Array,
  verdicts: Uint8Array,
): Uint8Array {
  const settled = new Uint8Array(numbers.length);
  for (;;) {
    const before = set.tentative;
    const answers = set.admit(numbers.length, identitiesOf(numbers), ingestMs, verdicts, settled);
    if (!answers.includes(ADMIT_UNSETTLED)) return answers;
    same(set.tentative, before, `${life.context}: an unsettled call added something`);
    const spans = set.locate(numbers.length, identitiesOf(numbers), ingestMs);
    const saysNew = life.dice.chance(0.5);
    answers.forEach((answer, i) => {
      if (saysNew && (answer === ADMIT_NEW || answer === ADMIT_UNKNOWN)) settled[i] = SETTLED_NEW;
      if (answer !== ADMIT_UNSETTLED) return;
      same(settled[i], 0, `${life.context}: what was settled is unsettled again`);
      const times = life.lake.get(numbers[i]!) ?? [];
      const near = times.filter((ms) => Math.abs(ms - ingestMs[i]!) <= life.horizonMs);
      const isThere = near.length > 0;
      const isLocated = near.some((ms) => ms >= spans[i * 2]! && ms <= spans[i * 2 + 1]!);
      same(isLocated, isThere, `${life.context}: ${numbers[i]} is not where the set says`);
      settled[i] = isThere ? SETTLED_IN_LAKE : SETTLED_NEW;
      life.counts.unsettled++;
      if (!isThere) life.counts.falsePositives++;
    });
    if (life.dice.chance(0.3)) seal(life);
  }
}

function keep(life: Life): void {
  life.set.keep();
  life.model.keep();
  for (const { number, ms } of life.pending) life.lake.set(number, [...(life.lake.get(number) ?? []), ms]);
  life.pending = [];
}

function undo(life: Life): void {
  life.set.undo();
  life.model.undo();
  life.pending = [];
}

/** The lake keeps more than the set does: but what left the set was too old to be met, so it goes here, too. */
function expire(life: Life): void {
  const { dice, set, model, lake, horizonMs, generationMs } = life;
  life.nowMs += dice.roll(horizonMs * 2 + 2);
  set.expire(life.nowMs);
  model.expire(life.nowMs);
  const isMet = (ms: number): boolean =>
    (Math.floor(ms / generationMs) + 1) * generationMs - 1 >= life.nowMs - horizonMs;
  for (const [number, times] of lake) lake.set(number, times.filter(isMet));
  life.pending = life.pending.filter(({ ms }) => isMet(ms));
}

/** Ids that nobody knows yet: as a rebuild adds them. */
function insert(life: Life): void {
  const { dice, set, model } = life;
  keep(life);
  const numbers = Array.from({ length: dice.roll(30) }, () => draw(life)).filter(
    (number, i, all) => all.indexOf(number) === i && !life.lake.has(number),
  );
  const ingestMs = Float64Array.from(numbers, () => life.nowMs + dice.roll(life.horizonMs));
  try {
    set.insert(numbers.length, identitiesOf(numbers), ingestMs);
  } catch (error) {
    if (!hasCode(error, "kernel.memory")) throw error;
    life.counts.outOfMemory++;
    // some of them are in: as after a failed rebuild, everything begins anew
    set.clear();
    model.clear();
    life.lake.clear();
    return;
  }
  numbers.forEach((number, i) => {
    model.insert(number, ingestMs[i]!);
    life.lake.set(number, [ingestMs[i]!]);
  });
}

function seal(life: Life): void {
  const { dice, set, counts } = life;
  keep(life);
  for (const [place, { size }] of set.generations().entries()) {
    if (size === 0 || !dice.chance(0.6)) continue;
    const before = `${set.size} ${set.bytes}`;
    const stamp = set.generations()[place]!.stamp;
    if (set.seal(place, dice.chance(0.1), dice.chance(0.3))) {
      counts.seals++;
      if (dice.chance(0.2)) checkPart(life, place, size);
    } else {
      counts.outOfMemory++;
      same(`${set.size} ${set.bytes}`, before, `${life.context}: a refused seal changed something`);
      same(set.generations()[place]!.stamp, stamp, life.context);
    }
  }
  if (!dice.chance(0.1)) return;
  for (const place of set.generations().keys())
    for (const index of [...set.parts(place).keys()].toReversed()) {
      if (!dice.chance(0.3)) continue;
      set.blind(place, index);
      counts.blinds++;
    }
}

/** The parts of a generation that was just sealed, read by their description, hold every entry of it. */
function checkPart({ set, model, context }: Life, place: number, size: number): void {
  const [newest, ...others] = set.parts(place);
  const part = new PartModel(set.exportPart(place, 0));
  same(part.count, newest!.size, context);
  if (part.shards.length > 0) {
    const counts = part.shards.map((shard) => shard.count);
    same([part.count, counts.reduce((sum, count) => sum + count, 0)], [size, size], context);
  } else same(others[0]?.bytes === 0, false, `${context}: two blind parts side by side`);
  const older = others.map((_, i) => new PartModel(set.exportPart(place, i + 1)));
  const number = set.generations()[place]!.number;
  for (const entry of model.dump()) {
    const [id, ms] = entry.split("@");
    if (Math.floor(Number(ms) / set.generationMs) !== number) continue;
    const low = BigInt(id!);
    const isHeld = [part, ...older].some((one) => one.mayHold(low, low ^ 0x5555n));
    same(isHeld, true, `${context}: ${entry} is in no part`);
  }
}

function check({ set, model, kernel, counts, context }: Life): void {
  same(`${set.size} ${set.tentative}`, `${model.size} ${model.tentative}`, context);
  const { bytes, limitBytes } = kernel.identityBudget;
  counts.mostBytes = Math.max(counts.mostBytes, bytes);
  if (bytes > limitBytes) throw new Error(`${context}: ${bytes} bytes are beyond the budget`);
}

/** Tables, and parts with their filters: what a state image has. */
function imageOf(set: IdentitySet): { number: number; entries: Uint8Array; parts: Uint8Array[] }[] {
  return set.generations().map(({ number }, place) => ({
    number,
    entries: set.exportGeneration(place),
    parts: set.parts(place).map((_, index) => set.exportPart(place, index)),
  }));
}

function restore(life: Life): void {
  keep(life);
  try {
    restoreAll(life);
  } catch (error) {
    if (!hasCode(error, "kernel.memory")) throw error;
    // half of it is there: as after a failed start, everything begins anew
    life.counts.outOfMemory++;
    life.set.clear();
    life.model.clear();
    life.lake.clear();
  }
}

function restoreAll(life: Life): void {
  const { kernel, horizonMs, generationMs, context, dice } = life;
  const image = imageOf(life.set);
  const size = life.set.size;
  life.set.destroy();
  life.set = kernel.createIdentitySet({ horizonMs, generationMs });
  for (const { number, entries, parts } of dice.chance(0.5) ? image : image.toReversed()) {
    for (const part of parts.toReversed()) {
      same(life.set.importPart(number, part), true, context);
      if (dice.chance(0.5)) {
        const damaged = part.slice(0, part.length - 1 - dice.roll(part.length));
        same(life.set.importPart(number, damaged), false, `${context}: a damaged part was taken`);
      }
    }
    same(life.set.importGeneration(number, entries), true, context);
  }
  same(life.set.size, size, context);
  if (!kernel.identityBudget.isLimited) {
    const again = imageOf(life.set);
    const plain = (one: typeof image): unknown =>
      one.map(({ number, entries, parts }) => ({
        number,
        entries: entries.length,
        parts: parts.map((part) => Buffer.from(part).toString("base64")),
      }));
    const order = (one: typeof image): typeof image => one.toSorted((a, b) => a.number - b.number);
    same(plain(order(again)), plain(order(image)), `${context}: an image of an image`);
  }
  life.counts.restores++;
}

/** Every known entry at both edges of the horizon and one ms beyond: looked up, not added. */
function probeEdges(life: Life): void {
  const { set, model, horizonMs, dice, context } = life;
  keep(life);
  const entries = model.dump().filter(() => dice.chance(0.3));
  const offsets = [0, horizonMs, -horizonMs, horizonMs + 1, -horizonMs - 1];
  const probes = entries.flatMap((entry) => {
    const [id, ms] = entry.split("@");
    return offsets.map((offset) => ({ number: BigInt(id!), ms: Number(ms) + offset }));
  });
  const numbers = probes.map(({ number }) => number);
  const ingestMs = Float64Array.from(probes, ({ ms }) => ms);
  const verdicts = new Uint8Array(probes.length).fill(1);
  let answers: Uint8Array;
  try {
    answers = admitSettled(life, set, numbers, ingestMs, verdicts);
  } catch (error) {
    if (!hasCode(error, "kernel.memory")) throw error;
    life.counts.outOfMemory++;
    return;
  }
  const wanted = probes.map(({ number, ms }) => model.admit(number, ms, 1));
  same(answers.join(""), wanted.join(""), `${context}: edges`);
}
