/**
 * Settles what sealed parts of an id set leave open: whether the lake has the same id within the horizon. The answer
 * comes from the id columns of the files whose ingest times the parts point to, and from the ids of removed rows; it is
 * exact, to the millisecond at the horizon's edge.
 *
 * The surprising rule: what is asked for costs a scan of those id columns, unless a file's bloom filter says that none
 * of a few ids is in it. So one batch asks once for all of it, and what was found is remembered for a while: resends
 * come in heaps. Nothing is remembered of what was not found, since it may land.
 */
import type { Clock } from "../../core/clock.ts";
import { SETTLED_IN_LAKE, SETTLED_NEW } from "../../core/kernel-set.ts";
import type { TableSnapshot } from "../../core/ports/table-log.ts";
import { secretOf } from "../../lake/id-key.ts";
import { type IdentityPorts, type IdentityRows, visitIdentities } from "../../lake/identity-rows.ts";
import { ingestTimesOf } from "../../lake/ingest-times.ts";
import { filterHash } from "../../lake/parquet/id-filter.ts";
import { readRemovedIds } from "../../lake/removed-ids.ts";

/** Ids remembered with the ingest times that were found. */
const REMEMBERED_MAX = 65_536;
/** More ids than these in one file are looked for in its column at once: some pass its filter anyway. */
const FILTERED_MAX = 32;
/** Bits of the sieve that most rows of the lake do not pass: far more than records in a batch. */
const SIEVE_BITS = 20;

export interface SettlePorts extends IdentityPorts {
  readonly clock: Clock;
}

/** Records that the set leaves open. */
export interface Unsettled {
  readonly count: number;
  /** [record × 2] */
  readonly identities: BigUint64Array;
  /** [record] */
  readonly ingestMs: Float64Array;
  /** [record × 2] ingest times between which the lake may have it, as `IdentitySet.locate` gives them. */
  readonly spans: Float64Array;
  /** [record] as published; null where nobody knows. */
  readonly eventIds: readonly (string | null)[];
}

export class LakeLookup {
  readonly #ports: SettlePorts;
  readonly #table: string;
  readonly #horizonMs: number;
  /** Ingest times of rows by identity: rows that are there, perhaps not all of them. */
  readonly #remembered = new Map<bigint, number[]>();

  constructor(ports: SettlePorts, table: string, horizonMs: number) {
    this.#ports = ports;
    this.#table = table;
    this.#horizonMs = horizonMs;
  }

  /** Rows went away, and nothing says which. */
  forget(): void {
    this.#remembered.clear();
  }

  /**
   * @param snapshot what the set stands for
   * @returns [record] SETTLED_IN_LAKE or SETTLED_NEW
   * @throws table.corrupt where a file is gone
   */
  async settle(snapshot: TableSnapshot, unsettled: Unsettled): Promise<Uint8Array> {
    const wanted = new Wanted(unsettled, this.#horizonMs);
    for (const identity of wanted.identities)
      for (const ms of this.#remembered.get(identity) ?? []) wanted.note(identity, ms);
    if (!wanted.isDone) await this.#search(snapshot, wanted);
    this.#remember(wanted);
    return wanted.answers;
  }

  async #search(snapshot: TableSnapshot, wanted: Wanted): Promise<void> {
    const removed = await readRemovedIds(this.#ports, this.#table, snapshot);
    if (removed) wanted.visit(removed);
    const secret = secretOf(snapshot);
    for (const file of snapshot.files.values()) {
      if (wanted.isDone) return;
      const { fromMs, toMs } = ingestTimesOf(file);
      if (!wanted.isWithin(fromMs, toMs)) continue;
      const hashes = wanted.hashesWithin(fromMs, toMs);
      await visitIdentities(this.#ports, this.#table, file, secret, (rows) => wanted.visit(rows), hashes);
      await this.#ports.clock.sleep(0);
    }
  }

  #remember(wanted: Wanted): void {
    for (const [identity, times] of wanted.found) {
      const known = this.#remembered.get(identity) ?? [];
      this.#remembered.delete(identity); // the newest last
      this.#remembered.set(identity, [...new Set([...known, ...times])]);
    }
    for (const identity of this.#remembered.keys()) {
      if (this.#remembered.size <= REMEMBERED_MAX) return;
      this.#remembered.delete(identity);
    }
  }
}

/** What one call looks for. */
class Wanted {
  readonly answers: Uint8Array;
  /** Ingest times that decided something. */
  readonly found = new Map<bigint, number[]>();
  readonly #unsettled: Unsettled;
  readonly #horizonMs: number;
  readonly #byIdentity: ReadonlyMap<bigint, readonly number[]>;
  /** [record] made when first needed. */
  readonly #hashes: bigint[] = [];
  readonly #sieve = new Uint8Array(2 ** SIEVE_BITS / 8);
  #open: number;

  constructor(unsettled: Unsettled, horizonMs: number) {
    const { count, identities } = unsettled;
    this.answers = new Uint8Array(count).fill(SETTLED_NEW);
    this.#unsettled = unsettled;
    this.#horizonMs = horizonMs;
    this.#open = count;
    const words = wordsOf(identities);
    for (let i = 0; i < count; i++) {
      const bit = words[i * 4]! >>> (32 - SIEVE_BITS);
      this.#sieve[bit >>> 3]! |= 1 << (bit & 7);
    }
    this.#byIdentity = Map.groupBy(
      Array.from({ length: count }, (_, i) => i),
      (i) => identityAt(identities, i),
    );
  }

  get isDone(): boolean {
    return this.#open === 0;
  }

  /** Whether rows accepted in [fromMs, toMs] can settle something that is still open. */
  isWithin(fromMs: number, toMs: number): boolean {
    for (let i = 0; i < this.answers.length; i++) if (this.#isOpen(i, fromMs, toMs)) return true;
    return false;
  }

  /**
   * What rows accepted in [fromMs, toMs] can settle, as hashes for filters; undefined where that is much, or not known
   * by its text.
   */
  hashesWithin(fromMs: number, toMs: number): readonly bigint[] | undefined {
    const hashes: bigint[] = [];
    for (let i = 0; i < this.answers.length; i++) {
      if (!this.#isOpen(i, fromMs, toMs)) continue;
      const hash = this.#hashOf(i);
      if (hash === undefined || hashes.length === FILTERED_MAX) return undefined;
      hashes.push(hash);
    }
    return hashes;
  }

  #isOpen(i: number, fromMs: number, toMs: number): boolean {
    if (this.answers[i] === SETTLED_IN_LAKE) return false;
    const { spans, ingestMs } = this.#unsettled;
    const first = Math.max(spans[i * 2]!, ingestMs[i]! - this.#horizonMs);
    const last = Math.min(spans[i * 2 + 1]!, ingestMs[i]! + this.#horizonMs);
    return fromMs <= last && toMs >= first;
  }

  #hashOf(i: number): bigint | undefined {
    const eventId = this.#unsettled.eventIds[i];
    if (typeof eventId !== "string") return undefined;
    this.#hashes[i] ??= filterHash(eventId);
    return this.#hashes[i];
  }

  get identities(): Iterable<bigint> {
    return this.#byIdentity.keys();
  }

  visit({ count, identities, ingestMs }: IdentityRows): void {
    const words = wordsOf(identities);
    for (let row = 0; row < count; row++) {
      const bit = words[row * 4]! >>> (32 - SIEVE_BITS);
      if ((this.#sieve[bit >>> 3]! & (1 << (bit & 7))) === 0) continue;
      this.note(identityAt(identities, row), ingestMs[row]!);
    }
  }

  /** A row of the lake. */
  note(identity: bigint, rowMs: number): void {
    const records = this.#byIdentity.get(identity);
    if (!records) return;
    for (const i of records) {
      const isNear = Math.abs(this.#unsettled.ingestMs[i]! - rowMs) <= this.#horizonMs;
      if (!isNear || this.answers[i] === SETTLED_IN_LAKE) continue;
      this.answers[i] = SETTLED_IN_LAKE;
      this.#open--;
      const times = this.found.get(identity);
      if (times) times.push(rowMs);
      else this.found.set(identity, [rowMs]);
    }
  }
}

function identityAt(identities: BigUint64Array, i: number): bigint {
  return (identities[i * 2 + 1]! << 64n) | identities[i * 2]!;
}

function wordsOf(identities: BigUint64Array): Uint32Array {
  return new Uint32Array(identities.buffer, identities.byteOffset, identities.length * 2);
}
