/**
 * The log's own records of a subject, of one event type. They are found by their place, where a row of the table, a
 * dead letter or a duplicate names it, and by what they hold: the field has the value, or, in what is no JSON, the
 * value's text is anywhere in it.
 *
 * The surprising rule: only what has landed becomes a tombstone. What is in flight will be a row, and be found then;
 * taken out of the log before, it would be an event that was accepted and vanished.
 */
import { landedPartitions } from "../core/landed.ts";
import type { Log, LogRange, LogRecord } from "../core/ports/log.ts";
import type { TableSnapshot } from "../core/ports/table-log.ts";
import { payloadOf } from "../core/record.ts";
import type { EraseRequest } from "./erase-request.ts";
import type { LogPlaces } from "./log-places.ts";
import { bodiesOf, payloadMatcher } from "./subject.ts";

const READ_BYTES = 4_194_304;

/** Up to where each partition of the log has landed: [partition] next offset. */
export type Cursors = ReadonlyMap<number, number>;

export async function cursorsOf(
  log: Log | undefined,
  table: string,
  { txns }: TableSnapshot,
): Promise<Cursors> {
  const stream = await log?.stream(table);
  const ours = landedPartitions(txns).filter(
    ({ logId, topicId }) => logId === log?.id && topicId === stream?.topicId,
  );
  return new Map(ours.map(({ partition, cursor }) => [partition, cursor]));
}

/**
 * @param from where to begin; what is missing begins at 0
 * @returns how many records became tombstones; null where the log cannot do that
 */
export async function eraseRecords(
  log: Log | undefined,
  request: EraseRequest,
  places: LogPlaces,
  from: Cursors,
  to: Cursors,
): Promise<number | null> {
  if (!log?.erase) return null;
  const table = request.eventType.name;
  // There a tombstone would delete its key, and with it what others may have said of it since.
  if ((await log.stream(table))?.cleanup === "compact") return null;
  const ranges = [...to].map(([partition, end]): LogRange => ({
    partition,
    from: from.get(partition) ?? 0,
    to: end,
  }));
  if (ranges.every((range) => range.from >= range.to)) return 0;
  const matches = payloadMatcher(request.subject, bodiesOf(request.eventType));
  const isGone = ({ partition, offset, payload }: LogRecord): boolean =>
    places.has(partition, offset) || matches(payload);
  return log.erase(table, ranges, isGone, request.signal);
}

/** Records of the subject that have not landed yet. */
export async function countInFlight(
  log: Log | undefined,
  { eventType, subject, signal }: EraseRequest,
  cursors: Cursors,
): Promise<number> {
  const stream = await log?.stream(eventType.name);
  if (!log || !stream) return 0;
  const matches = payloadMatcher(subject, bodiesOf(eventType));
  let count = 0;
  for (let partition = 0; partition < stream.partitions; partition++) {
    const { startOffset, endOffset } = await log.bounds(stream.name, partition);
    for (let at = Math.max(startOffset, cursors.get(partition) ?? 0); at < endOffset;) {
      signal.throwIfAborted();
      const batch = await log.read(stream.name, partition, at, READ_BYTES);
      for (let i = 0; i < batch.count; i++) {
        const payload = payloadOf(batch, i);
        if (payload && matches(payload)) count++;
      }
      at = batch.next;
    }
  }
  return count;
}
