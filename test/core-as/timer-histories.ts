/** Lives of keyed timers next to their model, and next to a second instance that gets the same events otherwise. */
import { hasCode } from "../../core/errors.ts";
import type { Kernel } from "../../core/kernel.ts";
import type { KeyedTimers, TimerEvents, TimerOptions, TimerRows } from "../../core/kernel-timers.ts";
import type { Dice } from "./documents.ts";
import { same } from "./support.ts";
import { TimerModel, type ModelEvent, type ModelRow } from "./timer-model.ts";

const KINDS = ["open", "part", "complete", "cancel"] as const;
const ROWS = ["", "completed", "breached", "resolved", "unopened"];
const WAYS = ["", "parts", "complete", "cancel"];
const LOWEST = -(2n ** 63n);
const HIGHEST = 2n ** 63n - 1n;
/** What timers take beside what they count for. */
const FIXED_BYTES = 8544 + 80 + 592 + 80 + 336;

export interface TimerCounts {
  histories: number;
  events: number;
  completed: number;
  breached: number;
  resolved: number;
  unopened: number;
  images: number;
  imagesWhileDraining: number;
  refusals: number;
}

export function noTimerCounts(): TimerCounts {
  return {
    histories: 0,
    events: 0,
    completed: 0,
    breached: 0,
    resolved: 0,
    unopened: 0,
    images: 0,
    imagesWhileDraining: 0,
    refusals: 0,
  };
}

export function eventColumns(events: readonly ModelEvent[]): TimerEvents {
  return {
    count: events.length,
    kinds: Uint8Array.from(events, (event) => KINDS.indexOf(event.kind)),
    rules: Uint32Array.from(events, (event) => event.rule),
    identities: BigUint64Array.from(events.flatMap((event) => event.key)),
    timesUs: BigInt64Array.from(events, (event) => event.timeUs),
    deadlinesUs: BigInt64Array.from(events, (event) => event.deadlineUs),
    parts: BigUint64Array.from(events, (event) => event.parts),
    needs: Uint32Array.from(events, (event) => event.need),
  };
}

export function rowsOf(rows: TimerRows): readonly ModelRow[] {
  return Array.from({ length: rows.count }, (_, i) => ({
    kind: ROWS[rows.kinds[i]!] as ModelRow["kind"],
    way: WAYS[rows.ways[i]!] as ModelRow["way"],
    rule: rows.rules[i]!,
    key: [rows.identities[i * 2]!, rows.identities[i * 2 + 1]!] as const,
    deadlineUs: rows.deadlinesUs[i]!,
    timeUs: rows.timesUs[i]!,
    parts: rows.parts[i]!,
  }));
}

/** Rows as text, in one order of their fields: quick to compare, and legible where they differ. */
function tell(rows: readonly ModelRow[]): readonly string[] {
  return rows.map(
    ({ kind, way, rule, key, deadlineUs, timeUs, parts }) =>
      `${kind} ${way} ${rule} ${key.join(":")} d${deadlineUs} t${timeUs} p${parts.toString(16)}`,
  );
}

function clamp(timeUs: bigint): bigint {
  return timeUs < LOWEST ? LOWEST : timeUs > HIGHEST ? HIGHEST : timeUs;
}

/** Fills the kernel's memory but for so many timers without events. */
export function leaveRoom(kernel: Kernel, left: number): void {
  const weights: KeyedTimers[] = [];
  try {
    for (;;) weights.push(kernel.createKeyedTimers());
  } catch (error) {
    if (!hasCode(error, "kernel.memory")) throw error;
  }
  for (const weight of weights.slice(-left)) weight.destroy();
}

class Story {
  readonly dice: Dice;
  readonly scaleUs: bigint;
  readonly keys: number;
  readonly hasWords: boolean;
  nowUs: bigint;

  constructor(dice: Dice) {
    this.dice = dice;
    this.scaleUs = dice.pick([8n, 1000n, 3_600_000_000n]);
    this.keys = dice.pick([2, 6, 30, 200]);
    this.hasWords = dice.chance(0.3);
    this.nowUs = dice.chance(0.04)
      ? dice.pick([LOWEST, HIGHEST - this.scaleUs * 40n])
      : dice.pick([0n, -3n, -(10n ** 15n), 1_767_225_600_000_000n]);
  }

  roll(below: bigint): bigint {
    return below <= 0n ? 0n : BigInt(Math.floor(this.dice.roll(2 ** 30) * (Number(below) / 2 ** 30)));
  }

  time(): bigint {
    const { dice } = this;
    const near = this.nowUs + this.roll(this.scaleUs * 2n) - this.scaleUs;
    if (dice.chance(0.9)) return clamp(near);
    if (dice.chance(0.1)) return dice.pick([LOWEST, HIGHEST, HIGHEST - 1n]);
    return clamp(this.nowUs + this.roll(this.scaleUs * 5000n) - this.scaleUs * 10n);
  }

  key(): readonly [bigint, bigint] {
    const { dice } = this;
    const number = dice.chance(0.3) ? dice.roll(2) : dice.roll(this.keys);
    if (!this.hasWords)
      return [(BigInt(number) * 0x9e37_79b9_7f4a_7c15n) & 0xffff_ffff_ffff_ffffn, BigInt(number)];
    return [BigInt(number % 2), BigInt(number)]; // equal first words
  }

  event(): ModelEvent {
    const { dice } = this;
    const kind = dice.pick(["open", "open", "part", "part", "part", "complete", "cancel"] as const);
    const bit = (): bigint => 1n << BigInt(dice.chance(0.8) ? dice.roll(4) : dice.roll(64));
    const several = (): bigint =>
      dice.chance(0.2) ? (2n ** 64n - 1n) >> BigInt(dice.roll(64)) : bit() | bit() | bit();
    const timeUs = this.time();
    const ahead = dice.chance(0.1) ? -this.roll(this.scaleUs) : this.roll(this.scaleUs * 3n);
    return {
      kind,
      rule: dice.pick([0, 0, 1, 2 ** 32 - 1]),
      key: this.key(),
      timeUs: dice.chance(0.5) ? timeUs : timeUs - (timeUs % 4n),
      deadlineUs: kind === "open" ? clamp(timeUs + ahead) : 0n,
      parts: kind === "open" ? several() : kind === "part" ? (dice.chance(0.8) ? bit() : several()) : 0n,
      need: kind === "open" ? dice.pick([0, 1, 1, 2, 3, dice.roll(70)]) : 0,
    };
  }

  watermark(): bigint {
    const step = this.dice.pick([0n, 1n, this.roll(this.scaleUs), this.roll(this.scaleUs * 3n)]);
    const jump = this.dice.chance(0.1) ? this.roll(this.scaleUs * 10_000n) : 0n;
    this.nowUs = clamp(this.nowUs + step + jump);
    return clamp(this.nowUs - (this.dice.chance(0.1) ? this.scaleUs : 0n));
  }
}

function shuffled<T>(items: readonly T[], dice: Dice): readonly T[] {
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = dice.roll(i + 1);
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}

/** One life. @param mayFail the kernel's memory is limited: calls may fail, and then nothing has changed */
export class TimerLife {
  readonly #kernel: Kernel;
  readonly #dice: Dice;
  readonly #mayFail: boolean;
  readonly #counts: TimerCounts;
  readonly #story: Story;
  readonly #options: TimerOptions;
  readonly #maxBytes: number;
  readonly #model: TimerModel;
  #timers: KeyedTimers;
  /** The same, never restored, which gets the events of one watermark in another order and other batches. */
  readonly #twin: KeyedTimers | undefined;
  #forTwin: ModelEvent[] = [];
  #context: string;

  constructor(kernel: Kernel, dice: Dice, context: string, mayFail: boolean, counts: TimerCounts) {
    this.#kernel = kernel;
    this.#dice = dice;
    this.#mayFail = mayFail;
    this.#counts = counts;
    this.#context = context;
    this.#story = new Story(dice);
    this.#maxBytes = mayFail || dice.chance(0.8) ? 4 << 20 : 16_384 + dice.roll(8000);
    const retentionUs = dice.pick([0n, 3n, this.#story.scaleUs, this.#story.scaleUs * 20n]);
    const tickUs = 2 ** dice.pick([0, 2, 10, 20]);
    this.#options = { retentionUs, tickUs, maxBytes: this.#maxBytes };
    this.#model = new TimerModel(retentionUs);
    this.#timers = kernel.createKeyedTimers(this.#options);
    this.#twin = mayFail ? undefined : kernel.createKeyedTimers({ ...this.#options, maxBytes: 8 << 20 });
  }

  live(): void {
    this.#counts.histories++;
    for (let step = 0; step < 16; step++) {
      const action = this.#dice.roll(10);
      if (action < 5) this.#update();
      else if (action < 9) this.#advance(this.#story.watermark());
      else this.#restore(false);
      if (this.#timers.isDraining) break; // there is no memory for its rows
      same(this.#timers.size, this.#model.size, `${this.#context}, step ${step}`);
      if (!this.#mayFail && this.#timers.bytes > this.#maxBytes)
        throw new Error(`${this.#context}: ${this.#timers.bytes} bytes, at most ${this.#maxBytes}`);
    }
    if (!this.#timers.isDraining) this.#advance(HIGHEST);
    this.#timers.destroy();
    this.#twin?.destroy();
  }

  /** @returns undefined when the kernel had no memory, and that may be */
  #attempt<T>(action: () => T): T | undefined {
    try {
      return action();
    } catch (error) {
      if (!this.#mayFail || !hasCode(error, "kernel.memory") || error.message.includes("budget")) throw error;
      this.#counts.refusals++;
      return undefined;
    }
  }

  #manages(action: () => void): boolean {
    return (
      this.#attempt(() => {
        action();
        return true;
      }) === true
    );
  }

  #update(): void {
    const count = this.#dice.pick([0, 1, 4, 20, this.#dice.chance(0.05) ? 400 : 40]);
    const events = Array.from({ length: count }, () => this.#story.event());
    const cost = this.#model.costAfter(events);
    const isTooMuch = cost > this.#maxBytes - FIXED_BYTES;
    try {
      if (!this.#manages(() => this.#timers.update(eventColumns(events)))) return;
      if (isTooMuch) throw new Error(`${this.#context}: a batch over the budget was taken`);
    } catch (error) {
      if (!isTooMuch || !hasCode(error, "kernel.memory")) throw error;
      this.#counts.refusals++;
      return;
    }
    this.#counts.events += count;
    this.#model.update(events);
    this.#forTwin.push(...events);
  }

  #advance(watermarkUs: bigint): void {
    if (!this.#manages(() => this.#timers.advance(watermarkUs))) return;
    const wanted = tell(this.#model.advance(watermarkUs));
    const rows: string[] = [];
    while (this.#timers.isDraining) {
      const most = this.#dice.pick([1, 3, 10, 1000]);
      const got = this.#attempt(() => this.#timers.take(most));
      if (got === undefined) break;
      rows.push(...tell(rowsOf(got)));
      if (this.#timers.isDraining && this.#dice.chance(0.05)) this.#restore(true);
    }
    same(rows, this.#timers.isDraining ? wanted.slice(0, rows.length) : wanted, this.#context);
    for (const row of wanted) {
      const kind = row.slice(0, row.indexOf(" ")) as ModelRow["kind"];
      this.#counts[kind]++;
    }
    this.#advanceTwin(watermarkUs, wanted);
  }

  #advanceTwin(watermarkUs: bigint, wanted: readonly string[]): void {
    const twin = this.#twin;
    if (!twin) return;
    const events = shuffled(this.#forTwin, this.#dice);
    this.#forTwin = [];
    for (let from = 0; from < events.length;) {
      const count = 1 + this.#dice.roll(60);
      twin.update(eventColumns(events.slice(from, from + count)));
      from += count;
    }
    twin.advance(watermarkUs);
    const rows: string[] = [];
    while (twin.isDraining) rows.push(...tell(rowsOf(twin.take(64))));
    same(rows, wanted, `${this.#context}, in another order`);
    if (this.#dice.chance(0.3) && Buffer.compare(twin.snapshot(), this.#timers.snapshot()) !== 0)
      throw new Error(`${this.#context}: the image depends on the order of events`);
  }

  #restore(isDraining: boolean): void {
    const image = this.#attempt(() => this.#timers.snapshot());
    if (image === undefined) return;
    const copy = this.#attempt(() => {
      const fresh = this.#kernel.createKeyedTimers(this.#options);
      try {
        fresh.restore(image);
        if (Buffer.compare(fresh.snapshot(), image) !== 0) throw new Error(`${this.#context}: another image`);
        return fresh;
      } catch (error) {
        fresh.destroy();
        throw error;
      }
    });
    if (copy === undefined) return;
    this.#counts.images++;
    if (isDraining) this.#counts.imagesWhileDraining++;
    const keepsCopy = this.#dice.chance(0.7);
    (keepsCopy ? this.#timers : copy).destroy();
    if (keepsCopy) this.#timers = copy;
  }
}
