/** Envelope columns for rows that only their payload matters of. */
import type { EnvelopeColumns } from "../../oracle/parquet/plain-encoder.ts";

export function envelopeFor(count: number): EnvelopeColumns {
  return {
    eventIds: Array.from({ length: count }, (_, i) => `id-${i}`),
    eventTimesUs: BigInt64Array.from({ length: count }, (_, i) => BigInt(i) - 5n),
    ingestMs: Float64Array.from({ length: count }, (_, i) => 1_700_000_000_000 + i),
    keys: Array.from({ length: count }, (_, i) => (i % 2 === 0 ? null : `key-${i}`)),
    partitions: new Int32Array(count).fill(3),
    offsets: Float64Array.from({ length: count }, (_, i) => 2 ** 31 - 2 + i),
    flowIds: Array.from({ length: count }, () => null),
    watermarkUs: null,
  };
}
