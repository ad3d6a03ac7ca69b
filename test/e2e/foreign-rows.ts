/** Made-up rows with every type of a Delta table, in the form that readers are compared in, and as a Parquet file. */
import type { SchemaElement } from "hyparquet";
import { parquetWriteBuffer } from "hyparquet-writer";
import type { Randomness } from "../../core/clock.ts";

/** Integers, decimals and µs as text, bytes in hex. */
export interface Row {
  readonly n: string;
  readonly text: string | null;
  readonly ratio: number | null;
  readonly flag: boolean | null;
  readonly at: string | null;
  readonly amount: string | null;
  readonly day: string | null;
  readonly place: { readonly city: string | null; readonly floor: string | null } | null;
  readonly tags: readonly (string | null)[] | null;
  readonly raw: string | null;
  readonly ingest_date: string;
  readonly note?: string | null;
}

const TEXTS = ["", "plain", "ünïcödé 水 🚢", 'quote " and \\ back', "line\nbreak", "x".repeat(300), "0"];
const RATIOS = [0, 0.1, -1.5e-300, 1.7976931348623157e308, 5e-324, 123_456_789.123_456_78];
const TIMES = ["0", "-1", "1767225600123456", "253402300799999999", "-62135596800000000"];
const AMOUNTS = ["0.000000000", "-0.000000001", "99999999999999999999999999999.999999999", "12.340000000"];
const DAYS = ["1970-01-01", "1969-12-31", "2026-02-28", "9999-12-31", "0001-01-01"];

export function rowsOf(random: Randomness, first: number, count: number, ingestDate: string): readonly Row[] {
  const pick = <T>(values: readonly T[]): T | null =>
    random.fraction() < 0.15 ? null : values[Math.floor(random.fraction() * values.length)]!;
  return Array.from({ length: count }, (_, index) => ({
    n: String(first + index),
    text: pick(TEXTS),
    ratio: pick(RATIOS),
    flag: pick([true, false]),
    at: pick(TIMES),
    amount: pick(AMOUNTS),
    day: pick(DAYS),
    place: pick([0, 1]) === null ? null : { city: pick(TEXTS), floor: pick(["9007199254740993", "-7"]) },
    tags: pick([[], ["a"], ["b", null, "ü"]]),
    raw: pick(["", "00ff10", "deadbeef"]),
    ingest_date: ingestDate,
  }));
}

const optional = (name: string, element: Partial<SchemaElement>): SchemaElement => ({
  name,
  repetition_type: "OPTIONAL",
  ...element,
});
const text = (name: string): SchemaElement =>
  optional(name, { type: "BYTE_ARRAY", converted_type: "UTF8", logical_type: { type: "STRING" } });

const COLUMNS: readonly (readonly [string, readonly SchemaElement[], (row: Row) => unknown])[] = [
  ["n", [optional("n", { type: "INT64" })], (row) => BigInt(row.n)],
  ["text", [text("text")], (row) => row.text],
  ["ratio", [optional("ratio", { type: "DOUBLE" })], (row) => row.ratio],
  ["flag", [optional("flag", { type: "BOOLEAN" })], (row) => row.flag],
  [
    "at",
    [
      optional("at", {
        type: "INT64",
        converted_type: "TIMESTAMP_MICROS",
        logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MICROS" },
      }),
    ],
    (row) => (row.at === null ? null : BigInt(row.at)),
  ],
  [
    "amount",
    [
      optional("amount", {
        type: "FIXED_LEN_BYTE_ARRAY",
        type_length: 16,
        converted_type: "DECIMAL",
        precision: 38,
        scale: 9,
        logical_type: { type: "DECIMAL", precision: 38, scale: 9 },
      }),
    ],
    (row) => (row.amount === null ? null : BigInt(row.amount.replace(".", ""))),
  ],
  [
    "day",
    [optional("day", { type: "INT32", converted_type: "DATE", logical_type: { type: "DATE" } })],
    (row) => (row.day === null ? null : Date.parse(`${row.day}T00:00:00Z`) / 86_400_000),
  ],
  [
    "place",
    [optional("place", { num_children: 2 }), text("city"), optional("floor", { type: "INT64" })],
    ({ place }) => place && { city: place.city, floor: place.floor === null ? null : BigInt(place.floor) },
  ],
  [
    "tags",
    [
      optional("tags", { num_children: 1, converted_type: "LIST", logical_type: { type: "LIST" } }),
      { name: "list", repetition_type: "REPEATED", num_children: 1 },
      text("element"),
    ],
    (row) => row.tags,
  ],
  [
    "raw",
    [optional("raw", { type: "BYTE_ARRAY" })],
    (row) => row.raw && Uint8Array.from(Buffer.from(row.raw, "hex")),
  ],
  ["note", [text("note")], (row) => row.note ?? null],
];

/** The rows as Parquet, without the partition column, and without `note` where no row has one. */
export function rowFile(rows: readonly Row[]): Uint8Array {
  const columns = COLUMNS.filter(([name]) => name !== "note" || rows.some((row) => row.note !== undefined));
  const root: SchemaElement = { name: "schema", num_children: columns.length };
  return new Uint8Array(
    parquetWriteBuffer({
      schema: [root, ...columns.flatMap(([, elements]) => elements)],
      columnData: columns.map(([name, , valueOf]) => ({ name, data: rows.map(valueOf) })),
    }),
  );
}
