/**
 * Files as plain as Parquet gets (no compression, no encoding but PLAIN), read by parquetjs-lite, which knows no more
 * and shares nothing with us.
 */
import { readFileSync } from "node:fs";
import * as fc from "fast-check";
// @ts-expect-error -- it has no types
import parquetjs from "parquetjs-lite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createKernel } from "../../../core/kernel.ts";
import { UNCOMPRESSED } from "../../../lake/parquet/event-file.ts";
import { DuckDBReader } from "./duckdb-rows.ts";
import { encodeDocuments } from "./encode-documents.ts";
import { flatDocuments } from "./flat-documents.ts";
import { FLAT, flatType } from "./flat-type.ts";

interface Cursor {
  next(): Promise<Record<string, unknown> | null>;
}
interface Reader {
  getCursor(): Cursor;
  close(): Promise<void>;
}
const { ParquetReader } = parquetjs as { ParquetReader: { openBuffer(bytes: Buffer): Promise<Reader> } };

let duckdb: DuckDBReader;
beforeAll(async () => {
  duckdb = await DuckDBReader.open();
});
afterAll(async () => duckdb.close());

const module = new WebAssembly.Module(readFileSync(new URL("../../../core-as/kernel.wasm", import.meta.url)));
const encode = (documents: readonly string[]): Promise<Uint8Array> =>
  encodeDocuments(createKernel(module, new Uint8Array(16).fill(5)), flatType(), UNCOMPRESSED, documents);

/** Times and dates are Dates of milliseconds to parquetjs-lite, integers bigints. */
function spelled(value: unknown, kind: (typeof FLAT)[string]): unknown {
  if (value === null || value === undefined) return null;
  if (value instanceof Date) return String(value.getTime());
  if (Buffer.isBuffer(value)) return value.toString();
  if (kind === "time" && typeof value === "bigint") return String(value / 1_000n);
  if (kind === "date" && typeof value === "number") return String(value * 86_400_000);
  return typeof value === "bigint" || kind === "long" ? Number(value).toString() : value;
}

test("parquetjs-lite reads what DuckDB reads", async () => {
  let rows = 0;
  await fc.assert(
    fc.asyncProperty(flatDocuments, async (documents) => {
      const bytes = await encode(documents);
      const { rows: wanted } = await duckdb.read(bytes);
      const reader = await ParquetReader.openBuffer(Buffer.from(bytes));
      const cursor = reader.getCursor();
      for (const row of wanted) {
        const seen = (await cursor.next())!;
        for (const name of Object.keys(FLAT)) {
          const kind = FLAT[name]!;
          expect([name, spelled(seen[name], kind)]).toEqual([name, spelled(row.get(name), kind)]);
        }
        rows++;
      }
      expect(await cursor.next()).toBeNull();
      await reader.close();
    }),
    { numRuns: 150 },
  );
  expect(rows).toBeGreaterThan(300);
});
