/**
 * A plain model of PostgreSQL for copies: transactions that are in the log before others see them, snapshots, locks of
 * rows; and of a reader that puts rows together from records. Nothing of it knows how copies are made.
 */
import assert from "node:assert/strict";
import { changeId, type ChangeKind, type ChangePlace, changePlace } from "../../../core/change.ts";
import { chunkPlace } from "../../../core/copy-place.ts";
import type { Randomness } from "../../../core/clock.ts";
import type { CopyChunk, CopyView, SourceCopy } from "../../../core/ports/source-copy.ts";
import { keyOf, packRecords, payloadOf, type RecordBatch } from "../../../core/record.ts";

export const STREAM = "shop.items";
export const INCARNATION = 7;

/** `big` is what the source does not send where it was left alone. */
export interface Row {
  readonly small: number;
  readonly big: number;
}
interface Change {
  readonly kind: ChangeKind;
  readonly key: number;
  readonly row: Row | null;
  readonly isPartial: boolean;
  readonly before?: number;
}
interface Transaction {
  readonly xid: bigint;
  readonly changes: Change[];
  readonly locks: Set<number>;
}
export interface Logged {
  readonly xid: bigint;
  readonly lsn: bigint;
  readonly end: bigint;
  readonly changes: readonly Change[];
}

export class ModelSource {
  readonly random: Randomness;
  readonly keys: number;
  /** Of each key its rows, in the order of commits. */
  readonly versions = new Map<number, { xid: bigint; lsn: bigint; row: Row | null }[]>();
  readonly log: Logged[] = [];
  readonly open: Transaction[] = [];
  /** In the log, and still under way for all others. */
  readonly leaving: Transaction[] = [];
  #locks = new Set<number>();
  #nextXid: bigint;
  #completed: bigint;
  #value = 0;
  end = 4_096n;

  /** @param firstXid so that ids of 32 bits begin again */
  constructor(random: Randomness, keys: number, firstXid = 3n * 2n ** 32n - 40n) {
    this.random = random;
    this.keys = keys;
    this.#nextXid = firstXid;
    this.#completed = firstXid - 1n;
  }

  chance(part: number): boolean {
    return this.random.fraction() < part;
  }

  below(count: number): number {
    return Math.floor(this.random.fraction() * count);
  }

  /** Something happens. */
  step(): void {
    const what = this.random.fraction();
    if (what < 0.15 && this.open.length < 4)
      this.open.push({ xid: this.#nextXid++, changes: [], locks: new Set() });
    else if (what < 0.6) this.#change();
    else if (what < 0.75) this.#commit();
    else if (what < 0.97) this.#leave();
    else this.end += BigInt(8 * this.below(8));
  }

  settle(): void {
    while (this.open.length > 0) this.#commit();
    while (this.leaving.length > 0) this.#leave();
    this.end += 64n;
  }

  view(): CopyView {
    const xmax = this.#completed + 1n;
    const all = [...this.open, ...this.leaving].map(({ xid }) => xid);
    const running = all.filter((xid) => xid < xmax);
    const xmin = running.reduce((low, xid) => (xid < low ? xid : low), xmax);
    return { snapshot: { xmin, xmax, running: new Set(running) }, highLsn: this.end };
  }

  /** Ids of 32 bits of all that others do not see yet. */
  running(): number[] {
    return [...this.open, ...this.leaving].map(({ xid }) => Number(xid & 0xffff_ffffn));
  }

  /** As a snapshot sees them; without one as they are for the newest one. */
  rows({ snapshot }: CopyView): Map<number, Row> {
    const rows = new Map<number, Row>();
    for (const [key, versions] of this.versions) {
      const seen = versions.findLast(
        ({ xid }) => xid < snapshot.xmin || (xid < snapshot.xmax && !snapshot.running.has(xid)),
      );
      if (seen?.row) rows.set(key, seen.row);
    }
    return new Map([...rows].toSorted(([a], [b]) => a - b));
  }

  /** What it was by all that was committed before this place of the log. */
  rowAsOf(key: number, lsn: bigint): Row | null {
    return this.versions.get(key)?.findLast((version) => version.lsn < lsn)?.row ?? null;
  }

  #change(): void {
    const transaction = this.open[this.below(this.open.length)];
    const key = this.below(this.keys);
    if (!transaction || !this.#lock(transaction, key)) return;
    const now = this.#rowFor(transaction, key);
    const value = ++this.#value;
    const { changes } = transaction;
    if (!now) return void changes.push(change("create", key, { small: value, big: value }));
    const what = this.random.fraction();
    if (what < 0.25) return void changes.push(change("delete", key, null));
    if (what < 0.5) return void changes.push(change("update", key, { small: value, big: value }));
    const partial = { small: value, big: now.big };
    if (what < 0.85) return void changes.push({ ...change("update", key, partial), isPartial: true });
    const other = this.below(this.keys);
    if (!this.#lock(transaction, other) || this.#rowFor(transaction, other)) return;
    changes.push(change("delete", key, null));
    changes.push({ ...change("create", other, partial), isPartial: true, before: key });
  }

  #lock({ locks }: Transaction, key: number): boolean {
    if (this.#locks.has(key) && !locks.has(key)) return false;
    this.#locks.add(key);
    locks.add(key);
    return true;
  }

  #rowFor({ changes }: Transaction, key: number): Row | null {
    const own = changes.findLast((one) => one.key === key);
    return own ? own.row : (this.versions.get(key)?.at(-1)?.row ?? null);
  }

  #commit(): void {
    const transaction = take(this.open, this.below(this.open.length));
    if (!transaction) return;
    const { xid, changes } = transaction;
    const lsn = this.end;
    this.end += BigInt(40 + 8 * this.below(4));
    if (changes.length > 0 && this.chance(0.95)) {
      this.log.push({ xid, lsn, end: this.end, changes });
      // Others wait for its locks, so rows of a key are in the order of the log.
      for (const { key, row } of changes) {
        const versions = this.versions.get(key) ?? [];
        versions.push({ xid, lsn, row });
        this.versions.set(key, versions);
      }
    }
    this.leaving.push(transaction);
  }

  #leave(): void {
    const transaction = take(this.leaving, this.below(this.leaving.length));
    if (!transaction) return;
    for (const key of transaction.locks) this.#locks.delete(key);
    if (transaction.xid > this.#completed) this.#completed = transaction.xid;
  }
}

function change(kind: ChangeKind, key: number, row: Row | null): Change {
  return { kind, key, row, isPartial: false };
}

function take<Item>(from: Item[], at: number): Item | undefined {
  return from.splice(at, 1)[0];
}

/** The records of changes [from, to) of a transaction. */
export function recordsOf({ xid, lsn, changes }: Logged, from: number, to: number): RecordBatch {
  return packRecords(
    changes.slice(from, to).map(({ kind, key, row, isPartial, before }, i) => ({
      payload: payload({ incarnation: INCARNATION, lsn, index: (from + i) * 2 }, kind, {
        xid: Number(xid & 0xffff_ffffn),
        ...(isPartial ? { unchanged: ["big"] } : {}),
        data: row ? { id: key, small: row.small, ...(isPartial ? {} : { big: row.big }) } : { id: key },
        ...(before === undefined ? {} : { before: { id: before } }),
      }),
      key: JSON.stringify(["eu", key]),
    })),
  );
}

interface Told {
  readonly xid: number;
  readonly unchanged?: readonly string[];
  readonly before?: object;
  readonly data: object;
}

function payload(place: ChangePlace, kind: ChangeKind, { xid, unchanged, before, data }: Told): Uint8Array {
  const { incarnation, lsn, index } = place;
  const source = {
    shard: `"xid":3,"change":"delete"`,
    incarnation,
    lsn: Number(lsn),
    index,
    xid,
    change: kind,
  };
  return Buffer.from(
    JSON.stringify({
      metadata: { eid: changeId(place), occurred_at: "2026-11-22T13:45:00.123456Z" },
      data_op: "U",
      data_type: `public."xid":1`,
      source: { ...source, ...(unchanged ? { unchanged } : {}) },
      ...(before ? { before } : {}),
      data,
    }),
  );
}

export interface ModelBugs {
  /** The place is taken before the snapshot. */
  readonly isPlaceEarly?: boolean;
}

/** Chunks of a model. `pause` lets other things happen; it may throw as a session that breaks. */
export function modelCopy(source: ModelSource, pause: () => Promise<void>, bugs: ModelBugs = {}): SourceCopy {
  return {
    inSnapshot: () => assert.fail("not asked for"),
    inChunks: async () => ({
      look: async () => {
        const running = source.running();
        await pause();
        return { ...source.view(), running };
      },
      chunk: async (_table, { after: key, again, rows, number }, watch) => {
        await pause();
        watch.taking();
        await pause();
        const early = source.view();
        for (let i = 0; bugs.isPlaceEarly && i < 20; i++) await pause();
        const view = bugs.isPlaceEarly ? { ...source.view(), highLsn: early.highLsn } : early;
        await pause();
        watch.taken(view);
        await pause();
        const after = key === null ? -Infinity : Number(key[0]);
        const asked = again && new Set(again.map((one) => (JSON.parse(one) as [string, number])[1]));
        const found = [...source.rows(view)]
          .filter(([id]) => (asked ? asked.has(id) : id > after))
          .slice(0, rows);
        const last = found.at(-1);
        return {
          ...view,
          stream: STREAM,
          partition: 0,
          records: packRecords(
            found.map(([id, { small, big }], i) => ({
              payload: payload(
                chunkPlace({ incarnation: INCARNATION, at: view.highLsn, number: number + i }),
                "copy",
                {
                  xid: 0,
                  data: { id, small, big },
                },
              ),
              key: JSON.stringify(["eu", id]),
            })),
          ),
          to: last ? [String(last[0])] : key,
          isLast: found.length < rows,
        } satisfies CopyChunk;
      },
      emptied: async () => null,
      nudge: async () => {
        source.end += 40n;
      },
      close: async () => undefined,
    }),
  };
}

interface Told2 {
  readonly metadata: { readonly eid: string };
  readonly source: { readonly change: ChangeKind };
  readonly before?: { readonly id: number };
  readonly data: { readonly id: number; readonly small?: number; readonly big?: number };
}

/** Puts rows together from records as they are appended: the first of an id counts, as landing has it. */
export class ModelReader {
  readonly rows = new Map<number, { small?: number; big?: number }>();
  readonly #source: ModelSource;
  readonly #ids = new Set<string>();
  #last = -1n;
  copied = 0;

  constructor(source: ModelSource) {
    this.#source = source;
  }

  append(records: RecordBatch): void {
    for (let i = 0; i < records.count; i++) {
      const event = JSON.parse(Buffer.from(payloadOf(records, i)!).toString()) as Told2;
      const { eid } = event.metadata;
      if (this.#ids.has(eid)) continue;
      this.#ids.add(eid);
      assert.equal(Buffer.from(keyOf(records, i)!).toString(), JSON.stringify(["eu", event.data.id]));
      const { lsn, index } = changePlace(eid)!;
      const place = (lsn << 30n) | BigInt(index);
      assert(place > this.#last, `${event.source.change} at ${lsn}.${index} stands behind what is newer`);
      this.#last = place;
      const { id, ...row } = event.data;
      if (event.source.change === "copy") assert.deepEqual(row, this.#source.rowAsOf(id, lsn));
      this.#apply(event);
    }
  }

  #apply({ source: { change: kind }, before, data: { id, ...row } }: Told2): void {
    if (kind === "copy") this.copied++;
    const base = kind === "update" ? this.rows.get(id) : before ? this.#moved.get(before.id) : undefined;
    if (kind === "delete") {
      const gone = this.rows.get(id);
      if (gone) this.#moved.set(id, gone);
      else this.#moved.delete(id);
      this.rows.delete(id);
    } else this.rows.set(id, { ...base, ...row });
  }

  /** Rows that went with the last delete of their keys: the key may have become another one. */
  readonly #moved = new Map<number, { small?: number; big?: number }>();
}
