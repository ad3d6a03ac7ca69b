import { DuckDBInstance } from "@duckdb/node-api";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seededRandomness } from "../../../core/clock.ts";
import type { Column } from "../../../core/columns.ts";
import { SECRET, testKernel } from "../../core-as/support.ts";
import { ZSTD } from "../../../lake/parquet/zstd.ts";
import { createEventEncoder } from "../../../lake/parquet/event-encoder.ts";
import { createKernel } from "../../../core/kernel.ts";
import { eventTypeOf } from "./shapes.ts";
import { eventTypeSchema } from "../../../core/event-type.ts";
import { filterHash } from "../../../lake/parquet/id-filter.ts";
import { packRecords, type ReadBatch } from "../../../core/record.ts";
import { readColumns, writeRows } from "../../../lake/parquet/rows.ts";
import { type IdRows, readIdRows } from "../../../lake/parquet/id-column.ts";

const COLUMNS = ["event_id", "ingest_time"] as const;
const SEED = 20_261_121;
const column = (name: string, kind: "string" | "timestamp", nullable = false): Column => ({
  name,
  type: { kind },
  nullable,
});

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "muara-ids-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** What the fast reader sees, as text; null where it leaves the file to the general one. */
async function fast(bytes: Uint8Array, wanted?: readonly string[]): Promise<string[] | null> {
  const rows: string[] = [];
  const read = async (from: number, to: number): Promise<Uint8Array> => bytes.subarray(from, to);
  const visit = ({ count, bytes: texts, index, ingestMs }: IdRows): void => {
    for (let i = 0; i < count; i++) {
      const at = index[i * 2]!;
      const id = new TextDecoder().decode(texts.subarray(at, at + index[i * 2 + 1]!));
      rows.push(`${id} ${ingestMs[i]}`);
    }
  };
  const isRead = await readIdRows(read, bytes.length, COLUMNS, visit, wanted?.map(filterHash));
  return isRead ? rows : null;
}

async function sees(file: Uint8Array, wanted: readonly string[]): Promise<boolean> {
  return (await fast(file, wanted))!.length > 0;
}

/** A file as landing writes it, of these ids. */
async function fileOf(ids: readonly string[]): Promise<Uint8Array> {
  const type = eventTypeSchema.parse({
    name: "order.created",
    owning_application: "test",
    category: "undefined",
    annotations: { "muara/event-id-path": "/id" },
    schema: { type: "json_schema", schema: '{"properties":{"id":{"type":"string"}}}' },
  });
  const encoder = createEventEncoder(testKernel(), type, { maxBytes: 1_000_000, maxDepth: 64 }, ZSTD);
  const payloads = ids.map((id) => ({ payload: new TextEncoder().encode(JSON.stringify({ id })) }));
  const zeros = new Float64Array(ids.length);
  const batch = { ...packRecords(payloads), partition: 0, offsets: zeros, ingestMs: zeros };
  encoder.scan(batch as unknown as ReadBatch, SECRET, "");
  const envelope = {
    eventTimesUs: new BigInt64Array(ids.length),
    ingestMs: zeros,
    watermarkUs: null,
  };
  const rows = Uint32Array.from(ids, (_, i) => i);
  return (await encoder.write(rows, envelope, async () => {})).bytes;
}

async function general(bytes: Uint8Array): Promise<string[]> {
  const { event_id: ids, ingest_time: times } = await readColumns(bytes, COLUMNS);
  return ids!.map((id, i) => `${String(id)} ${Number((times![i] as bigint) / 1_000n)}`);
}

function rowsOf(count: number, random: ReturnType<typeof seededRandomness>, distinctTimes: number): object[] {
  const texts = ["", "ä", "x".repeat(300), "𝄞"];
  return Array.from({ length: count }, (_, i) => ({
    event_id: i % 11 === 3 ? texts[i % 4]! + i : random.uuid(),
    ingest_time: 1_770_000_000_000_123n + BigInt(Math.floor(random.fraction() * distinctTimes)) * 1_000n,
    flow_id: `flow ${i}`,
  }));
}

const eventType = eventTypeOf({
  type: "object",
  properties: { s: { type: "string" } },
});
const kernel = createKernel(
  new WebAssembly.Module(readFileSync(new URL("../../../core-as/kernel.wasm", import.meta.url))),
  new Uint8Array(16),
);

/** A file as landing writes it; ids of all lengths, times in any order. */
async function landed(count: number, times: (i: number) => number): Promise<Uint8Array> {
  const encoder = createEventEncoder(kernel, eventType, { maxBytes: 1_000_000, maxDepth: 64 }, ZSTD);
  const batch = {
    ...packRecords(Array.from({ length: count }, () => ({ payload: new TextEncoder().encode("{}") }))),
    stream: "s",
    partition: 0,
    offsets: Float64Array.from({ length: count }, (_, i) => i ** 2),
    ingestMs: new Float64Array(count),
    next: count,
    endOffset: count,
  };
  encoder.scan(batch, new Uint8Array(16), "log/");
  const envelope = {
    eventTimesUs: new BigInt64Array(count),
    ingestMs: Float64Array.from({ length: count }, (_, i) => times(i)),
    watermarkUs: null,
  };
  const { bytes } = await encoder.write(
    Uint32Array.from({ length: count }, (_, i) => i),
    envelope,
    async () => {},
  );
  encoder.destroy();
  return bytes;
}

describe("the id column", () => {
  test("of files that landing wrote is what the general reader sees", async () => {
    const random = seededRandomness(SEED + 2);
    const kinds: ((i: number) => number)[] = [
      () => 1_770_000_000_000,
      (i) => 1_770_000_000_000 + Math.floor(i / 10),
      () => 1_770_000_000_000 + Math.floor(random.fraction() * 48 * 3_600_000),
      (i) => (i % 2 ? -1 : 1) * Math.floor(random.fraction() * 2 ** 32),
    ];
    for (const times of kinds) {
      for (const count of [1, 2, 33, 129, 20_000]) {
        const bytes = await landed(count, times);
        expect((await fast(bytes))?.join() === (await general(bytes)).join(), `${count} rows`).toBe(true);
      }
    }
    expect(await fast(await landed(100, (i) => (i % 2 ? -1 : 1) * 2 ** 42))).toBeNull();
  });

  test("of our own files is what the general reader sees, whatever the row groups and dictionaries", async () => {
    const random = seededRandomness(SEED);
    for (const [count, distinct] of [
      [1, 1],
      [2, 1],
      [7, 3],
      [900, 5],
      [3_000, 1],
      [3_000, 100_000],
    ] as const) {
      const columns = [
        column("event_id", "string"),
        column("ingest_time", "timestamp"),
        column("flow_id", "string"),
      ];
      const { bytes } = writeRows(columns, rowsOf(count, random, distinct));
      expect((await fast(bytes))?.join() === (await general(bytes)).join(), `${count} rows`).toBe(true);
    }
  });

  test("of files that DuckDB wrote, too, or the general reader takes them", async () => {
    const connection = await (await DuckDBInstance.create(":memory:")).connect();
    await connection.run("SET TimeZone = 'UTC'");
    const shapes = [
      ["COMPRESSION zstd", true],
      ["COMPRESSION uncompressed", true],
      ["COMPRESSION zstd, ROW_GROUP_SIZE 2048", true],
      ["COMPRESSION snappy", false],
      ["COMPRESSION zstd, PARQUET_VERSION v2", true],
    ] as const;
    for (const [shape, isFast] of shapes) {
      for (const [name, id, isWhole] of [
        ["plain", "uuid()::VARCHAR", true],
        ["nulls", "CASE WHEN i % 7 = 0 THEN NULL ELSE uuid()::VARCHAR END", false],
        ["few", "'id ' || (i % 3)", false],
      ] as const) {
        const path = join(folder, `${name}-${shape.replaceAll(/\W/g, "")}.parquet`);
        const select =
          `SELECT ${id} AS event_id, ` +
          "make_timestamptz(1770000000000000 + (i // 10) * 1000) AS ingest_time, i FROM range(9000) t(i)";
        await connection.run(`COPY (${select}) TO '${path}' (FORMAT parquet, ${shape})`);
        const bytes = new Uint8Array(await readFile(path));
        const rows = await fast(bytes);
        const expected = isFast && isWhole ? await general(bytes) : null;
        expect(rows, `${name}, ${shape}`).toEqual(expected);
      }
    }
  });

  test("is read for the ids that its filter may have, in any case, and left out for others", async () => {
    const random = seededRandomness(SEED + 2);
    const texts = Array.from({ length: 100 }, (_, i) => `Order "${i}" ä`);
    const uuids = Array.from({ length: 200 }, (_, i) =>
      i % 2 ? random.uuid() : random.uuid().toUpperCase(),
    );
    const bytes = await fileOf([...texts, ...uuids]);
    for (const id of texts) expect((await fast(bytes, [id]))?.length, id).toBe(300);
    for (const id of uuids)
      for (const spelled of [
        id.toLowerCase(),
        id.toUpperCase(),
        `${id.slice(0, 20)}${id.slice(20).toLowerCase()}`,
      ])
        expect((await fast(bytes, [spelled]))?.length, spelled).toBe(300);
    let passed = 0;
    for (let i = 0; i < 1_000; i++) passed += (await sees(bytes, [random.uuid()])) ? 1 : 0;
    expect(passed).toBeLessThan(60);
    // a text is another id in capitals
    let others = 0;
    for (const id of texts) others += (await sees(bytes, [id.toUpperCase()])) ? 1 : 0;
    expect(others).toBeLessThan(20);
    expect(await sees(bytes, [])).toBe(false);
    expect(await sees(bytes, [random.uuid(), random.uuid(), uuids[7]!])).toBe(true);
    // of files that others wrote, or that say nothing of their filters, nothing is left out
    for (const [ours, theirs] of [
      ["muara version 0.1.0", "other version 0.1.0"],
      ["muara.event_id.filter", "other.event_id.filter"],
      ["UUIDs also in lower case", "UUIDs also as they please"],
    ] as const) {
      const text = Buffer.from(bytes).toString("latin1");
      expect(text.split(ours).length).toBe(2);
      const file = Buffer.from(text.replace(ours, theirs.slice(0, ours.length)), "latin1");
      for (let i = 0; i < 50; i++) expect((await fast(file, [random.uuid()]))?.length).toBe(300);
    }
  });

  test("of a damaged file, or something else: left to the general reader, never thrown at", async () => {
    const random = seededRandomness(SEED + 1);
    const columns = [column("event_id", "string"), column("ingest_time", "timestamp")];
    const { bytes } = writeRows(columns, rowsOf(500, random, 20));
    const packed = await landed(500, (i) => i);
    for (let round = 0; round < 800; round++) {
      const whole = round % 4 < 2 ? bytes : packed;
      const broken = whole.slice();
      const place = Math.floor(random.fraction() * whole.length);
      for (let i = 0; i < 8 && place + i < whole.length; i++)
        broken[place + i] = Math.floor(random.fraction() * 256);
      const rows = await fast(round % 2 === 0 ? broken : whole.subarray(0, place));
      expect(rows === null || rows.length > 0).toBe(true);
    }
    expect(await fast(new Uint8Array(0))).toBeNull();
    expect(await fast(new TextEncoder().encode("a light file"))).toBeNull();
    const nullable = [column("event_id", "string", true), column("ingest_time", "timestamp", true)];
    const { bytes: withNull } = writeRows(nullable, [{ event_id: "a", ingest_time: null }]);
    expect(await fast(withNull)).toBeNull();
  });
});
