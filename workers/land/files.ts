/**
 * The files of one attempt: rows in (event time, partition, offset) order, one file per day of acceptance, and the
 * side rows.
 */
import { Buffer } from "node:buffer";
import {
  ABSENT,
  HEADER_AT,
  HEADER_LENGTH,
  headerOf,
  KEY_LENGTH,
  keyOf,
  payloadOf,
  RECORD_WORDS,
  type ReadBatch,
} from "../../core/record.ts";
import type { Clock, Randomness } from "../../core/clock.ts";
import { INGEST_DATE } from "../../core/columns.ts";
import { hasReplayNote } from "../../core/replay.ts";
import type { Kernel } from "../../core/kernel.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { AddFile } from "../../core/ports/table-log.ts";
import type { EnvelopeColumns, EventEncoder } from "../../lake/parquet/writer.ts";
import { sidePath, writeSideFile, type SideRow } from "../../lake/side-file.ts";
import { addFile, dataFilePath } from "../../lake/table/add-file.ts";
import { DEAD, DUPLICATE, LANDED, type Judged } from "./judge.ts";
import type { LandingState } from "./state.ts";

const DAY_MS = 86_400_000;

export interface FilePorts {
  readonly store: ObjectStore;
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly randomness: Randomness;
}

/** The JSON string behind `"flow_id":` in a header. */
// oxlint-disable-next-line no-control-regex -- JSON strings have none
const FLOW_ID = /"flow_id":("(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")/;

const decoder = new TextDecoder();

/** Writes what landed. @returns one `add` per day of acceptance; none when nothing landed */
export async function writeDataFiles(
  ports: FilePorts,
  table: string,
  encoder: EventEncoder,
  batches: readonly ReadBatch[],
  judged: Judged,
  state: LandingState,
): Promise<AddFile[]> {
  if (encoder.rows === 0) return [];
  const envelope = envelopeOf(encoder.rows, batches, judged, state.watermarkMs);
  const files: AddFile[] = [];
  for (const [day, rows] of rowsByDay(judged)) {
    const ordered = ports.kernel.order(judged.timesUs, rows);
    const encoded = encoder.write(
      ordered.map((row) => judged.slots[row]!),
      envelope,
    );
    const date = new Date(day * DAY_MS).toISOString().slice(0, 10);
    const path = dataFilePath({ [INGEST_DATE]: date }, ports.randomness.uuid());
    await ports.store.put(`${table}/${path}`, encoded.bytes);
    const file = addFile({
      path,
      partitionValues: { [INGEST_DATE]: date },
      bytes: encoded.bytes.length,
      modifiedMs: ports.clock.nowMs(),
    });
    files.push({ ...file, stats: encoded.stats });
  }
  return files;
}

export interface SideFile {
  /** Store path; null where there is nothing to write. */
  readonly path: string | null;
  readonly replays: number;
}

/** Writes dead letters, duplicates, and which records are dead letters published again. */
export async function writeSideRows(
  ports: FilePorts,
  table: string,
  batches: readonly ReadBatch[],
  judged: Judged,
  state: LandingState,
): Promise<SideFile> {
  const rows: SideRow[] = [];
  let replays = 0;
  eachRow(batches, (batch, i, row) => {
    const word = i * RECORD_WORDS;
    const isReplay = hasReplayNote(batch.bytes, batch.index[word + HEADER_AT]!, headerLength(batch, word));
    if (judged.fates[row] === LANDED && !isReplay) return;
    const side = sideRow(ports.kernel, batch, i, judged, row, state);
    if (judged.fates[row] !== LANDED) rows.push(side);
    if (!isReplay) return;
    rows.push(replayRow(batch, i, side));
    replays++;
  });
  if (rows.length === 0) return { path: null, replays };
  const path = sidePath(table, ports.randomness.uuid());
  await writeSideFile(ports.store, path, rows);
  return { path, replays };
}

function headerLength(batch: ReadBatch, word: number): number {
  const length = batch.index[word + HEADER_LENGTH]!;
  return length === ABSENT ? 0 : length;
}

/** A second row of the same record: what became of a dead letter that was published again. */
function replayRow(batch: ReadBatch, i: number, side: SideRow): SideRow {
  const header = decoder.decode(headerOf(batch, i));
  return { ...side, kind: "replay", payload: null, event_key: null, header };
}

function sideRow(
  kernel: Kernel,
  batch: ReadBatch,
  i: number,
  judged: Judged,
  row: number,
  state: LandingState,
): SideRow {
  const { logId, topicId } = state.partitions[batch.partition]!;
  const payload = payloadOf(batch, i) ?? new Uint8Array(0);
  const fate = judged.fates[row]!;
  const isDead = fate === DEAD;
  const reason = isDead ? judged.reasons.get(row) : undefined;
  const key = keyOf(batch, i);
  return {
    kind: isDead ? "dead" : "duplicate",
    fate: isDead ? "dead_letter" : fate === DUPLICATE ? "duplicate" : "landed",
    event_id: judged.eventIds[row] ?? null,
    log_id: logId,
    topic_id: topicId,
    log_partition: BigInt(batch.partition),
    log_offset: BigInt(batch.offsets[i]!),
    ingest_time: BigInt(judged.ingestMs[row]!) * 1_000n,
    bytes_hash: kernel.hash64(payload),
    reason: reason?.code ?? null,
    pointer: reason?.pointer ?? null,
    detail: reason?.detail ?? null,
    payload: isDead ? payload : null,
    header: isDead ? decoder.decode(headerOf(batch, i)) : null,
    event_key: isDead && key ? decoder.decode(key) : null,
  };
}

/** Days of acceptance and the rows that land in them, in (partition, offset) order. */
function rowsByDay({ fates, ingestMs }: Judged): Map<number, Uint32Array> {
  const days = new Map<number, { readonly rows: Uint32Array; count: number }>();
  let day = Number.NaN;
  let of: { readonly rows: Uint32Array; count: number } | undefined;
  for (let row = 0; row < fates.length; row++) {
    if (fates[row] !== LANDED) continue;
    const rowDay = Math.floor(ingestMs[row]! / DAY_MS);
    if (!of || rowDay !== day) {
      day = rowDay;
      of = days.get(day) ?? { rows: new Uint32Array(fates.length), count: 0 };
      days.set(day, of);
    }
    of.rows[of.count++] = row;
  }
  return new Map([...days].map(([number, { rows, count }]) => [number, rows.subarray(0, count)]));
}

function envelopeOf(
  slots: number,
  batches: readonly ReadBatch[],
  judged: Judged,
  watermarkMs: number | undefined,
): EnvelopeColumns {
  const eventIds = new Array<string>(slots);
  const keys = new Array<string | null>(slots);
  const flowIds = new Array<string | null>(slots);
  const eventTimesUs = new BigInt64Array(slots);
  const ingestMs = new Float64Array(slots);
  const partitions = new Int32Array(slots);
  const offsets = new Float64Array(slots);
  const flowIdOf = flowIdReader();
  eachRow(batches, (batch, i, row) => {
    if (judged.fates[row] !== LANDED) return;
    const slot = judged.slots[row]!;
    eventIds[slot] = judged.eventIds[row]!;
    keys[slot] =
      batch.index[i * RECORD_WORDS + KEY_LENGTH] === ABSENT ? null : decoder.decode(keyOf(batch, i)!);
    flowIds[slot] = judged.flowIds[row] ?? flowIdOf(batch, i);
    eventTimesUs[slot] = judged.timesUs[row]!;
    ingestMs[slot] = judged.ingestMs[row]!;
    partitions[slot] = batch.partition;
    offsets[slot] = batch.offsets[i]!;
  });
  const watermarkUs = watermarkMs === undefined ? null : BigInt(watermarkMs) * 1_000n;
  return { eventIds, eventTimesUs, ingestMs, keys, partitions, offsets, flowIds, watermarkUs };
}

/** The flow id in a record's header. Records of one request have the same header, so the last answer mostly fits. */
function flowIdReader(): (batch: ReadBatch, i: number) => string | null {
  let last: Buffer = Buffer.alloc(0);
  let lastFlowId: string | null = null;
  return (batch, i) => {
    const { index, bytes } = batch;
    const at = index[i * RECORD_WORDS + HEADER_AT]!;
    const length = index[i * RECORD_WORDS + HEADER_LENGTH]!;
    if (length === ABSENT || length === 0) return null;
    if (length === last.length && last.compare(bytes, at, at + length) === 0) return lastFlowId;
    last = Buffer.from(bytes.buffer, bytes.byteOffset + at, length);
    const match = FLOW_ID.exec(last.toString());
    lastFlowId = match ? (JSON.parse(match[1]!) as string) : null;
    return lastFlowId;
  };
}

/** Visits every record with its row number. */
export function eachRow(
  batches: readonly ReadBatch[],
  visit: (batch: ReadBatch, i: number, row: number) => void,
): void {
  let row = 0;
  for (const batch of batches) for (let i = 0; i < batch.count; i++) visit(batch, i, row++);
}
