/**
 * The kernel's encoder against the plain one (another decoder, another Parquet writer), over generated schemas and
 * documents in several batches: the same rows by a foreign reader, the same reasons for the same rejections. And what
 * the plain one does not write: indexes of pages, bloom filters.
 */
import { readFileSync } from "node:fs";
import { inspect, isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import { parquetMetadata, readColumnIndex, readOffsetIndex } from "hyparquet";
import { afterAll, beforeAll, expect, test } from "vitest";
import { planColumns } from "../../../core/columns.ts";
import type { EventType } from "../../../core/event-type.ts";
import { createKernel } from "../../../core/kernel.ts";
import { packRecords, type ReadBatch } from "../../../core/record.ts";
import { createEventEncoder, type EventEncoder } from "../../../lake/parquet/event-encoder.ts";
import { ZSTD } from "../../../lake/parquet/zstd.ts";
import { createPlainEncoder } from "../../oracle/parquet/plain-encoder.ts";
import { DuckDBReader } from "./duckdb-rows.ts";
import { eventTypeOf, objectOf, payloads, propertiesOf } from "./shapes.ts";

const module = new WebAssembly.Module(readFileSync(new URL("../../../core-as/kernel.wasm", import.meta.url)));
const kernel = createKernel(module, new Uint8Array(16).fill(5));
const SECRET = new Uint8Array(16);
const LIMITS = { maxBytes: 10_000_000, maxDepth: 64 };
/** Generated schemas; the proof asks for more. */
const RUNS = Number(process.env["ENCODER_RUNS"] ?? 120);
const noTurn = async (): Promise<void> => {};

let duckdb: DuckDBReader;
beforeAll(async () => {
  duckdb = await DuckDBReader.open();
});
afterAll(async () => duckdb.close());

interface Given {
  readonly text: string;
  readonly key: string | null;
  readonly header: string;
}

function batchOf(records: readonly Given[], first: number): ReadBatch {
  return {
    ...packRecords(records.map(({ text, key, header }) => ({ payload: Buffer.from(text), key, header }))),
    stream: "s",
    partition: 7,
    offsets: Float64Array.from(records, (_, i) => first + i),
    ingestMs: new Float64Array(records.length),
    next: 0,
    endOffset: 0,
  };
}

const cases = payloads.chain((fields) =>
  fc.record({
    fields: fc.constant(fields),
    documents: fc.array(
      fc.record({
        text: objectOf(fields.map(([name, { type }]) => [name, type])),
        key: fc.option(fc.string({ unit: "grapheme", maxLength: 30 })),
        header: fc.constantFrom("", "{}", '{"flow_id":"a\\"b"}', '{"flow_id":"c"}', '{"flow_id":"c"}'),
      }),
      { minLength: 1, maxLength: 12 },
    ),
    turn: fc.nat({ max: 11 }),
    cut: fc.nat({ max: 12 }),
  }),
);

function equal(actual: unknown, expected: unknown, where: string): void {
  if (!isDeepStrictEqual(actual, expected))
    throw new Error(`${where}: ${inspect(actual, { depth: 9 })} is not ${inspect(expected, { depth: 9 })}`);
}

test("writes what the plain encoder writes, and rejects what it rejects", async () => {
  let rows = 0;
  let rejected = 0;
  await fc.assert(
    fc.asyncProperty(cases, async ({ fields, documents, turn, cut }) => {
      const type = eventTypeOf({ type: "object", properties: propertiesOf(fields) });
      const plain = createPlainEncoder(planColumns(type));
      const encoder = createEventEncoder(kernel, type, LIMITS, ZSTD);
      try {
        const kept: number[] = [];
        let first = 0;
        for (const part of [documents.slice(0, cut), documents.slice(cut)]) {
          if (part.length === 0) continue;
          const { scan, rejections } = encoder.scan(batchOf(part, first), SECRET, "log/");
          equal(
            [...scan.verdicts],
            Array.from(part, () => 0),
            "verdicts",
          );
          for (const [i, { text }] of part.entries()) {
            const bytes = Buffer.from(text);
            const wanted = plain.add(bytes, 0, bytes.length);
            equal(rejections.get(i), wanted, text);
            if (wanted) rejected++;
            else kept.push(first + i);
          }
          first += part.length;
        }
        rows += kept.length;
        if (kept.length > 0) await compareFiles(encoder, plain, documents, kept, turn);
      } finally {
        encoder.destroy();
      }
    }),
    { numRuns: RUNS },
  );
  expect([rows > RUNS, rejected > RUNS / 10]).toEqual([true, true]);
});

async function compareFiles(
  encoder: EventEncoder,
  plain: ReturnType<typeof createPlainEncoder>,
  documents: readonly Given[],
  kept: readonly number[],
  turn: number,
): Promise<void> {
  const order = kept.map((_, i) => (i + turn) % kept.length);
  const eventTimesUs = BigInt64Array.from(documents, (_, i) => BigInt(i) * 1_001n - 5_000n);
  const ingestMs = Float64Array.from(documents, (_, i) => 1_700_000_000_000 + i);
  const watermarkUs = turn % 2 === 0 ? null : BigInt(turn);
  const rows = Uint32Array.from(order, (i) => kept[i]!);
  const ours = await encoder.write(rows, { eventTimesUs, ingestMs, watermarkUs }, noTurn);
  const theirs = plain.write(Uint32Array.from(order), {
    eventIds: kept.map((row) => `log/${row}`),
    eventTimesUs: BigInt64Array.from(kept, (row) => eventTimesUs[row]!),
    ingestMs: Float64Array.from(kept, (row) => ingestMs[row]!),
    keys: kept.map((row) => documents[row]!.key),
    partitions: new Int32Array(kept.length).fill(7),
    offsets: Float64Array.from(kept),
    flowIds: kept.map((row) => {
      const { header } = documents[row]!;
      return (JSON.parse(header === "" ? "{}" : header) as { flow_id?: string }).flow_id ?? null;
    }),
    watermarkUs,
  });
  const [seen, wanted] = [await duckdb.read(ours.bytes), await duckdb.read(theirs.bytes)];
  equal(seen.types, wanted.types, "types");
  seen.rows.forEach((row, i) =>
    equal(row, wanted.rows[i], `row ${i} of ${documents.map(({ text }) => text).join("\n")}`),
  );
  expect(seen.rows).toHaveLength(kept.length);
  equal(JSON.parse(ours.stats), JSON.parse(theirs.stats), "statistics");
}

/** What the short way of a value into its column takes, and what stands right behind its edges. */
const EDGES: readonly (readonly [field: string, value: string])[] = [
  ...["0", "-0", "7", "-1", "99999999", "123456789012345678", "1234567890123456789"].map(long),
  ...["9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809"].map(long),
  ...["9999999999999999999", "18446744073709551616", "00000000000000000000", "1.0", "1e2", "15E-1"].map(long),
  ...["0", "0.1", "1e400", "4.35", "123456789012345678", "0.30000000000000004", "1e-7"].map(double),
  ...["0.1000000000000000055511151231257827", "5e-324", "-2.5", "100000000000000000000"].map(double),
  ...["\\u0000".repeat(10), "2026-02-29", "2026-02-28", "2026-02-2\\u0038"].map(date),
  ...["2026-01-01T00:00:00Z", "2026-01-01t23:59:59.123z", "2026-01-01 23:59:59.123456Z"].map(time),
  ...["2026-01-01T00:00:00.1234567Z", "2026-01-01T0a:00:00Z", "2026-01-01T00:0:000Z"].map(time),
  ...["2026-01-01T24:00:00Z", "2026-01-01T23:60:00Z", "2026-01-01T00:00:5:Z", "2026-01-01T00:00:00.12Z"].map(
    time,
  ),
  ...["2026-01-01T00:00:00.12aZ", "2026-01-01T00:00:00.12345aZ", "2026-01-01T00:00:00.123+01:00"].map(time),
  ...["2026-12-31T23:59:60Z", "0001-01-01T00:00:00+00:01", "\\u00320026-01-01T00:00:00Z"].map(time),
  ...["true", "false", "null", '"true"', "1"].map((value): [string, string] => ["b", value]),
  ...['"x"', `"${"x".repeat(128)}"`, `"${"x".repeat(129)}"`, '"\\u0041"', "7", "[]"].map(
    (value): [string, string] => ["s", value],
  ),
];
function long(value: string): [string, string] {
  return ["n", value];
}
function double(value: string): [string, string] {
  return ["d", value];
}
function date(value: string): [string, string] {
  return ["day", `"${value}"`];
}
function time(value: string): [string, string] {
  return ["at", `"${value}"`];
}

test("the short way of a value ends where its column does", async () => {
  const type = eventTypeOf({
    type: "object",
    properties: {
      n: { type: "integer" },
      d: { type: "number" },
      b: { type: "boolean" },
      s: { type: "string" },
      at: { type: "string", format: "date-time" },
      day: { type: "string", format: "date" },
    },
  });
  const plain = createPlainEncoder(planColumns(type));
  // A kernel that has not read any date yet.
  const fresh = createKernel(module, new Uint8Array(16));
  const encoder = createEventEncoder(fresh, type, LIMITS, ZSTD);
  // Each time twice: what was read once is remembered.
  const documents = [...EDGES, ...EDGES].map(([field, value]) => ({
    text: `{"${field}":${value}}`,
    key: null,
    header: "",
  }));
  const { scan, rejections } = encoder.scan(batchOf(documents, 0), SECRET, "log/");
  const kept: number[] = [];
  for (const [i, { text }] of documents.entries()) {
    if (scan.verdicts[i] !== 0) continue;
    const bytes = Buffer.from(text);
    const wanted = plain.add(bytes, 0, bytes.length);
    equal(rejections.get(i), wanted, text);
    if (!wanted) kept.push(i);
  }
  expect([kept.length > EDGES.length, rejections.size > 20]).toEqual([true, true]);
  await compareFiles(encoder, plain, documents, kept, 0);
  encoder.destroy();
});

const WIDE: EventType = eventTypeOf({
  type: "object",
  properties: {
    n: { type: "integer" },
    s: { type: "string" },
    t: { type: "string" },
    d: { type: "number" },
    m: { type: "number", format: "decimal(30,2)" },
    l: { type: "array", items: { type: "string" } },
  },
});

function wideFile(count: number): { encoder: EventEncoder; rows: Uint32Array } {
  const encoder = createEventEncoder(kernel, WIDE, LIMITS, ZSTD);
  const documents = Array.from({ length: count }, (_, i) => ({
    text: `{"n":${i - 500},"s":"${"text ".repeat(i % 40)}${i}","t":${i % 3 ? `"kind ${i % 5}"` : "null"},
      "d":${i % 2 ? -i / 3 : i},"m":-${i}.5,"l":["${i}","${"x".repeat(i % 90)}"]}`,
    key: null,
    header: "",
  }));
  encoder.scan(batchOf(documents, 0), SECRET, "id-");
  return { encoder, rows: Uint32Array.from({ length: count }, (_, i) => i) };
}

const envelopeOf = (count: number) => ({
  eventTimesUs: BigInt64Array.from({ length: count }, (_, i) => BigInt(i) * 1_000n),
  ingestMs: new Float64Array(count).fill(1_700_000_000_000),
  watermarkUs: null,
});

test("indexes say where each page is, and what is in it", async () => {
  const count = 40_000;
  const { encoder, rows } = wideFile(count);
  const { bytes } = await encoder.write(rows, envelopeOf(count), noTurn);
  const metadata = parquetMetadata(bytes.slice().buffer);
  const checked: string[] = [];
  for (const chunk of metadata.row_groups[0]!.columns) {
    const { meta_data: data, offset_index_offset: offset, offset_index_length: length } = chunk;
    if (offset === undefined) continue;
    const name = data!.path_in_schema[0]!;
    const view = (at: bigint, size: number) => ({
      view: new DataView(bytes.buffer, bytes.byteOffset + Number(at), size),
      offset: 0,
    });
    const { page_locations: pages } = readOffsetIndex(view(offset, length!));
    expect(Number(pages[0]!.offset), name).toBe(Number(data!.data_page_offset));
    expect(pages.every((page, i) => i === 0 || page.first_row_index > pages[i - 1]!.first_row_index)).toBe(
      true,
    );
    const element = metadata.schema.find((one) => one.name === name)!;
    if (chunk.column_index_offset === undefined) continue;
    const index = readColumnIndex(view(chunk.column_index_offset, chunk.column_index_length!), element);
    for (const [i, page] of pages.entries()) {
      const from = Number(page.first_row_index);
      const to = Number(pages[i + 1]?.first_row_index ?? count);
      const select = `SELECT min("${name}") AS a, max("${name}") AS b, count(*) - count("${name}") AS n
        FROM (SELECT * FROM events LIMIT ${to - from} OFFSET ${from})`;
      const { rows: seen } = await duckdb.read(bytes, select);
      const [a, b, n] = ["a", "b", "n"].map((column) => seen[0]!.get(column));
      const [low, high] = [index.min_values[i], index.max_values[i]].map((bound) =>
        bound instanceof Date ? BigInt(bound.getTime()) * 1_000n : bound,
      );
      expect(index.null_counts![i], `${name} ${i}`).toBe(n);
      // Texts may be cut, the decimal is a number to one of the readers.
      const isText = typeof a === "string" && typeof b === "string";
      const isHeld = isText
        ? String(low) <= a && b <= String(high)
        : name === "m" || isDeepStrictEqual([low, high], [a, b]);
      expect(isHeld, `${name} ${i}: ${inspect([low, a, b, high])}`).toBe(true);
    }
    checked.push(name);
  }
  expect(checked).toContain("s");
  encoder.destroy();
});

test("the filter of the ids lets through what is there and little else", async () => {
  const count = 20_000;
  const { encoder, rows } = wideFile(count);
  const { bytes } = await encoder.write(rows, envelopeOf(count), noTurn);
  const probe = async (id: string): Promise<boolean> => {
    const excluded = await duckdb.probe(bytes, "event_id", id);
    return !excluded.includes(false);
  };
  for (const i of [0, 1, 777, count - 1]) expect(await probe(`id-${i}`), `id-${i}`).toBe(false);
  let excluded = 0;
  for (let i = 0; i < 200; i++) if (await probe(`absent-${i}`)) excluded++;
  expect(excluded).toBeGreaterThan(180);
  encoder.destroy();
});

test("without memory it says so, and works again after a reset", async () => {
  const small = createKernel(module, new Uint8Array(16), { maxMemoryBytes: 12 * 2 ** 20 });
  const encoder = createEventEncoder(small, WIDE, LIMITS, ZSTD);
  const used = small.usedBytes;
  const documents = Array.from({ length: 500 }, (_, i) => ({
    text: `{"n":${i},"s":"${"long ".repeat(400)}","l":[${'"a",'.repeat(50)}"b"]}`,
    key: "k",
    header: "",
  }));
  const fill = (): void => {
    for (let i = 0; i < 100; i++) encoder.scan(batchOf(documents, i * 500), SECRET, "");
  };
  expect(fill).toThrow(expect.objectContaining({ code: "kernel.memory" }));
  encoder.reset();
  encoder.scan(batchOf(documents.slice(0, 10), 0), SECRET, "");
  const file = await encoder.write(Uint32Array.of(3, 1), envelopeOf(10), noTurn);
  const { rows } = await duckdb.read(file.bytes, "SELECT n, len(l) AS items FROM events");
  expect(rows.map((row) => [row.get("n"), row.get("items")])).toEqual([
    [3n, 51n],
    [1n, 51n],
  ]);
  encoder.reset();
  expect(small.usedBytes).toBeLessThan(used + 8 * 2 ** 20);
  encoder.destroy();
});
