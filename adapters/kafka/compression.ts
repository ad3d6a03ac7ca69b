/**
 * Compression of record batches: we write zstd, and read all that Kafka has. What a batch becomes is bounded, since
 * whoever may write to a topic chooses it; and known beforehand where its frame says so, which is read into one piece.
 */
import { constants, gunzipSync, zstdCompress, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { compressionsAlgorithmsByBitmask } from "@platformatic/kafka";
import { ZSTD } from "./batch-format.ts";

const GZIP = 1;
/** Larger ones are compressed beside the event loop, which costs twice as much (measured), bytes. */
const ASYNC_BYTES = 4 * 1_048_576;
/** Of one batch's records; Kafka bounds only what is stored. */
const RECORDS_BYTES_MAX = 256 * 1_048_576;
const PIECE_BYTES = 65_536;
const PARAMS = { [constants.ZSTD_c_compressionLevel]: 3 };

export function compress(bytes: Buffer): Promise<Buffer> | Buffer {
  const { length } = bytes;
  // Mostly it shrinks to less than a quarter: the result is one piece then.
  const options = { params: PARAMS, pledgedSrcSize: length, chunkSize: Math.max(1_024, length >> 2) };
  if (length < ASYNC_BYTES) return zstdCompressSync(bytes, options);
  return new Promise((resolve, reject) => {
    zstdCompress(bytes, options, (error, packed) => (error ? reject(error) : resolve(packed)));
  });
}

/** @throws where it is no compression of Kafka's, damaged, or becomes more than is taken */
export function decompress(packed: Buffer, compression: number): Buffer {
  if (compression === ZSTD) {
    const known = zstdContentBytes(packed);
    const chunkSize = Math.min(RECORDS_BYTES_MAX, known === undefined ? PIECE_BYTES : known + 64);
    return zstdDecompressSync(packed, { chunkSize, maxOutputLength: RECORDS_BYTES_MAX });
  }
  if (compression === GZIP)
    return gunzipSync(packed, { chunkSize: PIECE_BYTES, maxOutputLength: RECORDS_BYTES_MAX });
  const algorithm = compressionsAlgorithmsByBitmask[compression];
  if (!algorithm) throw new Error(`an unknown compression (${compression})`);
  const bytes = algorithm.decompressSync(packed);
  if (bytes.length <= RECORDS_BYTES_MAX) return bytes;
  throw new Error(`more than ${RECORDS_BYTES_MAX} bytes`);
}

/** What the frame says that it holds (RFC 8878 §3.1.1.1); undefined where it does not. */
function zstdContentBytes(frame: Buffer): number | undefined {
  if (frame.length < 18 || frame.readUInt32LE(0) !== 0xfd2fb528) return undefined;
  const descriptor = frame[4]!;
  const isSingle = (descriptor & 32) !== 0;
  const at = 5 + (isSingle ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]!;
  switch (descriptor >> 6) {
    case 0:
      return isSingle ? frame[at]! : undefined;
    case 1:
      return frame.readUInt16LE(at) + 256;
    case 2:
      return frame.readUInt32LE(at);
    default:
      return Number(frame.readBigUInt64LE(at));
  }
}
