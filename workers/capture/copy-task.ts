/**
 * The copy of one table in chunks: what was asked for, what was read and waits for the stream, what is done. No I/O.
 *
 * Surprising rule: rows that have to be read again (workers/capture/copy-filter.ts) are part of the progress. Keys and
 * place are saved together, so nothing that was set aside is forgotten by a crash.
 */
import type { CapturedTable } from "../../core/capture.ts";
import { changeHead, changeLsn } from "../../core/change-head.ts";
import type { ChunkRequest, CopyChunk, CopyTable, CopyView } from "../../core/ports/source-copy.ts";
import type { SourcePart } from "../../core/ports/source.ts";
import { payloadOf, type RecordBatch } from "../../core/record.ts";
import { CopyFilter } from "./copy-filter.ts";
import { keysOf, keyText, withoutKeys } from "./weave.ts";

/** Keys that are read again one by one; beyond them the table is copied from its beginning. */
export const AGAIN_MAX = 10_000;
const AGAIN_ROWS = 500;
/** Numbers of rows that are reserved at once, so that this is rarely saved. */
const NUMBERS_AHEAD = 1_048_576;

/** A chunk on its way. */
export interface Flight {
  readonly request: ChunkRequest;
  /** Whether its snapshot may have been taken. */
  isTaking: boolean;
  view: CopyView | undefined;
  /** undefined: it failed, and is asked for again. */
  readonly chunk: Promise<CopyChunk | undefined>;
  /** Settles once `view` is known, or never will be. */
  readonly seen: Promise<void>;
}

export class CopyTask {
  readonly name: string;
  readonly table: CopyTable;
  readonly filter: CopyFilter;
  readonly flights: Flight[] = [];
  /** What is handed over. */
  progress: CapturedTable;
  /** Numbers below it may be used. */
  reserved: number;
  #number: number;
  /** Asked for; ahead of `progress` by the flights. */
  #asked: readonly string[] | null;
  #isAskedToEnd = false;
  /** Asked for again, not handed over yet. */
  #askedAgain = new Set<string>();
  readonly #again: Set<string>;

  constructor(name: string, table: CopyTable, progress: CapturedTable, notedKeysMax?: number) {
    this.filter = new CopyFilter(notedKeysMax);
    this.name = name;
    this.table = table;
    this.progress = progress;
    this.#asked = progress.copiedTo;
    this.#isAskedToEnd = progress.isCopiedToEnd ?? false;
    this.#again = new Set(progress.copyAgain);
    this.#number = progress.copyNumbers ?? 0;
    this.reserved = this.#number;
  }

  /** Of the next row that is asked for. Numbers that a former run may have used are left out. */
  get number(): number {
    return this.#number;
  }

  /** @returns whether more had to be reserved: that is to be saved before any of them is used */
  reserve(rows: number): boolean {
    if (this.#number + rows <= this.reserved) return false;
    this.reserved = this.#number + rows + NUMBERS_AHEAD;
    return true;
  }

  get isDone(): boolean {
    return this.progress.copy === "done" || this.progress.copy === "none";
  }

  /** What to ask for next; undefined where all has been asked for. */
  next(rows: number): Pick<ChunkRequest, "after" | "again" | "rows"> | undefined {
    const again = [...this.#again].filter((key) => !this.#askedAgain.has(key)).slice(0, AGAIN_ROWS);
    if (again.length > 0) return { after: null, again, rows: again.length };
    return this.#isAskedToEnd ? undefined : { after: this.#asked, rows };
  }

  take(flight: Flight): void {
    for (const key of flight.request.again ?? []) this.#askedAgain.add(key);
    this.flights.push(flight);
  }

  /** The flight has all of its rows: what is behind it may be asked for. */
  landed({ request }: Flight, chunk: CopyChunk): void {
    this.#number += chunk.records.count;
    if (request.again) return;
    this.#asked = chunk.to;
    this.#isAskedToEnd = chunk.isLast;
  }

  /** This flight and all behind it are asked for again. */
  giveUp(flight: Flight): void {
    const at = this.flights.indexOf(flight);
    if (at < 0) return;
    this.flights.splice(at);
    if (at === 0) {
      this.#asked = this.progress.copiedTo;
      this.#isAskedToEnd = this.progress.isCopiedToEnd ?? false;
    }
    this.#askedAgain = new Set(this.flights.flatMap(({ request }) => request.again ?? []));
  }

  /** Changes of this table that are handed over. @param onTransaction told each transaction's id once */
  note(records: RecordBatch, from: number, to: number, onTransaction: (xid: number) => void): void {
    let lastXid = -1;
    for (let i = from; i < to; i++) {
      const payload = payloadOf(records, i)!;
      const { xid, kind, isPartial } = changeHead(payload);
      if (xid !== lastXid) onTransaction(xid);
      lastXid = xid;
      const text = keyText(records, i);
      // A value that no JSON holds is null in the key: it could be any row's.
      const key = kind === "truncate" || text === null || text.includes("null") ? null : text;
      this.filter.note({ xid, lsn: changeLsn(payload), isPartial, key });
      if (kind === "create" && isPartial && text !== null) this.#moved(text);
    }
  }

  /** Rows of the first flight, but what the stream has newer. @returns undefined: they are asked for again */
  handOver(flight: Flight, chunk: CopyChunk): SourcePart | undefined {
    const { isVoid, dropped, again } = this.filter.judge(chunk, presentKeys(chunk.records));
    if (isVoid) {
      this.giveUp(flight);
      return undefined;
    }
    this.flights.shift();
    const { again: asked } = flight.request;
    for (const key of asked ?? []) {
      this.#again.delete(key);
      this.#askedAgain.delete(key);
    }
    const records = withoutKeys(chunk.records, dropped);
    this.progress = {
      ...this.progress,
      copy: "copying",
      copiedRows: this.progress.copiedRows + records.count,
      ...(asked ? {} : { copiedTo: chunk.to, isCopiedToEnd: chunk.isLast }),
    };
    this.#setAside(again);
    this.#end(chunk);
    return { stream: chunk.stream, partition: chunk.partition, records };
  }

  /** It is bound to nothing (any more). */
  leaveOut(): void {
    this.progress = { ...this.progress, copy: "none" };
  }

  /** Keys cannot be asked for: all from the beginning. */
  beginAnew(): void {
    this.#again.clear();
    this.progress = { ...this.progress, copiedTo: null, isCopiedToEnd: false, copyAgain: [] };
    const [first] = this.flights;
    if (first) this.giveUp(first);
    this.#asked = null;
    this.#isAskedToEnd = false;
    this.#askedAgain.clear();
  }

  /** Its former key may lie where nothing was copied yet, its new one where everything was. */
  #moved(key: string): void {
    if (this.progress.copiedTo === null && this.flights.length === 0) return;
    this.#setAside([key]);
    this.progress = { ...this.progress, copyAgain: [...this.#again] };
  }

  #setAside(keys: readonly string[]): void {
    if (keys.length === 0) return;
    for (const key of keys) this.#again.add(key);
    if (this.#again.size > AGAIN_MAX) this.beginAnew();
  }

  #end({ highLsn }: CopyView): void {
    const isDone =
      this.progress.isCopiedToEnd === true && this.#again.size === 0 && this.flights.length === 0;
    this.progress = {
      ...this.progress,
      copyAgain: [...this.#again],
      ...(isDone ? { copy: "done", completeAt: String(highLsn) } : {}),
    };
  }
}

function* presentKeys(records: RecordBatch): Generator<string> {
  for (const key of keysOf(records)) if (key !== null) yield key;
}
