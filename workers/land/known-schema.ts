/**
 * Records of a schema version that this process has not read yet are not landed: their new fields would end up in
 * `extra`, or be refused. The door wrote the version into each record's header after it was declared, so whoever meets
 * it finds the declaration by reading on; until then these records, and those behind them in their partition, wait.
 *
 * Records of one request, and mostly those of one producer, have the version at the same place: few headers are parsed.
 */
import { isEqual } from "../../core/bytes.ts";
import { MuaraError } from "../../core/errors.ts";
import {
  ABSENT,
  HEADER_AT,
  HEADER_LENGTH,
  headerOf,
  RECORD_WORDS,
  type ReadBatch,
} from "../../core/record.ts";
import { isNewerSchema } from "../../core/schema-version.ts";
import { firstOf, type Gathered } from "./gather.ts";
import type { LandedPartition } from "../../core/landed.ts";

/** The first record that has to wait. */
export interface UnknownSchema {
  readonly version: string;
  readonly partition: number;
  readonly offset: number;
}

/** Quotes inside of strings are escaped, so this is a member and nothing else. */
const VERSION = /"schema_version":"(\d[\d.]*)"/;
const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** What was gathered before the first record, in each partition, of a version after `known`. */
export function cutUnknown(
  gathered: Gathered,
  partitions: readonly LandedPartition[],
  known: string | undefined,
): { readonly gathered: Gathered; readonly unknown: UnknownSchema | undefined } {
  const reader = new VersionReader(known);
  const batches: ReadBatch[] = [];
  const next = [...gathered.next];
  const isAtEnd = [...gathered.isAtEnd];
  const closed = new Set<number>();
  let unknown: UnknownSchema | undefined;
  for (const batch of gathered.batches) {
    const { partition } = batch;
    if (closed.has(partition)) continue;
    const at = reader.firstUnknown(batch);
    if (at < 0) {
      batches.push(batch);
      continue;
    }
    closed.add(partition);
    isAtEnd[partition] = false;
    const offset = batch.offsets[at]!;
    unknown ??= { version: reader.version, partition, offset };
    if (at > 0) batches.push(firstOf(batch, at));
    const isFirst = batches.at(-1)?.partition !== partition;
    next[partition] = isFirst ? partitions[partition]!.cursor : offset;
  }
  if (!unknown) return { gathered, unknown };
  const count = batches.reduce((sum, batch) => sum + batch.count, 0);
  return { gathered: { ...gathered, batches, count, next, isAtEnd }, unknown };
}

export function schemaUnknown(
  table: string,
  known: string | undefined,
  { version, partition, offset }: UnknownSchema,
): MuaraError {
  return new MuaraError(
    "land.schema_unknown",
    `${table}: the event at ${partition}:${offset} is of schema version ${version}, known here is ${known}. ` +
      "It and those behind it wait.",
    { details: { table, version, known, partition, offset } },
  );
}

class VersionReader {
  /** Of the header looked at last. */
  version = "";
  readonly #known: string | undefined;
  /** The member as it was last found to be no newer, and where in its header. */
  #member: Uint8Array = new Uint8Array(0);
  #place = 0;

  constructor(known: string | undefined) {
    this.#known = known;
  }

  /** @returns -1 where there is none */
  firstUnknown(batch: ReadBatch): number {
    const { index, bytes, count } = batch;
    let before = -1;
    for (let i = 0; i < count; i++) {
      const word = i * RECORD_WORDS;
      const at = index[word + HEADER_AT]!;
      const length = index[word + HEADER_LENGTH]!;
      if (at === before || length === ABSENT || length === 0) continue;
      before = at;
      const place = at + this.#place;
      const end = place + this.#member.length;
      if (this.#member.length > 0 && end <= at + length && isEqual(bytes, place, end, this.#member)) continue;
      if (this.#isNewer(headerOf(batch, i))) return i;
    }
    return -1;
  }

  #isNewer(header: Uint8Array): boolean {
    const match = VERSION.exec(decoder.decode(header));
    if (!match) return false; // from elsewhere than a door: whatever is known holds
    this.version = match[1]!;
    if (isNewerSchema(this.version, this.#known)) return true;
    this.#member = encoder.encode(match[0]);
    this.#place = encoder.encode(match.input.slice(0, match.index)).length;
    return false;
  }
}
