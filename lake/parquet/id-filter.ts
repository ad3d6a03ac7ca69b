/**
 * Bloom filters of event ids: whether a row group may have one of some ids, without its id column.
 *
 * The surprising rule: an id that is a UUID is the same in capitals, and a bloom filter knows exact texts alone. So our
 * writer adds such a UUID in lower case, too, and says so in the file; there one question is enough. In any other file
 * a filter says nothing about ids.
 */
import type { ColumnMetaData, FileMetaData, KeyValue } from "hyparquet";
import { readBloomFilter, sbbfContains } from "hyparquet/src/bloom.js";
import { xxhash64 } from "hyparquet/src/xxhash.js";
import { CREATED_BY } from "./encoded-file.ts";
import type { ReadRange } from "./read-range.ts";

/** What our files say of their filters. Whoever rewrites a file may keep it, so who created the file counts as well. */
export const ID_FILTER_NOTE: KeyValue = { key: "muara.event_id.filter", value: "UUIDs also in lower case" };

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const encoder = new TextEncoder();

/** What an id is in a filter. */
export function filterHash(id: string): bigint {
  return xxhash64(encoder.encode(UUID.test(id) ? id.toLowerCase() : id));
}

/** Whether the filters of a file know ids whatever their case. */
export function hasIdFilters({ created_by: creator, key_value_metadata: notes = [] }: FileMetaData): boolean {
  const { key, value } = ID_FILTER_NOTE;
  return creator === CREATED_BY && notes.some((note) => note.key === key && note.value === value);
}

/** Whether a chunk may have an id of one of these hashes; true where it has no filter that can be read. */
export async function mayHoldIds(
  read: ReadRange,
  { bloom_filter_offset: offset, bloom_filter_length: length }: ColumnMetaData,
  hashes: readonly bigint[],
): Promise<boolean> {
  if (offset === undefined || length === undefined) return true;
  const bytes = await read(Number(offset), Number(offset) + length);
  if (!bytes || bytes.length < length) return true;
  const view = new DataView(bytes.buffer as ArrayBuffer, bytes.byteOffset, length);
  const filter = readBloomFilter({ view, offset: 0 });
  return !filter || hashes.some((hash) => sbbfContains(filter.blocks, hash));
}
