/**
 * Decodes pgoutput, protocol 1 with text values (PostgreSQL's manual, §55.9): message after message into the events
 * of a batch. No object is made for a change.
 *
 * Surprising rule: a transaction is known by where the record of its commit begins, which its first message tells.
 * Every change counts for the index, also of relations that nobody bound, and every update counts for two.
 */
import { assert } from "../../core/assert.ts";
import { MuaraError } from "../../core/errors.ts";
import type { OutboxBinding, SourceBinding, SourceColumn, SourceRelation } from "../../core/ports/source.ts";
import { BatchBuilder } from "./batch-builder.ts";
import { BoundRelation } from "./bound-relation.ts";
import type { ChangeOrigin } from "./change-head.ts";
import { ChangeWriter } from "./change-writer.ts";
import { EPOCH_US, lsnDigits, lsnFrom, Transaction } from "./transaction.ts";
import { COLUMNS_MAX, TEXT, Tuple, UNCHANGED } from "./tuple.ts";

const WORD = 4_294_967_296;
const IDENTITIES: Readonly<Record<string, SourceRelation["identity"]>> = {
  d: "default",
  n: "nothing",
  f: "full",
  i: "index",
};
const KEY = 0x4b;
const OLD = 0x4f;
const NEW = 0x4e;
const decoder = new TextDecoder();

interface Known {
  readonly id: number;
  readonly columns: number;
  /** null: nobody wants its changes; undefined: nobody has said so far. */
  bound: BoundRelation | null | undefined;
  /** Its inserts are messages. */
  outbox: OutboxBinding["outbox"] | undefined;
}

export class PgoutputDecoder {
  readonly batch: BatchBuilder = new BatchBuilder();
  readonly #origin: ChangeOrigin;
  readonly #transaction = new Transaction();
  readonly #writer = new ChangeWriter(this.batch, this.#transaction);
  /** By oid. */
  readonly #known = new Map<number, Known>();
  /** Of the last change: the next one often is of the same relation. */
  #last: Known | undefined;
  readonly #new = new Tuple();
  readonly #old = new Tuple();
  #isOpen = false;
  #index = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;

  constructor(origin: ChangeOrigin) {
    this.#origin = origin;
  }

  /** Whether a transaction has begun and not ended. */
  get isWithin(): boolean {
    return this.#isOpen;
  }

  /**
   * Decodes the message in bytes[start, end).
   * @returns a relation that has to be bound before anything else is decoded
   * @throws source.protocol
   */
  decode(bytes: Uint8Array, start: number, end: number): SourceRelation | undefined {
    this.#bytes = bytes;
    this.#at = start + 1;
    this.#end = end;
    switch (start < end ? bytes[start] : -1) {
      case 0x49: // I
        this.#insert();
        break;
      case 0x55: // U
        this.#update();
        break;
      case 0x44: // D
        this.#delete();
        break;
      case 0x42: // B
        this.#begin();
        break;
      case 0x43: // C
        this.#commit();
        break;
      case 0x52: // R
        return this.#relation();
      case 0x54: // T
        this.#truncate();
        break;
      case 0x4d: // M
        this.#message();
        break;
      case 0x59: // Y: names of types, which the catalog tells better
      case 0x4f: // O: where a change came from first
        return undefined;
      default:
        throw broken(`a message ${start < end ? bytes[start] : "without a byte"}`);
    }
    if (this.#at !== end) throw broken("a message that does not end with its last part");
    return undefined;
  }

  /** @param binding null: changes of it are left out */
  bind(relation: SourceRelation, binding: SourceBinding | OutboxBinding | null): void {
    const known = this.#known.get(relation.id);
    assert(known !== undefined, `nothing was told of the relation ${relation.id}`);
    const isOutbox = binding !== null && "outbox" in binding;
    known.outbox = isOutbox ? binding.outbox : undefined;
    known.bound =
      binding && !isOutbox
        ? new BoundRelation(
            this.#origin,
            relation,
            binding,
            this.batch.slot(binding.stream, binding.partition),
          )
        : null;
  }

  #insert(): void {
    const id = this.#changed();
    if (this.#byte() !== NEW) throw broken("an insert without a row");
    this.#row(this.#new, id);
    const index = this.#index++;
    const bound = this.#boundOf(id);
    if (bound) this.#writer.write(bound, "create", index, this.#new, null, null);
    else this.#tellRow(this.#knownOf(id).outbox, index);
  }

  /** Of an outbox: what a row lacks, its message lacks. */
  #tellRow(outbox: OutboxBinding["outbox"] | undefined, index: number): void {
    if (!outbox) return;
    const { kinds, starts, ends } = this.#new;
    const textOf = (place: number): Uint8Array =>
      kinds[place] === TEXT ? this.#bytes.slice(starts[place], ends[place]) : new Uint8Array(0);
    const { lsn, commitUs } = this.#transaction;
    this.batch.addMessage({
      prefix: "",
      eventType: decoder.decode(textOf(outbox.eventType)),
      content: textOf(outbox.payload),
      isTransactional: true,
      lsn,
      index,
      commitUs: BigInt(commitUs),
    });
  }

  #update(): void {
    const id = this.#changed();
    const [before, after] = [this.#old, this.#new];
    const kind = this.#byte();
    if (kind === KEY || kind === OLD) {
      this.#row(before, id);
      if (this.#byte() !== NEW) throw broken("an update without a row");
    } else if (kind !== NEW) throw broken("an update without a row");
    this.#row(after, id);
    const index = this.#index;
    this.#index += 2;
    const bound = this.#boundOf(id);
    if (!bound) return;
    if (kind === NEW) {
      this.#writer.write(bound, "update", index, after, null, null);
      return;
    }
    const isWhole = kind === OLD;
    for (let i = 0; after.hasUnchanged && i < bound.fields.length; i++) {
      if (after.kinds[i] !== UNCHANGED) continue;
      if (isWhole ? before.kinds[i] !== UNCHANGED : bound.isIdentity[i] === 1 && before.kinds[i] === TEXT)
        after.take(i, before);
    }
    const whole = isWhole ? { tuple: before, only: null } : null;
    if (bound.key.every((i) => before.isSame(i, after))) {
      this.#writer.write(bound, "update", index, after, null, whole);
      return;
    }
    const known = isWhole ? bound.isKey : bound.isIdentity;
    this.#writer.write(bound, "delete", index, before, known, whole);
    this.#writer.write(bound, "create", index + 1, after, null, whole ?? { tuple: before, only: known });
  }

  #delete(): void {
    const id = this.#changed();
    const kind = this.#byte();
    if (kind !== KEY && kind !== OLD) throw broken("a delete without a row");
    this.#row(this.#old, id);
    const index = this.#index++;
    const bound = this.#boundOf(id);
    if (!bound) return;
    const isWhole = kind === OLD;
    const known = isWhole ? bound.isKey : bound.isIdentity;
    this.#writer.write(
      bound,
      "delete",
      index,
      this.#old,
      known,
      isWhole ? { tuple: this.#old, only: null } : null,
    );
  }

  #truncate(): void {
    if (!this.#isOpen) throw broken("a truncate outside of a transaction");
    const count = this.#word();
    this.#byte(); // cascade, restart identity: all relations are listed, and values tell themselves
    if (count > (this.#end - this.#at) / 4) throw broken("a truncate of more relations than it names");
    for (let i = 0; i < count; i++) {
      const bound = this.#boundOf(this.#word());
      const index = this.#index++;
      if (bound) this.#writer.write(bound, "truncate", index, undefined, null, null);
    }
  }

  #begin(): void {
    if (this.#isOpen) throw broken("a transaction within a transaction");
    const [lsnHigh, lsnLow] = [this.#word(), this.#word()];
    const commitUs = this.#time();
    this.#transaction.begin(lsnHigh, lsnLow, this.#word(), commitUs);
    this.#isOpen = true;
    this.#index = 0;
  }

  #commit(): void {
    const { lsnHigh, lsnLow, commitUs } = this.#transaction;
    this.#byte();
    const isOwn = this.#word() === lsnHigh && this.#word() === lsnLow;
    if (!this.#isOpen || !isOwn) throw broken("the end of another transaction");
    this.batch.cursor = lsnDigits(this.#word(), this.#word());
    this.#time();
    this.batch.commitUs = commitUs;
    this.#isOpen = false;
  }

  #relation(): SourceRelation {
    const id = this.#word();
    const [schema, name] = [this.#text(), this.#text()];
    const identity = IDENTITIES[String.fromCharCode(this.#byte())];
    if (!identity) throw broken(`the replica identity of ${schema}.${name}`);
    const columns: SourceColumn[] = [];
    const count = this.#short();
    if (count > COLUMNS_MAX) throw broken(`${count} columns of ${schema}.${name}`);
    for (let i = 0; i < count; i++) {
      const isKey = (this.#byte() & 1) === 1;
      const column = this.#text();
      columns.push({ name: column, isKey, typeId: this.#word(), modifier: this.#word() | 0 });
    }
    if (this.#at !== this.#end) throw broken("a relation that does not end with its last column");
    this.#known.set(id, { id, columns: count, bound: undefined, outbox: undefined });
    this.#last = undefined;
    // PostgreSQL sends its own catalog under an empty name.
    return { id, schema: schema === "" ? "pg_catalog" : schema, name, identity, columns };
  }

  #message(): void {
    const isTransactional = (this.#byte() & 1) === 1;
    const [lsnHigh, lsnLow] = [this.#word(), this.#word()];
    const prefix = this.#text();
    const length = this.#word();
    if (length > this.#end - this.#at) throw broken("the length of a message's content");
    const content = this.#bytes.slice(this.#at, this.#at + length);
    this.#at += length;
    if (isTransactional !== this.#isOpen) throw broken("a message that is not where it says it is");
    if (isTransactional) {
      const { lsn, commitUs } = this.#transaction;
      this.batch.addMessage({
        prefix,
        content,
        isTransactional,
        lsn,
        index: this.#index++,
        commitUs: BigInt(commitUs),
      });
      return;
    }
    // What the message tells is where its record ends: there a commit may begin, whose changes have that place.
    const lsn = lsnFrom(lsnHigh, lsnLow) - 1n;
    this.batch.addMessage({ prefix, content, isTransactional, lsn, index: 0, commitUs: null });
    this.batch.cursor = lsnDigits(lsnHigh, lsnLow);
  }

  /** Of a change: the relation's oid. */
  #changed(): number {
    if (!this.#isOpen) throw broken("a change outside of a transaction");
    return this.#word();
  }

  #knownOf(id: number): Known {
    if (this.#last?.id === id) return this.#last;
    const known = this.#known.get(id);
    if (!known) throw broken(`a change of the relation ${id}, of which nothing is known`);
    this.#last = known;
    return known;
  }

  #boundOf(id: number): BoundRelation | null {
    const { bound } = this.#knownOf(id);
    assert(bound !== undefined, `nobody has said what becomes of the relation ${id}`);
    return bound;
  }

  #row(tuple: Tuple, id: number): void {
    this.#at = tuple.read(this.#bytes, this.#at, this.#end, this.#knownOf(id).columns);
  }

  #byte(): number {
    if (this.#at >= this.#end) throw broken("a message that is too short");
    return this.#bytes[this.#at++]!;
  }

  #short(): number {
    return (this.#byte() << 8) | this.#byte();
  }

  #word(): number {
    const at = this.#at;
    if (at + 4 > this.#end) throw broken("a message that is too short");
    const bytes = this.#bytes;
    this.#at = at + 4;
    return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
  }

  /** µs since 1970 UTC; exact until the year 2255. */
  #time(): number {
    const high = this.#word() | 0;
    return high * WORD + this.#word() + EPOCH_US;
  }

  /** Up to its zero byte. */
  #text(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end < 0 || end >= this.#end) throw broken("a text without an end");
    const text = decoder.decode(this.#bytes.subarray(this.#at, end));
    this.#at = end + 1;
    return text;
  }
}

function broken(what: string): MuaraError {
  return new MuaraError("source.protocol", `the source tells what its protocol does not have: ${what}`);
}
