/**
 * Delta tables that others wrote, within reader 1 / writer 2, read by our SQL: delta-rs writes them and reads them
 * back, and every cell must be the same here. Beyond that the table is refused by name. Paths as Spark writes them,
 * which escapes less than delta-rs does.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runPython } from "../services/python.ts";
import { type ForeignLake, openForeignLake } from "./foreign-lake.ts";

/** What delta-rs reads back, in the form of our JSON answers. */
interface Written {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
}

let root = "";
let written: Readonly<Record<string, Written>>;
let lake: ForeignLake;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "muara-foreign-tables-"));
  written = (await runPython(WRITER, [root])) as typeof written;
  lake = await openForeignLake(root);
}, 600_000);
afterAll(async () => {
  await lake.close();
  await rm(root, { recursive: true, force: true });
});

const ask = (sql: string, at?: number): ReturnType<ForeignLake["ask"]> => lake.ask(sql, at);

test.each([
  "types",
  "by_text",
  "by_integer",
  "by_time",
  "by_date_and_flag",
  "by_decimal",
  "many_commits",
  "wider",
  "nested_wider",
  "deleted",
  "optimized",
  "merged",
  "spark_paths",
  "parts",
])("%s: every cell as delta-rs reads it", { timeout: 60_000 }, async (name) => {
  const expected = written[name]!;
  expect(expected.rows.length).toBeGreaterThan(0);
  const answer = await ask(`SELECT * FROM ${name} ORDER BY 1`);
  expect(answer.columns.map((column) => column.name)).toEqual(expected.columns);
  expect(answer.rows).toEqual(expected.rows);
});

test("an older version is what it was", async () => {
  for (const version of [3, 7, 11])
    expect((await ask("SELECT count(*) FROM many_commits", version)).rows).toEqual([[String(version + 1)]]);
});

test("a WHERE over partitions and statistics of others leaves out no row", async () => {
  for (const where of ["n >= 5", "p = 'a b'", "p > 'b'", "p IS NULL", "p < 'a b' AND n < 4"]) {
    const all = (await ask("SELECT n, p FROM by_text")).rows.length;
    const [yes, no] = await Promise.all([
      ask(`SELECT count(*) FROM by_text WHERE ${where}`),
      ask(`SELECT count(*) FROM by_text WHERE NOT coalesce(${where}, false)`),
    ]);
    expect(Number(yes.rows[0]![0]) + Number(no.rows[0]![0]), where).toBe(all);
  }
});

describe("beyond reader 1 / writer 2", () => {
  test.each([
    ["change_feed", "minWriterVersion"],
    ["deletion_vectors", "deletionVectors"],
    ["column_mapping", "minReaderVersion"],
    ["without_time_zone", "timestampNtz"],
    ["shallow_clone", "outside of its table"],
  ])("%s is refused, and says why", async (name, why) => {
    const refusal = await ask(`SELECT * FROM ${name}`).then(
      () => undefined,
      (error: unknown) => error as { code: string; message: string; details: unknown },
    );
    expect(refusal?.code).toBe("table.unsupported");
    expect(refusal!.message + JSON.stringify(refusal!.details)).toContain(why);
  });

  test("nothing is committed to a table whose rules we do not keep", async () => {
    const log = lake.catalog.log("append_only");
    const base = await log.snapshot();
    const [file] = base.files.values();
    const change = {
      operation: "DELETE",
      add: [],
      remove: [{ path: file!.path, deletionTimestamp: 0, dataChange: true }],
      txns: [],
      info: {},
    };
    await expect(log.commit({ base, change, check: () => "abandon" })).rejects.toMatchObject({
      code: "table.unsupported",
    });
  });
});

const WRITER = `
import sys, json, os, base64, math, shutil, urllib.parse, datetime as dt, decimal, pyarrow as pa
from deltalake import write_deltalake, DeltaTable
root = sys.argv[1]
utc = dt.timezone.utc
T = dt.datetime(2026, 1, 1, 5, 6, 7, 123456, tzinfo=utc)

def write(name, data, **more):
    write_deltalake(f"{root}/{name}", pa.table(data), **more)
def table(name): return DeltaTable(f"{root}/{name}")

write("types", {
  "i8": pa.array([1, None], pa.int8()), "i16": pa.array([1, -2], pa.int16()), "i32": pa.array([1, 2], pa.int32()),
  "i64": pa.array([2**60 + 1, None], pa.int64()), "f": pa.array([1.5, None], pa.float32()), "d": [0.1, None],
  "b": [True, None], "s": ["a'\\"é", None], "bin": [b"\\x00\\x01", None], "date": [dt.date(2026, 1, 1), None],
  "ts": pa.array([T, None], pa.timestamp("us", "UTC")),
  "dec": pa.array([decimal.Decimal("1234567890123456789.0123456789"), None], pa.decimal128(38, 10)),
  "st": [{"x": 1, "Y z": {"q": "r"}}, None], "li": [[1, None], []],
  "mp": pa.array([[("k", 1), ("l", None)], None], pa.map_(pa.string(), pa.int64())), "a.b c": [1, 2]})
texts = ["a b", "a/b", "a%b", "ä", "a=b", None, "", "a:b", "x'y\\"#?&+", "%41"]
write("by_text", {"n": list(range(len(texts))), "p": texts}, partition_by=["p"])
write("by_integer", {"n": [1, 2, 3], "p": [5, -7, None]}, partition_by=["p"])
write("by_time", {"n": [1, 2], "p": pa.array([T, None], pa.timestamp("us", "UTC"))}, partition_by=["p"])
write("by_date_and_flag", {"n": [1, 2], "p": [dt.date(2026, 1, 1), None], "q": [True, False]}, partition_by=["p", "q"])
cents = pa.array([decimal.Decimal("1.50"), None], pa.decimal128(10, 2))
write("by_decimal", {"n": [1, 2], "p": cents}, partition_by=["p"])
for i in range(12): write("many_commits", {"n": [i]}, mode="append")
table("many_commits").create_checkpoint()
write("many_commits", {"n": [12]}, mode="append")
write("wider", {"a": [1]})
write("wider", {"a": [2], "b": ["x"]}, mode="append", schema_mode="merge")
write("nested_wider", {"a": [1], "s": [{"x": 1}]})
write("nested_wider", {"a": [2], "s": [{"x": 2, "y": "new"}]}, mode="append", schema_mode="merge")
write("deleted", {"n": [1, 2, 3]}); table("deleted").delete("n = 2")
for i in range(4): write("optimized", {"n": [i]}, mode="append")
table("optimized").optimize.compact()
write("merged", {"n": [1, 2], "v": ["a", "b"]})
(table("merged").merge(pa.table({"n": [2, 3], "v": ["B", "C"]}), "t.n = s.n", source_alias="s", target_alias="t")
  .when_matched_update_all().when_not_matched_insert_all().execute())
for i in range(3): write("parts", {"n": [i]}, mode="append")

# Spark escapes only what Hive does: spaces and letters of any script stay as they are.
write("spark_paths", {"n": [1, 2, 3], "p": ["S\\u00e3o Paulo", "a, b (c)", "\\u65e5\\u672c"]}, partition_by=["p"])
log = f"{root}/spark_paths/_delta_log/00000000000000000000.json"
lines = []
for line in open(log):
    action = json.loads(line)
    if "add" in action:
        old = urllib.parse.unquote(action["add"]["path"])
        new = "p=" + action["add"]["partitionValues"]["p"] + "/" + old.split("/")[1]
        os.makedirs(os.path.dirname(f"{root}/spark_paths/{new}"), exist_ok=True)
        shutil.move(f"{root}/spark_paths/{old}", f"{root}/spark_paths/{new}")
        action["add"]["path"] = urllib.parse.quote(new, safe="/=,()")
    lines.append(json.dumps(action))
open(log, "w").write("\\n".join(lines) + "\\n")

write("change_feed", {"n": [1]}, configuration={"delta.enableChangeDataFeed": "true"})
write("deletion_vectors", {"n": [1]}, configuration={"delta.enableDeletionVectors": "true"})
write("column_mapping", {"n": [1]}, configuration={"delta.columnMapping.mode": "name"})
write("without_time_zone", {"n": [1], "t": pa.array([T.replace(tzinfo=None)], pa.timestamp("us"))})
write("append_only", {"n": [1]}, configuration={"delta.appendOnly": "true"})
shutil.copytree(f"{root}/parts", f"{root}/shallow_clone")
for name in os.listdir(f"{root}/shallow_clone/_delta_log"):
    path = f"{root}/shallow_clone/_delta_log/{name}"
    text = open(path).read()
    open(path, "w").write(text.replace('"path":"', f'"path":"file://{root}/parts/'))

def canon(v, t):
    if v is None: return None
    if pa.types.is_int64(t): return str(v)
    if pa.types.is_floating(t): return "NaN" if math.isnan(v) else v
    if pa.types.is_decimal(t): return format(v, "f")
    if pa.types.is_timestamp(t): return v.astimezone(utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if pa.types.is_date(t): return v.isoformat()
    if pa.types.is_binary(t) or pa.types.is_large_binary(t): return base64.b64encode(v).decode()
    if pa.types.is_struct(t): return {f.name: canon(v[f.name], f.type) for f in t}
    if pa.types.is_map(t): return {k: canon(x, t.item_type) for k, x in v}
    if pa.types.is_list(t) or pa.types.is_large_list(t): return [canon(x, t.value_type) for x in v]
    return v
out = {}
for name in ["types", "by_text", "by_integer", "by_time", "by_date_and_flag", "by_decimal", "many_commits", "wider",
             "nested_wider", "deleted", "optimized", "merged", "spark_paths", "parts"]:
    t = table(name).to_pyarrow_table()
    rows = [[canon(r[c.name], c.type) for c in t.schema] for r in t.to_pylist()]
    key = lambda r: (r[0] is None, r[0] if not isinstance(r[0], str) else int(r[0]))
    out[name] = {"columns": t.schema.names, "rows": sorted(rows, key=key)}
print(json.dumps(out))
`;
