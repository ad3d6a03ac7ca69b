/**
 * The outbox of a source: messages that its owner wrote into the log within the transaction that they tell of. They
 * become events of declared types, in the order in which they were written.
 *
 * Nothing is refused: the transaction has committed, and nobody could be told. What the judge finds wrong is appended
 * with a note of the reason, and landing makes it a dead letter (decision 037). A type that is not declared is waited
 * for: there is no table that its events could be dead letters of.
 */
import type { Capture } from "../../core/capture.ts";
import type { ChangePlace } from "../../core/change.ts";
import type { Kernel } from "../../core/kernel.ts";
import type { SourceMessage } from "../../core/ports/source.ts";
import { packRecords, RECORD_WORDS, type RecordBatch } from "../../core/record.ts";
import type { Registry } from "../../core/registry.ts";
import { refusalMember, type RefusalNote } from "../../core/refusal-note.ts";
import { type AppendPorts, appendAtLast } from "../ingest/append-at-last.ts";
import { assignPartitions } from "../ingest/assign.ts";
import { buildBatches, type OwnHeaders } from "../ingest/batches.ts";
import { type Contract, Contracts } from "../ingest/contract.ts";
import { type Failure, Failures } from "../ingest/failures.ts";
import { Judge } from "../ingest/judge.ts";
import { ByteWriter } from "../ingest/streams/byte-writer.ts";
import { scanMessages } from "./message-body.ts";
import { isBehind, type MessageOrigin, newestMessage } from "./outbox-resume.ts";

const NOTHING = new Uint8Array(0);
const encoder = new TextEncoder();

export interface OutboxPorts extends AppendPorts {
  readonly registry: Registry;
  readonly kernel: Kernel;
}

export interface OutboxLimits {
  readonly eventBytes: number;
  readonly depth: number;
}

interface OutboxRequest {
  readonly capture: Pick<Capture, "name" | "messages">;
  readonly incarnation: number;
  readonly messages: readonly SourceMessage[];
}

export interface Outbox {
  /**
   * Resolves when all that have a type are durable; others are left out.
   * @throws event_type.not_found, log.closed, log.stream_not_found; and when the signal is aborted
   */
  publish(
    capture: OutboxRequest["capture"],
    incarnation: number,
    messages: readonly SourceMessage[],
    signal: AbortSignal,
  ): Promise<void>;
}

export function createOutbox(ports: OutboxPorts, limits: OutboxLimits): Outbox {
  const contracts = new Contracts(ports, { maxBytes: limits.eventBytes, maxDepth: limits.depth });
  /** By session, which its signal stands for: whoever had the capture before may have appended. */
  const sessions = new WeakMap<AbortSignal, Map<string, ChangePlace | undefined>>();
  return {
    publish: async (capture, incarnation, messages, signal) => {
      const known = sessions.get(signal) ?? new Map<string, ChangePlace | undefined>();
      sessions.set(signal, known);
      for (const [eventType, ofType] of byType(capture, messages)) {
        const request = { capture, incarnation, messages: ofType };
        const parts = await contracts.use(eventType, (contract) =>
          partsOf(ports.kernel, contract, request, limits.eventBytes),
        );
        // One after the other: messages of one partition may be in several.
        for (const part of parts) {
          const key = `${eventType}/${part.partition}`;
          if (!known.has(key))
            known.set(key, await newestMessage(ports.log, capture.name, eventType, part.partition));
          const batch = withoutKnown(part, known.get(key));
          if (batch.count > 0) await appendAtLast(ports, eventType, part.partition, batch, signal);
        }
      }
    },
  };
}

function byType(
  capture: OutboxRequest["capture"],
  messages: readonly SourceMessage[],
): ReadonlyMap<string, SourceMessage[]> {
  const found = new Map<string, SourceMessage[]>();
  for (const message of messages) {
    const eventType = eventTypeOf(capture, message);
    if (eventType === undefined) continue;
    const same = found.get(eventType);
    if (same) same.push(message);
    else found.set(eventType, [message]);
  }
  return found;
}

/** Messages come in the order of their places: those that are known are the first ones. */
function withoutKnown({ batch, places }: Part, newest: ChangePlace | undefined): RecordBatch {
  if (!newest) return batch;
  const first = places.findIndex((place) => isBehind(place, newest));
  const from = first < 0 ? batch.count : first;
  return { ...batch, count: batch.count - from, index: batch.index.subarray(from * RECORD_WORDS) };
}

function eventTypeOf({ messages }: OutboxRequest["capture"], message: SourceMessage): string | undefined {
  if (message.eventType !== undefined) return message.eventType;
  return Object.hasOwn(messages, message.prefix) ? messages[message.prefix] : undefined;
}

interface Part {
  readonly partition: number;
  readonly batch: RecordBatch;
  /** [record] */
  readonly places: readonly ChangePlace[];
}

/** Nothing is awaited in here: the scan lives in the kernel's memory. */
function partsOf(kernel: Kernel, contract: Contract, request: OutboxRequest, eventBytesMax: number): Part[] {
  const { messages, incarnation } = request;
  const scan = scanMessages(kernel, contract, messages, incarnation);
  if (!scan) {
    if (messages.length === 1) return [asLetter(contract, request, messages[0]!, eventBytesMax)];
    return messages.flatMap((message) =>
      partsOf(kernel, contract, { ...request, messages: [message] }, eventBytesMax),
    );
  }
  const failures = new Failures();
  new Judge(contract, scan, failures).run();
  const assigned = assignPartitions(contract, scan, failures, spareOf(contract, messages[0]!));
  const own = headersOf(contract, failures, request);
  const headers = { withFlowId: NOTHING, withoutFlowId: NOTHING, own };
  return buildBatches(contract, scan, assigned, headers).map(({ partition, batch, items }) => ({
    partition,
    places: Array.from(items, (item) => placeOf(messages[item]!, incarnation)),
    batch: failures.size === 0 ? batch : cutLong(batch, eventBytesMax),
  }));
}

function asLetter(
  contract: Contract,
  { capture, incarnation }: OutboxRequest,
  message: SourceMessage,
  eventBytesMax: number,
): Part {
  const note: RefusalNote = {
    code: "event.not_json",
    pointer: null,
    detail: "the message is not one JSON value",
  };
  const header = JSON.stringify({
    ...refusalMember(note),
    ...common(contract, capture.name, message, incarnation),
  });
  const batch = packRecords([{ payload: message.content.subarray(0, eventBytesMax), header }]);
  const places = [placeOf(message, incarnation)];
  return { partition: spareOf(contract, message), batch, places };
}

function placeOf({ lsn, index }: SourceMessage, incarnation: number): ChangePlace {
  return { incarnation, lsn, index };
}

/** The same whenever it is read again. */
function spareOf({ partitions }: Contract, { lsn }: SourceMessage): number {
  return Number(lsn % BigInt(partitions));
}

function common(
  { type }: Contract,
  capture: string,
  { prefix, lsn, index }: SourceMessage,
  incarnation: number,
): Record<string, unknown> {
  const origin: MessageOrigin = { capture, prefix, incarnation, lsn: String(lsn), index };
  return {
    schema_version: type.schema.version,
    published_by: `capture:${capture}`,
    origin,
  };
}

function headersOf(
  contract: Contract,
  failures: Failures,
  { capture, incarnation, messages }: OutboxRequest,
): OwnHeaders {
  const out = new ByteWriter(messages.length * 128);
  const starts = new Uint32Array(messages.length);
  const lengths = new Uint32Array(messages.length);
  for (const [item, message] of messages.entries()) {
    const failure = failures.get(item);
    const header = {
      ...(failure ? refusalMember(noteOf(failure)) : {}),
      ...common(contract, capture.name, message, incarnation),
    };
    starts[item] = out.length;
    out.write(encoder.encode(JSON.stringify(header)));
    lengths[item] = out.length - starts[item];
  }
  return { bytes: out.done(), starts, lengths };
}

function noteOf({ code, pointer, reason }: Failure): RefusalNote {
  const place = pointer.replace(/^#/, "");
  return { code, pointer: place === "" ? null : place, detail: reason };
}

/** A refused event longer than events may be keeps its beginning: the log might not take more. */
function cutLong(batch: RecordBatch, eventBytesMax: number): RecordBatch {
  const { index } = batch;
  for (let word = 1; word < index.length; word += RECORD_WORDS)
    index[word] = Math.min(index[word]!, eventBytesMax);
  return batch;
}
