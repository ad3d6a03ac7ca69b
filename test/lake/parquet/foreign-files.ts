/**
 * Files of the kernel's encoder for readers that are not ours: generated schemas and documents, beside each file what
 * a reader must see. The expectation is what DuckDB reads, and that is what the slow reference says
 * (round-trip.test.ts). Readers compare by themselves (`COMPARE`): what passes between the languages is text, so that
 * no digit depends on either one's JSON.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as fc from "fast-check";
import { type ColumnType, planColumns } from "../../../core/columns.ts";
import { deltaSchemaOf } from "../../../lake/parquet/delta-type.ts";
import type { DuckDBReader } from "./duckdb-rows.ts";
import { as, type Plain } from "./reference.ts";
import { eventTypeOf, objectOf, payloads, propertiesOf } from "./shapes.ts";
import { SlotEncoder } from "./slot-encoder.ts";

export interface ForeignFiles {
  /** `0.parquet` and `0.json` and so on, in the folder. */
  readonly files: number;
  readonly rows: number;
}

/** What a script prints that calls `finish`. */
export interface Comparison extends ForeignFiles {
  /** The first of them. */
  readonly differences: readonly string[];
}

/**
 * Python: `compare(n, how, rows)` holds the rows of file n, as dictionaries, against the expected ones; `finish()`
 * prints a Comparison. Every value becomes text that has its kind: doubles by their bits, decimals by digits and
 * exponent, times as µs and dates as days since 1970 (a reader that has integers gives `Micros` and `Days`).
 */
export const COMPARE = `
import sys, json, struct, decimal, datetime as dt
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
class Micros(int): pass
class Days(int): pass
def canon(v):
    if v is None or isinstance(v, bool): return v
    if isinstance(v, Micros): return "t" + str(int(v))
    if isinstance(v, Days): return "y" + str(int(v))
    if isinstance(v, int): return "i" + str(v)
    if isinstance(v, float): return "f" + struct.pack(">d", v).hex()
    if isinstance(v, str): return "s" + v
    if isinstance(v, decimal.Decimal):
        sign, digits, exponent = v.as_tuple()
        text = "".join(map(str, digits)).lstrip("0")
        short = text.rstrip("0")
        if short == "": return "de0"
        return "d" + ("-" if sign else "") + short + "e" + str(exponent + len(text) - len(short))
    if isinstance(v, dt.datetime): return "t" + str((v - EPOCH) // dt.timedelta(microseconds=1))
    if isinstance(v, dt.date): return "y" + str((v - EPOCH.date()).days)
    if isinstance(v, list): return [canon(x) for x in v]
    if isinstance(v, dict): return {k: canon(x) for k, x in v.items()}
    raise Exception("a value of " + str(type(v)))
seen = {"files": 0, "rows": 0, "differences": []}
def differ(n, how, actual, wanted):
    if len(seen["differences"]) < 5:
        seen["differences"].append(f"file {n}, {how}: {str(actual)[:2000]} is not {str(wanted)[:2000]}")
def path_of(n): return f"{sys.argv[1]}/{n}.parquet"
def expected_of(n):
    with open(f"{sys.argv[1]}/{n}.json", encoding="utf8") as file: return json.load(file)
def compare(n, how, rows, expected):
    wanted = expected["rows"]
    if len(rows) != len(wanted): differ(n, how, f"{len(rows)} rows", len(wanted))
    for i, (row, right) in enumerate(zip(rows, wanted)):
        actual = canon(row)
        if actual != right: differ(n, f"{how}, row {i}", actual, right)
    seen["rows"] += len(rows)
def finish(files):
    seen["files"] = files
    print(json.dumps(seen))
`;

const cases = payloads
  .filter((fields) => fields.every(([name]) => name !== "__proto__"))
  .chain((fields) =>
    fc.tuple(
      fc.constant(fields),
      fc.array(objectOf(fields.map(([name, { type }]) => [name, type])), { minLength: 1, maxLength: 40 }),
    ),
  );

/** Writes files into a folder. @param count schemas; one whose documents are all bad makes no file */
export async function writeForeignFiles(
  folder: string,
  count: number,
  duckdb: DuckDBReader,
): Promise<ForeignFiles> {
  let files = 0;
  let rows = 0;
  for (const [fields, documents] of fc.sample(cases, count)) {
    const eventType = eventTypeOf({ type: "object", properties: propertiesOf(fields) });
    const encoder = new SlotEncoder(eventType);
    for (const document of documents) {
      const bytes = Buffer.from(document);
      encoder.add(bytes, 0, bytes.length);
    }
    if (encoder.rows > 0) {
      const { bytes } = await encoder.write(Array.from({ length: encoder.rows }, (_, i) => i));
      const { columns } = planColumns(eventType);
      const seen = await duckdb.read(bytes);
      const expected = {
        schema: deltaSchemaOf(columns),
        rows: seen.rows.map((row) =>
          Object.fromEntries(columns.map(({ name, type }) => [name, canonical(type, row.get(name)!)])),
        ),
      };
      await writeFile(join(folder, `${files}.parquet`), bytes);
      await writeFile(join(folder, `${files}.json`), JSON.stringify(expected));
      files++;
      rows += encoder.rows;
    }
    encoder.destroy();
  }
  return { files, rows };
}

function canonical(type: ColumnType, value: Plain): unknown {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "string") return `s${value}`;
  switch (type.kind) {
    case "double":
      return `f${bitsOf(as("number", value))}`;
    case "timestamp":
      return `t${as("bigint", value)}`;
    case "date":
      return `y${as("number", value)}`;
    case "decimal":
      return decimalText(String(as("bigint", value)), type.scale);
    case "long":
      return `i${as("bigint", value)}`;
    case "list":
      return as("list", value).map((item) => canonical(type.element, item));
    case "struct": {
      const held = as("struct", value);
      return Object.fromEntries(
        type.fields.map((field) => [field.name, canonical(field.type, held[field.name]!)]),
      );
    }
    default:
      throw new Error(`${typeof value} where ${type.kind} is declared`);
  }
}

/** Without zeros at the end: readers spell the same value with more or fewer. */
function decimalText(unscaled: string, scale: number): string {
  const digits = unscaled.replace(/0+$/, "");
  return digits === "" ? "de0" : `d${digits}e${unscaled.length - digits.length - scale}`;
}

function bitsOf(value: number): string {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  return view.getBigUint64(0).toString(16).padStart(16, "0");
}
