/** Documents that all have a row, as one file. Needs no more than web APIs, so that an edge isolate runs it, too. */
import type { EventType } from "../../../core/event-type.ts";
import type { Kernel } from "../../../core/kernel.ts";
import { packRecords } from "../../../core/record.ts";
import { createEventEncoder } from "../../../lake/parquet/event-encoder.ts";
import type { PageCodec } from "../../../lake/parquet/event-file.ts";

const encoder = new TextEncoder();

export async function encodeDocuments(
  kernel: Kernel,
  type: EventType,
  codec: PageCodec,
  documents: readonly string[],
): Promise<Uint8Array> {
  const count = documents.length;
  const events = createEventEncoder(kernel, type, { maxBytes: 1_000_000, maxDepth: 64 }, codec);
  const { rejections } = events.scan(
    {
      ...packRecords(documents.map((document) => ({ payload: encoder.encode(document) }))),
      stream: "s",
      partition: 0,
      offsets: Float64Array.from(documents, (_, i) => i),
      ingestMs: new Float64Array(count),
      next: count,
      endOffset: count,
    },
    new Uint8Array(16),
    "id-",
  );
  if (rejections.size > 0) throw new Error(`${rejections.size} documents have no row`);
  const rows = Uint32Array.from(documents, (_, i) => i);
  const envelope = {
    eventTimesUs: BigInt64Array.from(documents, (_, i) => BigInt(i)),
    ingestMs: new Float64Array(count).fill(1_700_000_000_000),
    watermarkUs: null,
  };
  const { bytes } = await events.write(rows, envelope, async () => {});
  events.destroy();
  return bytes;
}
