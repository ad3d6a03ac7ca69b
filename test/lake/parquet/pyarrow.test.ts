/** Files of the kernel's encoder read by pyarrow, which shares nothing with us: every value of generated documents. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { pythonEnvironment, runPython } from "../../services/python.ts";
import { DuckDBReader } from "./duckdb-rows.ts";
import { COMPARE, writeForeignFiles } from "./foreign-files.ts";

/** Generated schemas; the proof asks for more. */
const FILES = Number(process.env["ENCODER_FILES"] ?? 60);

const SCRIPT = `${COMPARE}
import pyarrow.parquet as pq
files = int(sys.argv[2])
for n in range(files):
    file = pq.ParquetFile(path_of(n))
    rows = file.read().to_pylist()
    if file.metadata.num_rows != len(rows): raise Exception("rows of " + path_of(n))
    compare(n, "pyarrow", rows, expected_of(n))
finish(files)
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

test("pyarrow reads what DuckDB reads", { timeout: 600_000 }, async () => {
  const written = await writeForeignFiles(folder, FILES, duckdb);
  expect(written.files).toBeGreaterThan(FILES / 2);
  const seen = await runPython(SCRIPT, [folder, String(written.files)]);
  expect(seen).toEqual({ ...written, differences: [] });
});
