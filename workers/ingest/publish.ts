/**
 * Publishing (Nakadi's `POST /event-types/{name}/events`): one scan of the body, a verdict per event, one batch per
 * partition. Acknowledged only when every append has resolved.
 *
 * From the scan to the batches nothing is awaited: the scan's columns live in the kernel's memory, which the next
 * request's scan overwrites.
 */
import type { Principal } from "../../core/authorize.ts";
import type { ErrorCode } from "../../core/errors.ts";
import { MuaraError } from "../../core/errors.ts";
import { answerHeaders, jsonResponse } from "../../core/http.ts";
import type { Kernel } from "../../core/kernel.ts";
import type { Scan } from "../../core/kernel-scan.ts";
import type { Measures } from "../../core/measures.ts";
import type { Log } from "../../core/ports/log.ts";
import type { Meter } from "../../core/quota.ts";
import { replayMembers, type ReplayNote } from "../../core/replay.ts";
import { activeTraceparent, annotate, isTracing } from "../../core/trace.ts";
import { partialItems, rejectedResponse } from "./answers.ts";
import { assignPartitions } from "./assign.ts";
import { buildBatches, type PartitionBatch, type RecordHeaders } from "./batches.ts";
import type { Contract } from "./contract.ts";
import { Failures } from "./failures.ts";
import { Judge } from "./judge.ts";

/**
 * Keys the identities that `random` partitions by. Fixed, so that an event sent again, to whichever process, meets
 * its twin.
 */
const PARTITION_SECRET = new Uint8Array(16);
/** Most events are longer; a first scan for this many saves laying out columns for the most that are allowed. */
const TYPICAL_EVENT_BYTES = 64;

/** Refusals before anything was written. */
const NOT_STORED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "log.overloaded",
  "log.full",
  "log.closed",
  "log.stream_not_found",
  "log.partition_not_found",
]);

const encoder = new TextEncoder();

export interface PublishRequest {
  readonly contract: Contract;
  readonly body: Uint8Array;
  readonly principal: Principal;
  readonly flowId: string;
  readonly maxEvents: number;
  /** Partition for events without an id. */
  readonly spare: number;
  /** Of a dead letter that is published again. */
  readonly replay?: ReplayNote | undefined;
  /** Judges only: nothing is written, 200 means that it would be. */
  readonly isDryRun?: boolean | undefined;
  /** Told how many events the body has. */
  readonly meter?: Meter | undefined;
  readonly measures?: Measures | undefined;
}

/**
 * @throws request.malformed, batch.empty, batch.too_many; log.overloaded, log.full or log.closed where nothing was
 *   written
 */
export async function publish(log: Log, kernel: Kernel, request: PublishRequest): Promise<Response> {
  const { contract, flowId } = request;
  const scan = scanEvents(kernel, contract, request.body, request.maxEvents);
  checkBody(scan, request.maxEvents);
  if (!request.isDryRun) request.meter?.events(scan.count);
  if (isTracing()) annotate({ "muara.event_type": contract.type.name, "muara.events": scan.count });
  const failures = new Failures();
  new Judge(contract, scan, failures).run();
  const assigned = assignPartitions(contract, scan, failures, request.spare);
  if (failures.size > 0) return rejectedResponse(request, scan, failures);
  if (request.isDryRun) return new Response(null, { status: 200, headers: answerHeaders(flowId) });
  const batches = buildBatches(contract, scan, assigned, recordHeaders(request));
  const errors = await appendAll(log, contract.type.name, batches);
  return settledResponse(request, batches, errors);
}

/** A body of few bytes per event is scanned twice; all others once, with columns for no more events than fit. */
export function scanEvents(kernel: Kernel, contract: Contract, body: Uint8Array, maxEvents: number): Scan {
  const likely = Math.min(maxEvents, Math.ceil(body.length / TYPICAL_EVENT_BYTES) + 1);
  const scan = scanItems(kernel, contract, body, likely);
  if (scan.failure?.code !== "batch.too_many" || likely === maxEvents) return scan;
  return scanItems(kernel, contract, body, maxEvents);
}

/** @throws request.malformed, batch.empty, batch.too_many */
export function checkBody(scan: Scan, maxEvents: number): void {
  if (scan.failure?.code === "batch.too_many")
    throw new MuaraError("batch.too_many", `The request holds more than ${maxEvents} events.`, {
      details: { limit: maxEvents },
    });
  if (scan.failure) {
    const { at } = scan.failure;
    const next = at === 0 ? " Events come in a list, a single one too: [{…}]." : "";
    throw new MuaraError("request.malformed", `The body is no JSON array: wrong at byte ${at}.${next}`, {
      details: { at },
    });
  }
  if (scan.count === 0) throw new MuaraError("batch.empty", "The request holds no event.");
}

function scanItems(kernel: Kernel, contract: Contract, body: Uint8Array, maxItems: number): Scan {
  return kernel.scanArray(contract.plan, body, PARTITION_SECRET, { maxItems, normaliseLineBreaks: true });
}

/** What the door adds to each record of a request. An event that names its own flow id keeps it. */
function recordHeaders({ contract, principal, flowId, replay }: PublishRequest): RecordHeaders {
  const traceparent = activeTraceparent();
  const traced = traceparent === undefined ? {} : { traceparent };
  const added = { schema_version: contract.type.schema.version, published_by: principal.id, ...traced };
  const note = replay ? replayMembers(replay) : {};
  return {
    withFlowId: encoder.encode(JSON.stringify({ ...note, flow_id: flowId, ...added })),
    withoutFlowId: encoder.encode(JSON.stringify({ ...note, ...added })),
  };
}

/** @returns [batch] why it may not be stored; undefined where it is */
export async function appendAll(
  log: Log,
  stream: string,
  batches: readonly PartitionBatch[],
): Promise<(MuaraError | undefined)[]> {
  const outcomes = await Promise.allSettled(
    batches.map(({ partition, batch }) => log.append(stream, partition, batch)),
  );
  return outcomes.map((outcome) => {
    if (outcome.status === "fulfilled") return undefined;
    if (outcome.reason instanceof MuaraError) return outcome.reason;
    throw outcome.reason;
  });
}

/**
 * 200 where all is stored, 207 where some is or may be. Where nothing is for sure, the reason as a problem: the
 * producer may simply send the same again.
 */
export function settledResponse(
  { contract, flowId, measures }: Pick<PublishRequest, "contract" | "flowId" | "measures">,
  batches: readonly PartitionBatch[],
  errors: readonly (MuaraError | undefined)[],
): Response {
  const stored = batches.reduce((sum, { batch }, i) => (errors[i] ? sum : sum + batch.count), 0);
  measures?.count("muara_ingest_events", { event_type: contract.type.name }, stored);
  const failed = errors.filter((error) => error !== undefined);
  if (failed.length === 0) return new Response(null, { status: 200, headers: answerHeaders(flowId) });
  const isNothingStored =
    failed.length === errors.length && failed.every((error) => NOT_STORED.has(error.code));
  if (isNothingStored) throw failed[0]!;
  return jsonResponse(partialItems(contract, batches, errors), 207, flowId);
}
