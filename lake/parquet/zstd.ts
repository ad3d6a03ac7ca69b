/**
 * Pages compressed by the runtime's zstd, at the level that DuckDB writes with. In ids, keys and names matches of less
 * than seven bytes only cost time: without them such pages are a little smaller, and compressed in a third of it.
 */
import { constants, zstdCompressSync } from "node:zlib";
import type { PageCodec } from "./event-file.ts";

const PARAMS = { [constants.ZSTD_c_compressionLevel]: 3 };
const SHORT_TEXTS = { ...PARAMS, [constants.ZSTD_c_minMatch]: 7 };
/** Pages mostly shrink to a quarter: the result is one piece then, and takes no more memory than it needs. */
const piece = (bytes: number): number => (bytes >> 2) + 1_024;

export const ZSTD: PageCodec = {
  name: "ZSTD",
  compress: (page, areShortTexts = false) =>
    zstdCompressSync(page, { params: areShortTexts ? SHORT_TEXTS : PARAMS, chunkSize: piece(page.length) }),
};
