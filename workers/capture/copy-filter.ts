/**
 * Which rows of a chunk may be handed over (decision 039; the idea is the watermark of Andreakis and Papapanagiotou,
 * "DBLog", 2020, with PostgreSQL's snapshots in the place of marks in the log).
 *
 * A chunk tells what it has seen (`snapshot`) and where the log ended right after (`highLsn`). All that it has seen was
 * committed before that place. The stream has handed over everything before that place when a row is judged; what of
 * it the chunk has not seen is newer than the chunk: rows of those keys are left to the stream.
 *
 * Surprising rules:
 * - a transaction is in the log before others see it. It may have been handed over before a snapshot that does not see
 *   it; so what was noted is kept until some snapshot has seen it.
 * - the stream's change may lack columns that it left alone (TOAST). Such a row is read again, after the change; so is
 *   a row whose key became another one, for its former key may lie where nothing was copied yet.
 */
import { hasSeen, type TransactionSnapshot, widenXid } from "../../core/transaction-snapshot.ts";

/** Keys that are remembered; beyond them a transaction counts as one that changed every row. */
export const NOTED_KEYS_MAX = 500_000;

export interface NotedChange {
  readonly xid: number;
  readonly lsn: bigint;
  readonly isPartial: boolean;
  /** As the record's key; null: of every row. */
  readonly key: string | null;
}

interface NotedTransaction {
  readonly xid: number;
  readonly lsn: bigint;
  /** Whether the last change of the key was partial. null: every row was changed. */
  keys: Map<string, boolean> | null;
}

export interface ChunkView {
  readonly snapshot: TransactionSnapshot;
  readonly highLsn: bigint;
}

export interface Verdict {
  /** Nothing of the chunk: it is to be read again. */
  readonly isVoid: boolean;
  /** Keys that the stream has newer rows of. */
  readonly dropped: ReadonlySet<string>;
  /** Keys of which the stream has less than the whole row: to be read again. */
  readonly again: readonly string[];
}

const ALL_KEPT: Verdict = { isVoid: false, dropped: new Set(), again: [] };

/** Of one table. */
export class CopyFilter {
  readonly #keysMax: number;
  /** In the order of commits. */
  #noted: NotedTransaction[] = [];
  #keys = 0;

  constructor(keysMax: number = NOTED_KEYS_MAX) {
    this.#keysMax = keysMax;
  }

  /** Keys that are remembered now. */
  get size(): number {
    return this.#keys;
  }

  /** A change that was handed over; in the order of the stream. */
  note({ xid, lsn, isPartial, key }: NotedChange): void {
    let last = this.#noted.at(-1);
    if (last?.lsn !== lsn || last.xid !== xid) {
      last = { xid, lsn, keys: new Map() };
      this.#noted.push(last);
    }
    if (last.keys === null) return;
    if (key !== null && this.#keys < this.#keysMax) {
      if (!last.keys.has(key)) this.#keys++;
      // Partial once is partial: what was whole before it in the same transaction may have been no row at all.
      last.keys.set(key, isPartial || last.keys.get(key) === true);
      return;
    }
    this.#keys -= last.keys.size;
    last.keys = null;
  }

  /** Nobody will ask again with a snapshot that is older than this one. */
  forget(snapshot: TransactionSnapshot): void {
    this.#noted = this.#noted.filter(({ xid, keys }) => {
      const isKept = !hasSeen(snapshot, widenXid(xid, snapshot.xmax));
      if (!isKept) this.#keys -= keys?.size ?? 0;
      return isKept;
    });
  }

  /** Transactions that were noted and that the snapshot has not seen. */
  unseen({ snapshot, highLsn }: ChunkView): number {
    return this.#unseen({ snapshot, highLsn }).length;
  }

  /** Once the stream has told everything before the chunk's end of the log. */
  judge(view: ChunkView, keys: Iterable<string>): Verdict {
    const unseen = this.#unseen(view);
    if (unseen.length === 0) return ALL_KEPT;
    if (unseen.some((noted) => noted.keys === null)) return { ...ALL_KEPT, isVoid: true };
    const dropped = new Set<string>();
    for (const key of keys) if (unseen.some((noted) => noted.keys!.has(key))) dropped.add(key);
    // Also keys that the chunk does not have: they came to be where it would have them, from rows that are not here.
    const again = new Set<string>();
    for (const noted of unseen) for (const [key, isPartial] of noted.keys!) if (isPartial) again.add(key);
    return { isVoid: false, dropped, again: [...again] };
  }

  #unseen({ snapshot, highLsn }: ChunkView): readonly NotedTransaction[] {
    return this.#noted.filter(
      ({ xid, lsn }) => lsn < highLsn && !hasSeen(snapshot, widenXid(xid, snapshot.xmax)),
    );
  }
}

/**
 * Transactions that were under way when we began to note, so that their changes may have been handed over unnoted: a
 * chunk that has not seen one of them proves nothing, unless it was noted since.
 */
export class CopyBarrier {
  readonly #suspects: Set<number>;

  /** @param running ids of 32 bits, read after noting began */
  constructor(running: readonly number[]) {
    this.#suspects = new Set(running);
  }

  get isOpen(): boolean {
    return this.#suspects.size === 0;
  }

  get suspects(): readonly number[] {
    return [...this.#suspects];
  }

  /** It was handed over and all its changes were noted. */
  note(xid: number): void {
    this.#suspects.delete(xid);
  }

  /** @returns whether the snapshot has seen all that it had to */
  pass(snapshot: TransactionSnapshot): boolean {
    for (const xid of this.#suspects)
      if (hasSeen(snapshot, widenXid(xid, snapshot.xmax))) this.#suspects.delete(xid);
    return this.isOpen;
  }
}
