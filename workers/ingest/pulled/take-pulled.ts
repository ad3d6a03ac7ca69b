/**
 * A batch of another Nakadi on its way into our log: judged as the door judges, but never refused. The remote has
 * accepted these events, so nobody could be told: one that our door would refuse is appended with a note of the
 * reason, and landing makes it a dead letter (`core/refusal-note.ts`).
 *
 * Every record's header says where it came from (`origin`), down to what the remote added to its metadata.
 *
 * Surprising rule: this waits for as long as the log cannot take the batch. A batch given up half way and a later one
 * appended would break the order of the partition, and the later one's cursor would acknowledge both.
 */
import type { Clock, Randomness } from "../../../core/clock.ts";
import type { Kernel } from "../../../core/kernel.ts";
import type { Scan } from "../../../core/kernel-scan.ts";
import type { Logger } from "../../../core/logger.ts";
import type { Log } from "../../../core/ports/log.ts";
import { packRecords, RECORD_WORDS, type RecordBatch } from "../../../core/record.ts";
import { refusalMember, type RefusalNote } from "../../../core/refusal-note.ts";
import { appendAtLast } from "../append-at-last.ts";
import { assignPartitions } from "../assign.ts";
import { buildBatches, type OwnHeaders } from "../batches.ts";
import type { Contract } from "../contract.ts";
import { type Failure, Failures } from "../failures.ts";
import { Judge } from "../judge.ts";
import { ByteWriter } from "../streams/byte-writer.ts";
import { stripMetadata, type Stripped } from "./strip-metadata.ts";

/** Where a batch comes from; goes into the records' headers. */
export interface Origin {
  /** Name of the pull. */
  readonly pull: string;
  readonly event_type: string;
  readonly partition: string;
  /** Of the batch's last event, as the remote writes it. */
  readonly offset: string;
}

export interface PulledBatch {
  readonly origin: Origin;
  /** Ours. */
  readonly eventType: string;
  /** JSON array of events as the remote sent them. */
  readonly events: Uint8Array;
  /** Where all of them go; undefined: each where its event type's strategy has it. */
  readonly partition: number | undefined;
  /** A reason for which all of it goes to the dead letters, as one. */
  readonly fault?: RefusalNote | undefined;
}

export interface Taken {
  /** Events in the log. */
  readonly events: number;
  /** Of these, those that go to the dead letters. */
  readonly refused: number;
}

export interface TakePorts {
  readonly log: Log;
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
}

/** Events of a batch, at most; the remote has been asked for fewer. */
const EVENTS_MAX = 1_000_000;
const NOTHING = new Uint8Array(0);
const encoder = new TextEncoder();
const CLOSE_OBJECTS = encoder.encode("}}}");
const FROM_EVENT = encoder.encode(',"metadata":{');

/**
 * Resolves when all of it is durable. Must be called where a contract may be used (`Contracts.use`).
 * @throws log.closed, log.stream_not_found, log.batch_too_large; and when the signal is aborted
 */
export async function takePulled(
  ports: TakePorts,
  contract: Contract,
  batch: PulledBatch,
  eventBytesMax: number,
  signal: AbortSignal,
): Promise<Taken> {
  const partition = batch.partition === undefined ? undefined : batch.partition % contract.partitions;
  const { parts, taken } = batchesOf(ports, contract, batch, partition, eventBytesMax);
  await Promise.all(
    parts.map((part) => appendAtLast(ports, contract.type.name, part.partition, part.batch, signal)),
  );
  return taken;
}

interface Parts {
  readonly parts: readonly { readonly partition: number; readonly batch: RecordBatch }[];
  readonly taken: Taken;
}

/** Nothing is awaited in here: the scan lives in the kernel's memory. */
function batchesOf(
  { kernel, randomness }: TakePorts,
  contract: Contract,
  batch: PulledBatch,
  partition: number | undefined,
  eventBytesMax: number,
): Parts {
  const spare = partition ?? Math.floor(randomness.fraction() * contract.partitions);
  if (batch.fault) return asOneLetter(contract, batch, spare, batch.fault, eventBytesMax);
  const keepsPartition = partition === undefined;
  const stripped = stripMetadata(kernel, contract, batch.events, keepsPartition, EVENTS_MAX);
  const { scan } = stripped;
  if (scan.failure) {
    const detail = `the remote's batch is no JSON array of events: wrong at byte ${scan.failure.at}`;
    return asOneLetter(
      contract,
      batch,
      spare,
      { code: "event.not_json", pointer: null, detail },
      eventBytesMax,
    );
  }
  const failures = new Failures();
  new Judge(contract, scan, failures).run();
  const assigned =
    partition === undefined
      ? assignPartitions(contract, scan, failures, spare)
      : new Uint32Array(scan.count).fill(partition);
  const own = headersOf(contract, scan, failures, stripped, batch.origin);
  const headers = { withFlowId: NOTHING, withoutFlowId: NOTHING, own };
  const parts = buildBatches(contract, scan, assigned, headers).map((part) => ({
    ...part,
    batch: failures.size === 0 ? part.batch : cutLong(part.batch, eventBytesMax),
  }));
  return { parts, taken: { events: scan.count, refused: failures.size } };
}

/** What cannot be split into events is one record. */
function asOneLetter(
  contract: Contract,
  { events, origin }: PulledBatch,
  partition: number,
  note: RefusalNote,
  eventBytesMax: number,
): Parts {
  const header = JSON.stringify({ ...refusalMember(note), ...common(contract, origin), origin });
  const batch = packRecords([{ payload: events.subarray(0, eventBytesMax), header }]);
  return { parts: [{ partition, batch }], taken: { events: 1, refused: 1 } };
}

/** A refused event longer than events may be keeps its beginning: the log might not take more. */
function cutLong(batch: RecordBatch, eventBytesMax: number): RecordBatch {
  const { index } = batch;
  for (let word = 1; word < index.length; word += RECORD_WORDS)
    index[word] = Math.min(index[word]!, eventBytesMax);
  return batch;
}

function common({ type }: Contract, { pull }: Origin): Record<string, unknown> {
  return { schema_version: type.schema.version, published_by: `pull:${pull}` };
}

/** Neighbours to which the remote added the same share a header. */
function headersOf(
  contract: Contract,
  scan: Scan,
  failures: Failures,
  { taken, takenEnds }: Stripped,
  origin: Origin,
): OwnHeaders {
  const all = { ...common(contract, origin), origin };
  const start = encoder.encode(JSON.stringify(all).slice(0, -2)); // its two braces follow behind `metadata`
  const out = new ByteWriter(start.length * 2 + taken.length + takenEnds.length);
  const starts = new Uint32Array(scan.count);
  const lengths = new Uint32Array(scan.count);
  let before = -1;
  for (let item = 0; item < scan.count; item++) {
    const from = item === 0 ? 0 : takenEnds[item - 1]!;
    const failure = failures.get(item);
    if (before >= 0 && !failure && isSameRange(taken, takenEnds, before, item)) {
      starts[item] = starts[before]!;
      lengths[item] = lengths[before]!;
      continue;
    }
    const at = out.length;
    const begin = failure
      ? encoder.encode(JSON.stringify({ ...refusalMember(noteOf(failure)), ...all }))
      : start;
    out.copy(begin, 0, failure ? begin.length - 2 : begin.length);
    out.write(FROM_EVENT);
    out.copy(taken, from, takenEnds[item]!);
    out.write(CLOSE_OBJECTS);
    starts[item] = at;
    lengths[item] = out.length - at;
    before = failure ? -1 : item;
  }
  return { bytes: out.done(), starts, lengths };
}

/** Whether two events had the same taken from them. */
function isSameRange(taken: Uint8Array, ends: Uint32Array, a: number, b: number): boolean {
  const [aFrom, bFrom] = [a === 0 ? 0 : ends[a - 1]!, ends[b - 1]!];
  const length = ends[a]! - aFrom;
  if (ends[b]! - bFrom !== length) return false;
  for (let i = 0; i < length; i++) if (taken[aFrom + i] !== taken[bFrom + i]) return false;
  return true;
}

function noteOf({ code, pointer, reason }: Failure): RefusalNote {
  const place = pointer.replace(/^#/, "");
  return { code, pointer: place === "" ? null : place, detail: reason };
}
