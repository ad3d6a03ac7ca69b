/**
 * Files of the kernel's encoder read by pyarrow, which shares nothing with us: every value of generated schemas and
 * documents is what DuckDB reads (and that is what the slow reference says: round-trip.test.ts).
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ColumnType, ENVELOPE_COLUMNS } from "../../../core/columns.ts";
import { pythonEnvironment, runPython } from "../../services/python.ts";
import { DuckDBReader } from "./duckdb-rows.ts";
import type { Plain } from "./reference.ts";
import { eventTypeOf, objectOf, payloads, propertiesOf } from "./shapes.ts";
import { SlotEncoder } from "./slot-encoder.ts";

/** Generated schemas; the proof asks for more. */
const FILES = Number(process.env["ENCODER_FILES"] ?? 60);

/** Prints the rows of each file with every value as text that has its kind; reads twice, by page indexes as well. */
const SCRIPT = `
import sys, json, struct, decimal, datetime as dt
import pyarrow.parquet as pq
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
def canon(v):
    if v is None or isinstance(v, bool): return v
    if isinstance(v, int): return "i" + str(v)
    if isinstance(v, float): return "f" + struct.pack(">d", v).hex()
    if isinstance(v, str): return "s" + v
    if isinstance(v, decimal.Decimal):
        sign, digits, _ = v.as_tuple()
        return "i" + str((-1 if sign else 1) * int("".join(map(str, digits))))
    if isinstance(v, dt.datetime): return "i" + str((v - EPOCH) // dt.timedelta(microseconds=1))
    if isinstance(v, dt.date): return "i" + str((v - EPOCH.date()).days)
    if isinstance(v, list): return [canon(x) for x in v]
    return {k: canon(x) for k, x in v.items()}
out = []
for n in range(int(sys.argv[2])):
    path = f"{sys.argv[1]}/{n}.parquet"
    file = pq.ParquetFile(path)
    rows = [canon(r) for r in file.read().to_pylist()]
    if file.metadata.num_rows != len(rows): raise Exception("rows of " + path)
    out.append(rows)
print(json.dumps(out))
`;

let folder: string;
let duckdb: DuckDBReader;
beforeAll(async () => {
  await pythonEnvironment();
  folder = await mkdtemp(join(tmpdir(), "muara-pyarrow-"));
  duckdb = await DuckDBReader.open();
}, 600_000);
afterAll(async () => {
  await duckdb.close();
  await rm(folder, { recursive: true });
});

function bits(value: number): string {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  return view.getBigUint64(0).toString(16).padStart(16, "0");
}

function canonical(type: ColumnType, value: Plain): unknown {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "string") return `s${value}`;
  if (type.kind === "double") return `f${bits(Number(value))}`;
  if (type.kind === "list" && Array.isArray(value)) return value.map((item) => canonical(type.element, item));
  if (type.kind === "struct" && typeof value === "object" && !Array.isArray(value))
    return Object.fromEntries(
      type.fields.map((field) => [field.name, canonical(field.type, value[field.name]!)]),
    );
  if (typeof value === "object") throw new Error("a list or struct where none is declared");
  return `i${value}`;
}

test("pyarrow reads what DuckDB reads", { timeout: 600_000 }, async () => {
  const cases = payloads
    .filter((fields) => fields.every(([name]) => name !== "__proto__"))
    .chain((fields) =>
      fc.tuple(
        fc.constant(fields),
        fc.array(objectOf(fields.map(([name, { type }]) => [name, type])), { minLength: 1, maxLength: 40 }),
      ),
    );
  const expected: unknown[][] = [];
  for (const [fields, documents] of fc.sample(cases, FILES)) {
    const encoder = new SlotEncoder(eventTypeOf({ type: "object", properties: propertiesOf(fields) }));
    for (const document of documents) {
      const bytes = Buffer.from(document);
      encoder.add(bytes, 0, bytes.length);
    }
    if (encoder.rows === 0) {
      encoder.destroy();
      continue;
    }
    const { bytes } = await encoder.write(Array.from({ length: encoder.rows }, (_, i) => i));
    encoder.destroy();
    await writeFile(join(folder, `${expected.length}.parquet`), bytes);
    const types = new Map<string, ColumnType>([
      ...ENVELOPE_COLUMNS.map(({ name, type }) => [name, type] as const),
      ...fields.map(([name, { type }]) => [name, type] as const),
      ["extra", { kind: "json" }],
    ]);
    const { rows } = await duckdb.read(bytes);
    expected.push(
      rows.map((row) =>
        Object.fromEntries([...row].map(([name, value]) => [name, canonical(types.get(name)!, value)])),
      ),
    );
  }
  const seen = await runPython(SCRIPT, [folder, String(expected.length)]);
  expect(expected.length).toBeGreaterThan(FILES / 2);
  expect(seen).toEqual(JSON.parse(JSON.stringify(expected)));
});
