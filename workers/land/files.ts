/**
 * The files of one attempt: rows in (event time, partition, offset) order, one file per day of acceptance, and the
 * side rows.
 */
import {
  ABSENT,
  HEADER_AT,
  HEADER_LENGTH,
  headerOf,
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
import { checksumTags } from "../../lake/checksum.ts";
import type { EventEncoder } from "../../lake/parquet/event-encoder.ts";
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

const decoder = new TextDecoder();

/** Writes what landed. @returns one `add` per day of acceptance; none when nothing landed */
export async function writeDataFiles(
  ports: FilePorts,
  table: string,
  encoder: EventEncoder,
  judged: Judged,
  state: LandingState,
): Promise<AddFile[]> {
  const watermarkUs = state.watermarkMs === undefined ? null : BigInt(state.watermarkMs) * 1_000n;
  const envelope = { eventTimesUs: judged.timesUs, ingestMs: judged.ingestMs, watermarkUs };
  const turn = (): Promise<void> => ports.clock.sleep(0);
  const files: AddFile[] = [];
  for (const [day, rows] of rowsByDay(judged)) {
    const ordered = ports.kernel.order(judged.timesUs, rows);
    const encoded = await encoder.write(ordered, envelope, turn);
    const date = new Date(day * DAY_MS).toISOString().slice(0, 10);
    const path = dataFilePath({ [INGEST_DATE]: date }, ports.randomness.uuid());
    await ports.store.put(`${table}/${path}`, encoded.bytes);
    const file = addFile({
      path,
      partitionValues: { [INGEST_DATE]: date },
      bytes: encoded.bytes.length,
      modifiedMs: ports.clock.nowMs(),
      tags: checksumTags(encoded.bytes),
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
  encoder: EventEncoder,
  batches: readonly ReadBatch[],
  judged: Judged,
  state: LandingState,
): Promise<SideFile> {
  const rows: SideRow[] = [];
  let replays = 0;
  const { fates } = judged;
  let first = 0;
  for (const batch of batches) {
    const isReplay = replayTest(batch);
    for (let i = 0; i < batch.count; i++) {
      const isOneAgain = isReplay(i);
      if (fates[first + i] === LANDED && !isOneAgain) continue;
      const side = sideRow(ports.kernel, encoder, batch, i, judged, first + i, state);
      if (fates[first + i] !== LANDED) rows.push(side);
      if (!isOneAgain) continue;
      rows.push(replayRow(batch, i, side));
      replays++;
    }
    first += batch.count;
  }
  if (rows.length === 0) return { path: null, replays };
  const path = sidePath(table, ports.randomness.uuid());
  await writeSideFile(ports.store, path, rows);
  return { path, replays };
}

/** Whether a record's header begins with a replay's note. Records of one request share a header: it is read once. */
function replayTest({ bytes, index }: ReadBatch): (i: number) => boolean {
  let at = -1;
  let length = -1;
  let isReplay = false;
  return (i) => {
    const word = i * RECORD_WORDS;
    if (index[word + HEADER_AT] === at && index[word + HEADER_LENGTH] === length) return isReplay;
    at = index[word + HEADER_AT]!;
    length = index[word + HEADER_LENGTH]!;
    isReplay = hasReplayNote(bytes, at, length === ABSENT ? 0 : length);
    return isReplay;
  };
}

/** A second row of the same record: what became of a dead letter that was published again. */
function replayRow(batch: ReadBatch, i: number, side: SideRow): SideRow {
  const header = decoder.decode(headerOf(batch, i));
  return { ...side, kind: "replay", payload: null, event_key: null, header };
}

function sideRow(
  kernel: Kernel,
  encoder: EventEncoder,
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
    event_id: encoder.eventId(row),
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
