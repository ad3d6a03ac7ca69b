/**
 * Files of the kernel's encoder read by Spark: by its reader of columns in batches and by the one row by row, which
 * are two programs. One session reads all files; types are those that the table declares, values are compared exactly.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { pythonEnvironment } from "../../services/python.ts";
import { runSpark } from "../../services/spark.ts";
import { DuckDBReader } from "./duckdb-rows.ts";
import { COMPARE, writeForeignFiles } from "./foreign-files.ts";

/** Generated schemas; the proof asks for more. On Deno only another zstd wrote them. */
const FILES = Number(process.env["SPARK_FILES"] ?? ("Deno" in globalThis ? 60 : 210));

/** Spark calls every column of a file nullable, and knows no annotation of ours. */
const SCRIPT = `${COMPARE}
from pyspark.sql.types import DateType, TimestampType
# Rows hold what Spark holds: µs and days. Python's own times end before Spark's do.
TimestampType.fromInternal = lambda self, v: None if v is None else Micros(v)
DateType.fromInternal = lambda self, v: None if v is None else Days(v)
def open_type(t):
    if isinstance(t, str): return t
    if t["type"] == "array": return {"array": open_type(t["elementType"])}
    return {"struct": [[f["name"], open_type(f["type"])] for f in t["fields"]]}
files = int(sys.argv[2])
for n in range(files):
    expected = expected_of(n)
    reader = spark.read
    for vectorized in ("true", "false"):
        how = "in batches" if vectorized == "true" else "row by row"
        spark.conf.set("spark.sql.parquet.enableVectorizedReader", vectorized)
        frame = reader.parquet(path_of(n))
        reader = reader.schema(frame.schema) # it was found in the file, and stays what it was
        types, wanted = open_type(frame.schema.jsonValue()), open_type(expected["schema"])
        if types != wanted: differ(n, how, types, wanted)
        compare(n, how, [row.asDict(recursive=True) for row in frame.collect()], expected)
finish(files)
`;

let folder: string;
let duckdb: DuckDBReader;
beforeAll(async () => {
  await pythonEnvironment();
  folder = await mkdtemp(join(tmpdir(), "muara-spark-"));
  duckdb = await DuckDBReader.open();
}, 600_000);
afterAll(async () => {
  await duckdb.close();
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
});

test("Spark reads what DuckDB reads, with both of its readers", { timeout: 3_600_000 }, async () => {
  const written = await writeForeignFiles(folder, FILES, duckdb);
  expect(written.files).toBeGreaterThan(FILES / 2);
  const scratch = join(folder, "scratch");
  await mkdir(scratch);
  const args = [folder, String(written.files)];
  const seen = await runSpark(SCRIPT, args, { scratch, timeoutMs: 3_500_000 });
  expect(seen).toEqual({ files: written.files, rows: 2 * written.rows, differences: [] });
});
