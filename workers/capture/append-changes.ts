/**
 * Changes into the log, each of them at last. A row that is larger than the log's largest record cannot be there, and
 * waiting does not make it smaller: what stands in its place is its beginning, with a note that names it. Landing makes
 * that a dead letter, so everybody can see which row is missing; the capture goes on.
 */
import { changePlace } from "../../core/change.ts";
import { hasCode } from "../../core/errors.ts";
import { headerOf, keyOf, packRecords, payloadOf, type RecordBatch } from "../../core/record.ts";
import { refusalMember } from "../../core/refusal-note.ts";
import { appendAtLast, type AppendPorts } from "../ingest/append-at-last.ts";

/** Of a row that the log does not take: enough for its place and a good part of its columns, bytes. */
const KEPT_BYTES = 16_384;
/** Of a key in the note, characters. */
const KEY_LENGTH_MAX = 1_000;
/** A change begins so, and its id follows (core/change.ts). */
const ID_AT = '{"metadata":{"eid":"'.length;
const ID_LENGTH = 36;

const decoder = new TextDecoder();

/** @throws what no further attempt changes; and when the signal is aborted */
export async function appendChanges(
  ports: AppendPorts,
  stream: string,
  partition: number,
  batch: RecordBatch,
  signal: AbortSignal,
): Promise<void> {
  await appendAtLast(ports, stream, partition, batch, signal, async (record) => {
    const stub = stubOf(record);
    ports.logger.error("a row is larger than the log takes, and becomes a dead letter", {
      stream,
      bytes: payloadOf(record, 0)!.length,
      key: keyTextOf(record),
    });
    try {
      await appendAtLast(ports, stream, partition, stub, signal);
    } catch (error) {
      if (!hasCode(error, "log.batch_too_large")) throw error;
      // A log that takes less than that takes its place at least.
      await appendAtLast(ports, stream, partition, stubOf(record, ID_AT + ID_LENGTH), signal);
    }
  });
}

/** @param record a batch of one */
function stubOf(record: RecordBatch, keptBytes: number = KEPT_BYTES): RecordBatch {
  const payload = payloadOf(record, 0)!;
  const place = changePlace(decoder.decode(payload.subarray(ID_AT, ID_AT + ID_LENGTH)));
  const where = place ? ` at ${place.lsn}, index ${place.index}` : "";
  const detail =
    `the row ${keyTextOf(record) ?? "without a key"}${where} has ${payload.length} bytes as an event, more than ` +
    "the log takes for one. Raise its limit (Kafka: max.message.bytes), and copy the table anew";
  const note = refusalMember({ code: "event.too_large", pointer: null, detail });
  const header = headerOf(record, 0);
  const own = header.length === 0 ? {} : (JSON.parse(decoder.decode(header)) as Record<string, unknown>);
  return packRecords([
    {
      payload: payload.subarray(0, keptBytes),
      header: JSON.stringify({ ...note, ...own }),
      key: keyOf(record, 0),
    },
  ]);
}

function keyTextOf(record: RecordBatch): string | null {
  const key = keyOf(record, 0);
  return key && decoder.decode(key).slice(0, KEY_LENGTH_MAX);
}
