/**
 * Texts whose escapes are removed on their way into a page, because they are too many for a dictionary: what they say,
 * their bounds, and the filter of ids, against JSON.parse and a foreign reader.
 */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { seededRandomness } from "../../../core/clock.ts";
import { createKernel } from "../../../core/kernel.ts";
import { packRecords, type ReadBatch } from "../../../core/record.ts";
import { createEventEncoder } from "../../../lake/parquet/event-encoder.ts";
import { ZSTD } from "../../../lake/parquet/zstd.ts";
import { DuckDBReader } from "./duckdb-rows.ts";
import { eventTypeOf } from "./shapes.ts";

const module = new WebAssembly.Module(readFileSync(new URL("../../../core-as/kernel.wasm", import.meta.url)));
const LIMITS = { maxBytes: 10_000_000, maxDepth: 64 };
const ROWS = 8_000;
/** Each is written in several ways; the last four have more than one byte. */
const CHARACTERS = ["a", "\\", '"', "/", "\n", "\u0000", "\t", "é", "\u07ff", "→", "🚀"];
const SHORT = new Map([
  ["\\", "\\\\"],
  ['"', '\\"'],
  ["/", "\\/"],
  ["\n", "\\n"],
  ["\t", "\\t"],
]);

let duckdb: DuckDBReader;
beforeAll(async () => {
  duckdb = await DuckDBReader.open();
});
afterAll(async () => duckdb.close());

/** A JSON string of about `length` characters, its quotes included. */
function written(length: number, random: { integer: (most: number) => number }): string {
  let text = "";
  while (text.length < length) {
    const character = CHARACTERS[random.integer(CHARACTERS.length)]!;
    const isPlain = random.integer(3) > 0 && character >= " " && !'"\\'.includes(character);
    const units = Array.from({ length: character.length }, (_, i) =>
      character.charCodeAt(i).toString(16).padStart(4, "0"),
    );
    if (isPlain) text += character.repeat(1 + random.integer(20));
    else text += SHORT.get(character) ?? units.map((unit) => `\\u${unit}`).join("");
  }
  return `"${text}"`;
}

test("say what they said, page by page", async () => {
  const fraction = seededRandomness(11);
  const random = { integer: (most: number) => Math.floor(fraction.fraction() * most) };
  const kernel = createKernel(module, new Uint8Array(16).fill(5));
  const type = eventTypeOf(
    {
      type: "object",
      properties: { s: { type: "string" }, l: { type: "array", items: { type: "string" } } },
    },
    "business",
  );
  const encoder = createEventEncoder(kernel, type, LIMITS, ZSTD);
  const documents = Array.from({ length: ROWS }, (_, i) => {
    const text = i % 9 === 0 ? "null" : i % 7 === 0 ? `"short ${i}"` : written(200 + (i % 400), random);
    const eid = JSON.stringify(`${i}-"`.repeat(40));
    return `{"metadata":{"eid":${eid},"occurred_at":"2026-01-01T00:00:00Z"},"s":${text},
      "l":[${i % 5 ? `${written(150, random)},null` : ""}]}`;
  });
  const payloads = documents.map((text) => ({ payload: Buffer.from(text) }));
  const batch: ReadBatch = {
    ...packRecords(payloads),
    stream: "s",
    partition: 0,
    offsets: Float64Array.from(documents, (_, i) => i),
    ingestMs: new Float64Array(ROWS),
    next: 0,
    endOffset: 0,
  };
  const { scan } = encoder.scan(batch, new Uint8Array(16), "");
  expect(scan.verdicts.every((verdict) => verdict === 0)).toBe(true);
  const file = await encoder.write(
    Uint32Array.from(documents, (_, i) => i),
    { eventTimesUs: new BigInt64Array(ROWS), ingestMs: new Float64Array(ROWS), watermarkUs: null },
    async () => {},
  );
  const { rows } = await duckdb.read(file.bytes, "SELECT event_id, s, l FROM events");
  const wanted = documents.map(
    (text) => JSON.parse(text) as { metadata: { eid: string }; s: string; l: string[] },
  );
  expect(rows).toHaveLength(ROWS);
  rows.forEach((row, i) => {
    const { metadata, s, l } = wanted[i]!;
    if (
      row.get("event_id") !== metadata.eid ||
      row.get("s") !== s ||
      JSON.stringify(row.get("l")) !== JSON.stringify(l)
    )
      throw new Error(`row ${i}: ${JSON.stringify([...row])} is not ${documents[i]}`);
  });
  const texts = wanted.map(({ s }) => Buffer.from(s ?? "")).filter(({ length }) => length > 0);
  texts.sort((a, b) => Buffer.compare(a, b));
  const { minValues, maxValues } = JSON.parse(file.stats) as Record<string, { s: string }>;
  expect(texts[0]!.toString().startsWith(minValues!.s)).toBe(true);
  expect(Buffer.compare(Buffer.from(maxValues!.s), texts.at(-1)!)).toBeGreaterThanOrEqual(0);
  for (const i of [0, 1, 4_321, ROWS - 1])
    expect(await duckdb.probe(file.bytes, "event_id", wanted[i]!.metadata.eid), String(i)).toEqual([false]);
  expect(await duckdb.probe(file.bytes, "event_id", "nobody")).toEqual([true]);
  encoder.destroy();
});
