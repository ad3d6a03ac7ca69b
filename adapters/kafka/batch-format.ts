/** Where the parts of a record batch of version 2 begin, bytes; what its attributes say; its checksum. */
import { crc32c, Writer } from "@platformatic/kafka";

export const BATCH = {
  baseOffset: 0,
  length: 8,
  leaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  firstTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  sequence: 53,
  count: 57,
  /** The whole head. */
  head: 61,
} as const;

/** Bits of the attributes. */
export const COMPRESSION = 0b111;
export const ZSTD = 4;
export const IS_APPEND_TIME = 1 << 3;
export const IS_TRANSACTIONAL = 1 << 4;
export const IS_CONTROL = 1 << 5;

/** CRC-32C. The client's copies all of what it is given, but for buffers of its own kind (measured: 3.5 times). */
export function checksum(bytes: Buffer): number {
  return crc32c(Writer.create().append(bytes).dynamicBuffer);
}
