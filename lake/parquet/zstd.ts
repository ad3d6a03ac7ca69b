/** Pages compressed by the runtime's zstd, at the level that DuckDB writes with. */
import { constants, zstdCompressSync } from "node:zlib";
import type { PageCodec } from "./event-file.ts";

const PARAMS = { [constants.ZSTD_c_compressionLevel]: 3 };
/** What zstd itself says a page can grow to, rounded up: one buffer takes the result. */
const roomFor = (bytes: number): number => bytes + (bytes >> 8) + 1_024;

export const ZSTD: PageCodec = {
  name: "ZSTD",
  compress: (page) => zstdCompressSync(page, { params: PARAMS, chunkSize: roomFor(page.length) }),
};
