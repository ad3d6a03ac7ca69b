/** Made-up rows with every type of a Delta table, in the form that readers are compared in, and as a Parquet file. */
import type { SchemaElement } from "hyparquet";
import { parquetWriteBuffer } from "hyparquet-writer";
import type { Randomness } from "../../core/clock.ts";
import { arrayOf, decimal, type DeltaField, field, struct } from "../../lake/table/delta-schema.ts";

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

/** Columns of the rows as a Delta table has them. */
export const ROW_FIELDS: readonly DeltaField[] = [
  field("n", "long", { comment: "counts the rows" }),
  field("text", "string"),
  field("ratio", "double"),
  field("flag", "boolean"),
  field("at", "timestamp"),
  field("amount", decimal(38, 9)),
  field("day", "date"),
  field("place", struct(field("city", "string"), field("floor", "long"))),
  field("tags", arrayOf("string")),
  field("raw", "binary"),
  field("ingest_date", "date"),
];

/**
 * Python: `show(rows)` prints the rows of a reader, as dictionaries, by n and in the form of `Row`. Times before year 1
 * and after 9999 are no datetimes.
 */
export const ROWS_PYTHON = `
import os, sys, json, datetime as dt, decimal
# DuckDB shows on stdout how far it is when it takes long.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
def say(value): print(json.dumps(value), file=answers, flush=True)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
def canon(v):
    if v is None or isinstance(v, (bool, float, str)): return v
    if isinstance(v, int): return str(v)
    if isinstance(v, decimal.Decimal): return format(v, "f")
    if isinstance(v, dt.datetime): return str((v - EPOCH) // dt.timedelta(microseconds=1))
    if isinstance(v, dt.date): return v.isoformat()
    if isinstance(v, bytes): return v.hex()
    if isinstance(v, dict): return {k: canon(x) for k, x in v.items()}
    return [canon(x) for x in v]
def show(rows): say(sorted((canon(r) for r in rows), key=lambda r: int(r["n"])))
`;

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
