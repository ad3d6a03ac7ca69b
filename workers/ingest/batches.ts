/**
 * From a scanned body to one record batch per partition, by copying bytes: no object exists per event. Events keep
 * their order within a partition; neighbours that stay neighbours are copied as one run.
 */
import type { ByteSupply } from "../../core/byte-pool.ts";
import { CLOUDEVENT_MEDIA_TYPE } from "../../core/cloudevent.ts";
import { VALUE_ABSENT, VALUE_ESCAPED_STRING } from "../../core/kernel-abi.ts";
import type { Scan } from "../../core/kernel-scan.ts";
import { PARTITION_KEY_SEPARATOR } from "../../core/partition.ts";
import {
  ABSENT,
  HEADER_AT,
  HEADER_LENGTH,
  KEY_AT,
  KEY_LENGTH,
  PAYLOAD_AT,
  PAYLOAD_LENGTH,
  RECORD_WORDS,
  type RecordBatch,
} from "../../core/record.ts";
import type { Contract } from "./contract.ts";

/** A comma and some white space between two events are copied along rather than cut out. */
const GAP_BYTES_MAX = 16;
const NOTHING = new Uint8Array(0);

/** Headers as UTF-8 JSON: for events that name their own flow id, and for the others. */
export interface RecordHeaders {
  readonly withFlowId: Uint8Array;
  readonly withoutFlowId: Uint8Array;
  /** Where each event has a header of its own, in place of those two. */
  readonly own?: OwnHeaders;
}

/** Neighbours may share one. */
export interface OwnHeaders {
  readonly bytes: Uint8Array;
  /** [event] places in `bytes` */
  readonly starts: Uint32Array;
  readonly lengths: Uint32Array;
}

export interface PartitionBatch {
  readonly partition: number;
  readonly batch: RecordBatch;
  /** [record] place of the event in the request. */
  readonly items: Uint32Array;
}

/** @param assigned [event] partitions @param supply of the batches' bytes */
export function buildBatches(
  contract: Contract,
  scan: Scan,
  assigned: Uint32Array,
  headers: RecordHeaders,
  supply?: ByteSupply,
): PartitionBatch[] {
  const items = groupByPartition(assigned, contract.partitions);
  const keys = contract.places.recordKeys.length > 0 ? eventKeys(contract, scan) : undefined;
  return items.map(({ partition, group }) => ({
    partition,
    items: group,
    batch: packGroup(contract, scan, group, headers, keys, supply),
  }));
}

/** Counting sort: stable, and linear in events and partitions. */
function groupByPartition(
  assigned: Uint32Array,
  partitions: number,
): { partition: number; group: Uint32Array }[] {
  const ends = new Uint32Array(partitions + 1);
  for (let item = 0; item < assigned.length; item++) ends[assigned[item]! + 1]!++;
  for (let p = 0; p < partitions; p++) ends[p + 1]! += ends[p]!;
  const sorted = new Uint32Array(assigned.length);
  const next = ends.slice(0, partitions);
  for (let item = 0; item < assigned.length; item++) sorted[next[assigned[item]!]!++] = item;
  const groups: { partition: number; group: Uint32Array }[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const group = sorted.subarray(ends[partition], ends[partition + 1]);
    if (group.length > 0) groups.push({ partition, group });
  }
  return groups;
}

function packGroup(
  contract: Contract,
  scan: Scan,
  group: Uint32Array,
  headers: RecordHeaders,
  keys: EventKeys | undefined,
  supply: ByteSupply | undefined,
): RecordBatch {
  const { starts, lengths } = scan;
  const source = scan.bytes;
  const flowIds = contract.places.flowId >= 0 ? scan.field(contract.places.flowId).types : undefined;
  const room = groupBytes(scan, group, headers, keys);
  const bytes = supply?.take(room) ?? new Uint8Array(room);
  const index = new Uint32Array(group.length * RECORD_WORDS);
  const own = flowIds ? countOwn(flowIds, group) : 0;
  // A header that no event has would be a gap, for which the log gathers the batch record by record.
  const shared = own < group.length ? headers.withFlowId : NOTHING;
  const bare = own > 0 ? headers.withoutFlowId : NOTHING;
  bytes.set(shared, 0);
  bytes.set(bare, shared.length);
  let at = shared.length + bare.length;
  for (let first = 0; first < group.length;) {
    const runEnd = endOfRun(starts, lengths, group, first);
    const from = starts[group[first]!]!;
    const to = starts[group[runEnd - 1]!]! + lengths[group[runEnd - 1]!]!;
    bytes.set(source.subarray(from, to), at);
    for (let i = first; i < runEnd; i++) {
      const item = group[i]!;
      const word = i * RECORD_WORDS;
      const hasOwnFlowId = flowIds !== undefined && flowIds[item] !== VALUE_ABSENT;
      index[word + PAYLOAD_AT] = at + starts[item]! - from;
      index[word + PAYLOAD_LENGTH] = lengths[item]!;
      index[word + KEY_LENGTH] = ABSENT;
      index[word + HEADER_AT] = hasOwnFlowId ? shared.length : 0;
      index[word + HEADER_LENGTH] = hasOwnFlowId ? bare.length : shared.length;
    }
    at += to - from;
    first = runEnd;
  }
  if (keys) at = placeKeys(keys, group, bytes, index, at);
  if (headers.own) at = placeHeaders(headers.own, group, bytes, index, at);
  // Behind its end a buffer may still hold what somebody else had in it.
  const batch = { count: group.length, bytes: bytes.subarray(0, at), index };
  return contract.type.category === "cloudevent" ? { ...batch, contentType: CLOUDEVENT_MEDIA_TYPE } : batch;
}

/** Events of a group that name a flow id themselves. */
function countOwn(flowIds: Uint8Array, group: Uint32Array): number {
  let own = 0;
  for (let i = 0; i < group.length; i++) if (flowIds[group[i]!] !== VALUE_ABSENT) own++;
  return own;
}

/** Bytes that a group needs at most: its payloads with the gaps of runs, its keys, both headers. */
function groupBytes(
  scan: Scan,
  group: Uint32Array,
  headers: RecordHeaders,
  keys: EventKeys | undefined,
): number {
  const { starts, lengths } = scan;
  let total = headers.withFlowId.length + headers.withoutFlowId.length;
  for (let first = 0; first < group.length;) {
    const runEnd = endOfRun(starts, lengths, group, first);
    const last = group[runEnd - 1]!;
    total += starts[last]! + lengths[last]! - starts[group[first]!]!;
    first = runEnd;
  }
  if (keys) for (const item of group) total += keys.ends[item]! - (item === 0 ? 0 : keys.ends[item - 1]!);
  if (headers.own) for (const [i, item] of group.entries()) total += ownLength(headers.own, group, i, item);
  return total;
}

/** Where in `group` the run of events that stand close together in the body ends. */
function endOfRun(starts: Uint32Array, lengths: Uint32Array, group: Uint32Array, first: number): number {
  let i = first + 1;
  while (i < group.length) {
    const before = group[i - 1]!;
    if (group[i] !== before + 1) break;
    if (starts[group[i]!]! - (starts[before]! + lengths[before]!) > GAP_BYTES_MAX) break;
    i++;
  }
  return i;
}

/** The keys of all events of a scan, one after the other. */
interface EventKeys {
  readonly bytes: Uint8Array;
  /** [event] where its key ends; it starts where the one before ends. */
  readonly ends: Uint32Array;
}

/** Each event's key: the texts of its key fields, joined. */
function eventKeys(contract: Contract, scan: Scan): EventKeys {
  const fields = contract.places.recordKeys.map((place) => scan.field(place));
  const source = scan.bytes;
  let room = fields.length * scan.count;
  for (const { lengths } of fields) for (const length of lengths) room += length;
  const bytes = new Uint8Array(room);
  const ends = new Uint32Array(scan.count);
  const separator = PARTITION_KEY_SEPARATOR.charCodeAt(0);
  const encoder = new TextEncoder();
  let at = 0;
  for (let item = 0; item < scan.count; item++) {
    for (let k = 0; k < fields.length; k++) {
      const { types, starts, lengths } = fields[k]!;
      if (k > 0) bytes[at++] = separator;
      if (types[item] === VALUE_ESCAPED_STRING) {
        const text = scan.text(contract.places.recordKeys[k]!, item)!;
        at += encoder.encodeInto(text, bytes.subarray(at)).written;
        continue;
      }
      const start = starts[item]!;
      for (let i = start; i < start + lengths[item]!; i++) bytes[at++] = source[i]!;
    }
    ends[item] = at;
  }
  return { bytes, ends };
}

function placeKeys(
  keys: EventKeys,
  group: Uint32Array,
  bytes: Uint8Array,
  index: Uint32Array,
  from: number,
): number {
  let at = from;
  group.forEach((item, i) => {
    const start = item === 0 ? 0 : keys.ends[item - 1]!;
    const length = keys.ends[item]! - start;
    for (let b = 0; b < length; b++) bytes[at + b] = keys.bytes[start + b]!;
    index[i * RECORD_WORDS + KEY_AT] = at;
    index[i * RECORD_WORDS + KEY_LENGTH] = length;
    at += length;
  });
  return at;
}

/** Bytes that the own header of a group's `i`th event adds: none where it is that of the one before. */
function ownLength({ starts, lengths }: OwnHeaders, group: Uint32Array, i: number, item: number): number {
  return i > 0 && starts[group[i - 1]!] === starts[item] ? 0 : lengths[item]!;
}

function placeHeaders(
  own: OwnHeaders,
  group: Uint32Array,
  bytes: Uint8Array,
  index: Uint32Array,
  from: number,
): number {
  let at = from;
  group.forEach((item, i) => {
    const start = own.starts[item]!;
    const length = own.lengths[item]!;
    const added = ownLength(own, group, i, item);
    if (added > 0) bytes.set(own.bytes.subarray(start, start + length), at);
    index[i * RECORD_WORDS + HEADER_AT] = added > 0 ? at : index[(i - 1) * RECORD_WORDS + HEADER_AT]!;
    index[i * RECORD_WORDS + HEADER_LENGTH] = length;
    at += added;
  });
  return at;
}
