/** CloudEvents in the lake: what becomes a column, what `extra` keeps, and who is whose twin. */
import { Buffer } from "node:buffer";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { EventType } from "../../../core/event-type.ts";
import { TableLanding } from "../../../workers/land/table-landing.ts";
import { counter, declare, eventType, install, type Installation, never, OPTIONS, send } from "./setup.ts";

const NAME = "com.shop.order";
const TYPE: EventType = eventType({
  name: NAME,
  category: "cloudevent",
  schema: {
    type: "json_schema",
    schema: JSON.stringify({
      type: "object",
      properties: { n: { type: "integer" }, source: { type: "string" } },
    }),
  },
});

type Json = Readonly<Record<string, unknown>>;

async function landed(events: readonly string[]): Promise<Installation> {
  const at = await install();
  await declare(at, TYPE);
  await send(at, events, 0, NAME);
  const landing = await TableLanding.open(at.ports, OPTIONS, TYPE);
  while ((await landing.step(never)).hasBacklog);
  return at;
}

/** The table's rows by their place in the log, read by plain DuckDB. */
async function rowsOf(at: Installation): Promise<Json[]> {
  const folder = mkdtempSync(join(tmpdir(), "muara-cloudevents-"));
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await instance.connect();
  try {
    const { files } = await at.openTable(NAME).snapshot();
    const paths: string[] = [];
    for (const [i, { path }] of [...files.values()].entries()) {
      paths.push(join(folder, `${i}.parquet`));
      writeFileSync(paths.at(-1)!, (await at.store.get(`${NAME}/${path}`))!);
    }
    if (paths.length === 0) return [];
    const list = paths.map((path) => `'${path}'`).join(", ");
    const sql = `SELECT *, epoch_us(event_time) AS at_us, epoch_us(ingest_time) AS in_us
      FROM read_parquet([${list}]) ORDER BY log_offset`;
    return (await connection.runAndReadAll(sql)).getRowObjectsJson();
  } finally {
    connection.closeSync();
    instance.closeSync();
    rmSync(folder, { recursive: true });
  }
}

const fates = async (at: Installation): Promise<number[]> =>
  Promise.all(["landed", "duplicates", "dead"].map((name) => counter(at, name, NAME)));

function cloudEvent(id: string, more: Json = {}): string {
  return JSON.stringify({ specversion: "1.0", id, source: "/shop", type: NAME, ...more });
}

function idOf(source: string, id: string): string {
  return `${Buffer.byteLength(source)}:${source}${id}`;
}

test("attributes are columns, others are kept in extra, data is the payload", async () => {
  const at = await landed([
    cloudEvent("1", {
      subject: "a",
      time: "2026-03-01T22:00:00.1234567Z",
      datacontenttype: "application/json",
      dataschema: "https://shop.test/1",
      traceparent: "00-ab-cd-01",
      sequence: 7,
      data: { n: 5, source: "inner", more: [1.5] },
    }),
    cloudEvent("2", { time: null, subject: null, data: null }),
    cloudEvent("3", { data_base64: "AAEC" }),
  ]);
  const rows = await rowsOf(at);
  expect(rows[0]).toMatchObject({
    event_id: "5:/shop1",
    specversion: "1.0",
    source: "/shop",
    subject: "a",
    datacontenttype: "application/json",
    dataschema: "https://shop.test/1",
    n: "5",
    data_source: "inner",
    at_us: "1772402400123456",
  });
  expect(JSON.parse(rows[0]!["extra"] as string)).toEqual({
    time: "2026-03-01T22:00:00.1234567Z",
    traceparent: "00-ab-cd-01",
    sequence: 7,
    data: { more: [1.5] },
  });
  for (const row of rows.slice(1)) expect(row["at_us"]).toBe(row["in_us"]);
  expect(rows.map((row) => JSON.parse((row["extra"] as string | null) ?? "null"))).toMatchObject([
    {},
    null,
    { data_base64: "AAEC" },
  ]);
});

test("the same id of another source is another event; no pair of the two looks like another", async () => {
  const pairs = [
    ["/a", "1"],
    ["/b", "1"],
    ["/a", "1"], // twice
    ["/a1", "1"],
    ["/a", "11"],
    ["2:/a", "1"],
    ["/a", "2:/a1"],
  ] as const;
  const at = await landed(pairs.map(([source, id]) => cloudEvent(id, { source })));
  expect(await fates(at)).toEqual([6, 1, 0]);
  const ids = pairs.map(([source, id]) => idOf(source, id)).filter((_, i) => i !== 2);
  expect((await rowsOf(at)).map((row) => row["event_id"])).toEqual(ids);
});

test("what the door would have refused becomes a dead letter", async () => {
  const bad = [
    JSON.stringify({ specversion: "1.0", id: "1", type: NAME }),
    JSON.stringify({ specversion: "1.0", source: "/s", type: NAME }),
    cloudEvent("1", { type: "com.shop.other" }),
    cloudEvent("1", { time: "now" }),
    cloudEvent("1", { data: "text" }),
    cloudEvent("1", { source: "" }),
  ];
  expect(await fates(await landed([...bad, cloudEvent("1")]))).toEqual([1, 0, bad.length]);
});

test(
  "any ids and sources, however they are spelled: landed once, under their own text",
  { timeout: 120_000 },
  async () => {
    const text = fc.oneof(
      fc.string({ minLength: 1, maxLength: 12, unit: "grapheme" }),
      fc.string({ minLength: 100, maxLength: 400, unit: "binary" }).filter((one) => one.isWellFormed()),
      fc.constantFrom("\u0000", '"\\', "1", "é", "\u{1f9e6}".repeat(40), "x".repeat(3_000)),
    );
    const pair = fc.tuple(text, text, fc.boolean());
    await fc.assert(
      fc.asyncProperty(fc.array(pair, { minLength: 1, maxLength: 40 }), async (pairs) => {
        const events = pairs.map(
          ([source, id, isEscaped]) =>
            `{"id":${spelled(id, isEscaped)},"specversion":"1.0",` +
            `"source":${spelled(source, isEscaped)},"type":"${NAME}"}`,
        );
        const at = await landed(events);
        const ids = [...new Set(pairs.map(([source, id]) => idOf(source, id)))];
        expect(await fates(at)).toEqual([ids.length, pairs.length - ids.length, 0]);
        expect((await rowsOf(at)).map((row) => row["event_id"])).toEqual(ids);
      }),
      { numRuns: 25 },
    );
  },
);

/** As JSON, plainly or with an escape for each UTF-16 unit. */
function spelled(text: string, isEscaped: boolean): string {
  if (!isEscaped) return JSON.stringify(text);
  const units = Array.from({ length: text.length }, (_, i) => text.charCodeAt(i).toString(16));
  return `"${units.map((unit) => `\\u${unit.padStart(4, "0")}`).join("")}"`;
}
