/**
 * Links to the requests whose records were read: the door notes its span in the header of each record of a request,
 * so the way from a landing back to them survives processes, machines and restarts.
 */
import { isEqual } from "./bytes.ts";
import { HEADER_AT, HEADER_LENGTH, ABSENT, RECORD_WORDS, type RecordBatch } from "./record.ts";
import { type Link, linkTo } from "./trace.ts";

/** OpenTelemetry's default bound of links of a span. */
const LINKS_MAX = 128;
const TRACEPARENT = /"traceparent":"([0-9a-f-]{55})"/;
const decoder = new TextDecoder();

/** Of the first `LINKS_MAX` requests. Records of a request stand together and have one header: it is read once. */
export function linksOf(batches: readonly RecordBatch[]): readonly Link[] {
  const found = new Map<string, Link>();
  let last: Uint8Array = new Uint8Array(0);
  for (const { bytes, index, count } of batches)
    for (let i = 0; i < count && found.size < LINKS_MAX; i++) {
      const length = index[i * RECORD_WORDS + HEADER_LENGTH]!;
      if (length === ABSENT || length === 0) continue;
      const at = index[i * RECORD_WORDS + HEADER_AT]!;
      if (isEqual(bytes, at, at + length, last)) continue;
      last = bytes.subarray(at, at + length);
      const traceparent = TRACEPARENT.exec(decoder.decode(last))?.[1];
      const link = traceparent === undefined || found.has(traceparent) ? undefined : linkTo(traceparent);
      if (link) found.set(traceparent!, link);
    }
  return [...found.values()];
}
