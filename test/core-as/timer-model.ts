/**
 * What keyed timers must do, from the events themselves: every timer keeps the list of all that happened to it, and
 * each watermark looks through all timers anew. Nothing is folded, nothing is indexed.
 */

export type EventKind = "open" | "part" | "complete" | "cancel";

export interface ModelEvent {
  readonly kind: EventKind;
  readonly rule: number;
  readonly key: readonly [bigint, bigint];
  readonly timeUs: bigint;
  readonly deadlineUs: bigint;
  readonly parts: bigint;
  readonly need: number;
}

export interface ModelRow {
  readonly kind: "completed" | "breached" | "resolved" | "unopened";
  readonly way: "" | "parts" | "complete" | "cancel";
  readonly rule: number;
  readonly key: readonly [bigint, bigint];
  readonly deadlineUs: bigint;
  readonly timeUs: bigint;
  readonly parts: bigint;
}

interface Timer {
  readonly rule: number;
  readonly key: readonly [bigint, bigint];
  readonly events: ModelEvent[];
  opening: ModelEvent | undefined;
  /** Rows it has told. */
  readonly told: Set<ModelRow["kind"] | "cancelled">;
}

interface Completion {
  readonly timeUs: bigint;
  readonly way: ModelRow["way"];
}

const END_OF_TIME = 2n ** 63n - 1n;

export class TimerModel {
  readonly #retentionUs: bigint;
  readonly #timers = new Map<string, Timer>();
  watermarkUs = -(2n ** 63n);

  constructor(retentionUs: bigint) {
    this.#retentionUs = retentionUs;
  }

  get size(): number {
    return this.#timers.size;
  }

  /** What the timers would count for after these events, by the published rule. */
  costAfter(events: readonly ModelEvent[]): number {
    const parts = new Map<string, bigint>();
    for (const [name, timer] of this.#timers) parts.set(name, partsOf(timer.events));
    for (const event of events) {
      const name = nameOf(event);
      const had = parts.get(name) ?? 0n;
      const isSettled = this.#isSettled(this.#timers.get(name));
      parts.set(name, event.kind === "part" && !isSettled ? had | event.parts : had);
    }
    let cost = 0;
    for (const bits of parts.values()) {
      const count = bitsOf(bits).length;
      let room = 2;
      while (room < count) room *= 2;
      cost += 256 + (count <= 2 ? 0 : room * 8 + 80);
    }
    return cost;
  }

  update(events: readonly ModelEvent[]): void {
    for (const event of events) {
      const name = nameOf(event);
      const timer = this.#timers.get(name) ?? {
        rule: event.rule,
        key: event.key,
        events: [],
        opening: undefined,
        told: new Set(),
      };
      this.#timers.set(name, timer);
      if (this.#isSettled(timer)) continue;
      timer.events.push(event);
      if (!timer.told.has("breached")) timer.opening = openingOf(timer.events);
    }
  }

  /** All rows of one watermark. */
  advance(watermarkUs: bigint): readonly ModelRow[] {
    if (watermarkUs > this.watermarkUs) this.watermarkUs = watermarkUs;
    const complete: ModelRow[] = [];
    const due: { readonly dueUs: bigint; readonly row: ModelRow }[] = [];
    for (const [name, timer] of this.#timers) {
      const { opening, told, rule, key } = timer;
      const parts = partsOf(timer.events);
      if (!opening) {
        const timeUs = timer.events.map((event) => event.timeUs).reduce((a, b) => (a > b ? a : b));
        const dueUs = this.#later(timeUs);
        if (dueUs > this.watermarkUs) continue;
        due.push({ dueUs, row: { kind: "unopened", way: "", rule, key, deadlineUs: 0n, timeUs, parts } });
        this.#timers.delete(name);
        continue;
      }
      const { deadlineUs } = opening;
      const row = { rule, key, deadlineUs, parts };
      const completion = completionOf(timer.events, opening);
      if (!this.#isSettled(timer) && completion) {
        if (told.has("breached")) {
          complete.push({ ...row, kind: "resolved", ...completion });
          told.add("resolved");
        } else if (completion.timeUs < deadlineUs) {
          if (completion.way !== "cancel") complete.push({ ...row, kind: "completed", ...completion });
          told.add("completed");
        }
      }
      if (deadlineUs <= this.watermarkUs && !told.has("completed") && !told.has("breached")) {
        const inTime = partsOf(timer.events.filter((event) => event.timeUs < deadlineUs));
        const breach = { ...row, parts: inTime, kind: "breached", way: "", timeUs: deadlineUs } as const;
        due.push({ dueUs: deadlineUs, row: breach });
        told.add("breached");
        if (completion) {
          due.push({ dueUs: deadlineUs, row: { ...row, kind: "resolved", ...completion } });
          told.add("resolved");
        }
      }
      if (told.size > 0 && this.#later(deadlineUs) <= this.watermarkUs) this.#timers.delete(name);
    }
    complete.sort((a, b) => compare(a.deadlineUs, b.deadlineUs) || compareKeys(a, b));
    due.sort((a, b) => compare(a.dueUs, b.dueUs) || compareKeys(a.row, b.row));
    return [...complete, ...due.map(({ row }) => row)];
  }

  #isSettled(timer: Timer | undefined): boolean {
    return timer !== undefined && (timer.told.has("completed") || timer.told.has("resolved"));
  }

  #later(timeUs: bigint): bigint {
    const sum = timeUs + this.#retentionUs;
    return sum > END_OF_TIME ? END_OF_TIME : sum;
  }
}

function nameOf(event: ModelEvent): string {
  return `${event.rule} ${event.key.join(" ")}`;
}

function compare(a: bigint | number, b: bigint | number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function compareKeys(a: ModelRow, b: ModelRow): number {
  return compare(a.rule, b.rule) || compare(a.key[0], b.key[0]) || compare(a.key[1], b.key[1]);
}

function partsOf(events: readonly ModelEvent[]): bigint {
  return events.reduce((bits, event) => (event.kind === "part" ? bits | event.parts : bits), 0n);
}

function bitsOf(bits: bigint): readonly bigint[] {
  return Array.from({ length: 64 }, (_, i) => 1n << BigInt(i)).filter((bit) => (bits & bit) !== 0n);
}

/** The newest; at one time the greatest deadline, mask, need. */
function openingOf(events: readonly ModelEvent[]): ModelEvent | undefined {
  return events
    .filter((event) => event.kind === "open")
    .toSorted(
      (a, b) =>
        compare(a.timeUs, b.timeUs) ||
        compare(a.deadlineUs, b.deadlineUs) ||
        compare(a.parts, b.parts) ||
        compare(a.need, b.need),
    )
    .at(-1);
}

/** The first moment by event time at which what had happened until then is complete. */
function completionOf(events: readonly ModelEvent[], opening: ModelEvent): Completion | undefined {
  const inOrder = events.toSorted((a, b) => compare(a.timeUs, b.timeUs));
  for (const { timeUs } of inOrder) {
    const until = inOrder.filter((event) => event.timeUs <= timeUs);
    const got = bitsOf(partsOf(until) & opening.parts).length;
    if (opening.need > 0 && got >= opening.need) return { timeUs, way: "parts" };
    if (until.some((event) => event.kind === "complete")) return { timeUs, way: "complete" };
    if (until.some((event) => event.kind === "cancel")) return { timeUs, way: "cancel" };
  }
  return undefined;
}
