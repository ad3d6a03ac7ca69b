/**
 * What the changes of a batch make of rows, before anything is written: of each key the last change counts. A column
 * that a change has left alone has the value of the change before it, in the batch or in the target; after a change of
 * the key, that of the row under its old key. Changes that come out of order are put in order by shard first.
 *
 * The surprising rule: the row that a delete at the end of a batch removes may be wanted by the create that follows in
 * the next one. It is carried over.
 */
import type { SinkRow } from "../../core/ports/sink.ts";
import { KEY, SHARD, type TargetPlan, VERSION } from "./sink-columns.ts";

/** undefined: as it is in the target. */
export type Cell = string | null | undefined;

export interface Version {
  readonly incarnation: bigint;
  readonly lsn: bigint;
  readonly index: bigint;
}

export interface Change extends Version {
  readonly shard: string;
  readonly kind: string;
  readonly unchanged: readonly string[];
  readonly row: SinkRow;
}

/** A row that goes, as the next batch may want it; texts by column. */
export interface Carried {
  readonly lsn: string;
  readonly index: string;
  readonly row: Readonly<Record<string, string | null>>;
}

/** What became of a key. */
export interface Entry {
  readonly change: Change;
  /** Texts of the key's columns. */
  readonly key: readonly string[];
  readonly isDelete: boolean;
  /** Places of columns that the change has left alone. */
  readonly kept: ReadonlySet<number>;
  readonly previous: Entry | undefined;
  /** What the target or the last batch has of it, where that was looked up. */
  found?: Readonly<Record<string, string | null>> | undefined;
}

export interface Folded {
  readonly upserts: readonly Entry[];
  readonly deletes: readonly Entry[];
  /** By shard: everything older is gone. */
  readonly truncates: ReadonlyMap<string, Version>;
  /** Deletes whose rows are wanted by what follows; to be looked up before anything is written. */
  readonly wanted: readonly Entry[];
  /** By shard: the delete that its changes end with. */
  readonly last: ReadonlyMap<string, Entry>;
  /** Shards that have changes. */
  readonly shards: ReadonlySet<string>;
}

const NONE: ReadonlySet<number> = new Set();
const NOTHING: readonly string[] = [];

/** A row that can never be taken. */
export class RefusedRow extends Error {}

/** @throws RefusedRow */
export function foldChanges(
  plan: TargetPlan,
  rows: readonly SinkRow[],
  carried: Readonly<Record<string, Carried>>,
): Folded {
  return new Fold(plan, carried).run(inOrder(rows.map(changeOf)));
}

class Fold {
  readonly #plan: TargetPlan;
  readonly #carried: Readonly<Record<string, Carried>>;
  readonly #keyPlaces: readonly number[];
  readonly #entries = new Map<string, Entry>();
  readonly #truncates = new Map<string, Version>();
  readonly #wanted = new Set<Entry>();
  /** By shard: the delete that came last, where nothing came after it. */
  readonly #last = new Map<string, Entry>();

  constructor(plan: TargetPlan, carried: Readonly<Record<string, Carried>>) {
    this.#plan = plan;
    this.#carried = carried;
    this.#keyPlaces = plan.key.map((name) => plan.columns.findIndex((column) => column.name === name));
  }

  run(changes: readonly Change[]): Folded {
    for (const change of changes)
      if (change.kind === "truncate") this.#truncate(change);
      else this.#note(change);
    const all = [...this.#entries.values()];
    return {
      upserts: all.filter(({ isDelete }) => !isDelete),
      deletes: all.filter(({ isDelete }) => isDelete),
      truncates: this.#truncates,
      wanted: [...this.#wanted, ...this.#last.values()],
      last: this.#last,
      shards: new Set(changes.map(({ shard }) => shard)),
    };
  }

  #truncate(change: Change): void {
    for (const [id, entry] of this.#entries)
      if (entry.change.shard === change.shard) this.#entries.delete(id);
    this.#truncates.set(change.shard, change);
    this.#last.delete(change.shard);
  }

  #note(change: Change): void {
    const key = this.#keyOf(change);
    const id = key.length === 1 ? key[0]! : JSON.stringify(key);
    const before = this.#entries.get(id);
    const isDelete = change.kind === "delete";
    const kept = change.unchanged.length === 0 ? NONE : this.#placesOf(change.unchanged);
    const needsBefore = isDelete || kept.size > 0;
    const entry: Entry = {
      change,
      key,
      isDelete,
      kept,
      previous: needsBefore ? this.#before(change, before, kept.size > 0) : undefined,
    };
    // The row is another shard's by now: keys are the same on all of them.
    if (!(isDelete && before && !before.isDelete && before.change.shard !== change.shard))
      this.#entries.set(id, entry);
    if (isDelete) this.#last.set(change.shard, entry);
    else this.#last.delete(change.shard);
  }

  /** Where the columns that were left alone have their values from. */
  #before(change: Change, before: Entry | undefined, isWanted: boolean): Entry | undefined {
    if (!isWanted || change.kind !== "create") return before;
    const old = this.#last.get(change.shard);
    if (old?.change.lsn === change.lsn) {
      this.#wanted.add(old);
      return old;
    }
    const carried = this.#carried[change.shard];
    if (carried?.lsn !== String(change.lsn)) return before;
    return { change, key: [], isDelete: true, kept: NONE, previous: undefined, found: carried.row };
  }

  #placesOf(names: readonly string[]): ReadonlySet<number> {
    const { columns } = this.#plan;
    const places = names.map((name) => columns.findIndex((column) => column.name === name));
    return new Set(places.filter((place) => place >= 0));
  }

  #keyOf(change: Change): readonly string[] {
    const { row, kind, shard } = change;
    return this.#keyPlaces.map((place, i) => {
      const name = this.#plan.key[i]!;
      if (name === SHARD) return shard;
      if (name === KEY) {
        if (row.key !== null) return row.key;
        if (kind === "create" || kind === "copy") return String(row.values["event_id"]);
        throw new RefusedRow(`a ${kind} of a row without a key`);
      }
      const text = this.#plan.columns[place]!.text(row.values);
      if (text === null) throw new RefusedRow(`the key's column "${name}" is null in a ${kind}`);
      return text;
    });
  }
}

/** What a row's column becomes. */
export function cellOf(plan: TargetPlan, entry: Entry, place: number): Cell {
  const { name, text, from } = plan.columns[place]!;
  const { change, key } = entry;
  if (from !== null) {
    if (!entry.kept.has(place)) return text(change.row.values);
    return entry.previous && valueBefore(plan, entry.previous, place);
  }
  if (name === SHARD) return change.shard;
  if (name === KEY) return key[0]!;
  const { incarnation, lsn, index } = change;
  return String([incarnation, lsn, index][VERSION.indexOf(name as (typeof VERSION)[number])]);
}

function valueBefore(plan: TargetPlan, entry: Entry, place: number): Cell {
  const { name } = plan.columns[place]!;
  if (!entry.isDelete) return cellOf(plan, entry, place);
  const inBatch = entry.previous && valueBefore(plan, entry.previous, place);
  return inBatch === undefined ? entry.found?.[name] : inBatch;
}

/** The row that a delete removes, as the next batch may want it. */
export function carriedOf(plan: TargetPlan, entry: Entry): Carried {
  const row: Record<string, string | null> = {};
  plan.columns.forEach(({ name, from }, place) => {
    if (from !== null) row[name] = valueBefore(plan, entry, place) ?? null;
  });
  return { lsn: String(entry.change.lsn), index: String(entry.change.index), row };
}

/** @throws RefusedRow */
export function changeOf(row: SinkRow): Change {
  const source = row.values["source"] as Readonly<Record<string, unknown>> | null | undefined;
  if (!source) throw new RefusedRow("the row is no change: it has no source");
  const { shard, change, unchanged } = source as { shard?: string; change?: string; unchanged?: string[] };
  const [incarnation, lsn, index] = ["incarnation", "lsn", "index"].map((name) => source[name]);
  if (typeof shard !== "string" || typeof change !== "string" || lsn === null || lsn === undefined)
    throw new RefusedRow("the row's source does not say which change it is");
  return {
    shard,
    kind: change,
    incarnation: BigInt((incarnation ?? 0) as number | string),
    lsn: BigInt(lsn as number | string),
    index: BigInt((index ?? 0) as number | string),
    unchanged: unchanged ?? NOTHING,
    row,
  };
}

/** Negative where the first is older. */
export function compareVersions(a: Version, b: Version): number {
  if (a.incarnation !== b.incarnation) return a.incarnation < b.incarnation ? -1 : 1;
  if (a.lsn !== b.lsn) return a.lsn < b.lsn ? -1 : 1;
  return a.index < b.index ? -1 : Number(a.index > b.index);
}

/** Those of every shard in order, at the places that its changes have: what is between shards stays so. */
function inOrder(changes: readonly Change[]): readonly Change[] {
  const newest = new Map<string, Change>();
  const isInOrder = changes.every((change) => {
    const before = newest.get(change.shard);
    newest.set(change.shard, change);
    return !before || compareVersions(change, before) >= 0;
  });
  if (isInOrder) return changes;
  const byShard = Map.groupBy(changes, ({ shard }) => shard);
  const queues = new Map(
    [...byShard].map(([shard, own]) => [shard, own.toSorted(compareVersions).values()] as const),
  );
  return changes.map(({ shard }) => queues.get(shard)!.next().value!);
}
