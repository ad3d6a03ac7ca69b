/**
 * Delta tables that Spark wrote, read by our SQL: its timestamps of 96 bits, its way of naming partitions, its table
 * checkpoints, deletes and compactions. Spark reads the same back, and every cell must be the same here.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runSpark } from "../services/spark.ts";
import { type ForeignLake, openForeignLake } from "./foreign-lake.ts";

let root = "";
let lake: ForeignLake;
let written: Readonly<Record<string, readonly (readonly unknown[])[]>>;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "muara-spark-tables-"));
  const scratch = join(root, "scratch");
  const tables = join(root, "lake");
  await Promise.all([mkdir(scratch), mkdir(tables)]);
  const ran = await runSpark(WRITER, [tables], { scratch, isDelta: true });
  written = ran as typeof written;
  lake = await openForeignLake(tables);
}, 3_600_000);
afterAll(async () => {
  await lake?.close();
  await rm(root, { recursive: true, force: true });
});

/** Both sides show a cell as text in the same way. */
const CELLS: Readonly<Record<string, string>> = {
  values: `id, i, s, f::DOUBLE, d, b, text, hex(bin), day::VARCHAR, epoch_us(seen)::VARCHAR, amount::VARCHAR,
    place.city, place.inner.floor, list_aggregate(tags, 'string_agg', '|'), counts['a']`,
  parts: "id, p, day::VARCHAR, epoch_us(seen)::VARCHAR",
  many: "id",
  changed: "id, v",
  wider: "id, v, w.x, w.y",
};

const shown = (value: unknown): unknown => (typeof value === "number" ? String(value) : value);

test.each(Object.keys(CELLS))("%s: every cell as Spark reads it", { timeout: 120_000 }, async (name) => {
  const expected = written[name]!;
  expect(expected.length).toBeGreaterThan(0);
  const { rows } = await lake.ask(`SELECT ${CELLS[name]} FROM "${name}" ORDER BY id`);
  expect(rows.map((row) => row.map(shown))).toEqual(expected.map((row) => row.map(shown)));
});

test("older versions, and files left out by Spark's statistics", async () => {
  expect((await lake.ask("SELECT count(*) FROM changed", 0)).rows).toEqual([["4"]]);
  for (const [where, count] of [
    ["id >= 20", 5],
    ["id = 7", 1],
    ["id BETWEEN 3 AND 4", 2],
    ["id < 0", 0],
  ] as const)
    expect((await lake.ask(`SELECT count(*) FROM many WHERE ${where}`)).rows, where).toEqual([
      [String(count)],
    ]);
  const late = "seen >= TIMESTAMP '2026-01-02 03:04:05.123456'";
  expect((await lake.ask(`SELECT count(*) FROM "values" WHERE ${late}`)).rows).toEqual([["1"]]);
});

const WRITER = `
import json
root = sys.argv[1]
def save(frame, name, mode="append", **options):
    writer = frame.write.format("delta").mode(mode)
    for key, value in options.items():
        writer = writer.partitionBy(*value) if key == "by" else writer.option(key, value)
    writer.save(f"{root}/{name}")
def table(name): return spark.read.format("delta").load(f"{root}/{name}")

save(spark.sql("""
  SELECT 1L id, 7 i, CAST(3 AS SMALLINT) s, CAST(1.5 AS FLOAT) f, 0.1D d, true b, 'a é \u65e5' text, X'0001' bin,
    DATE'2026-01-02' day, TIMESTAMP'2026-01-02 03:04:05.123456' seen,
    CAST(12345678901234567890.123456 AS DECIMAL(38,6)) amount,
    named_struct('city', 'Kuching', 'inner', named_struct('floor', 7L)) place,
    array('a', null, 'b') tags, map('a', 1L) counts
  UNION ALL SELECT 2L, null, null, null, null, null, null, null, null, null, null, null, null, null
"""), "values")
save(spark.sql("""
  SELECT * FROM VALUES (1L, 'S\u00e3o Paulo', DATE'2026-01-02', TIMESTAMP'2026-01-02 03:04:05.5'),
    (2L, 'a/b:c%d', DATE'2026-01-02', null), (3L, null, null, TIMESTAMP'1999-12-31 23:59:59'),
    (4L, 'a, b (c)', DATE'2026-01-03', null) AS t(id, p, day, seen)
"""), "parts", by=["p", "day", "seen"])
often = "TBLPROPERTIES ('delta.checkpointInterval' = '5')"
spark.sql(f"CREATE TABLE delta.\`{root}/many\` (id BIGINT) USING delta {often}")
for i in range(25): save(spark.range(i, i + 1), "many")
save(spark.sql("SELECT * FROM VALUES (1L, 'a'), (2L, 'b'), (3L, 'c'), (4L, 'd') AS t(id, v)"), "changed")
changed = f"delta.\`{root}/changed\`"
spark.sql(f"DELETE FROM {changed} WHERE id = 2")
spark.sql(f"UPDATE {changed} SET v = 'C' WHERE id = 3")
spark.sql(f"OPTIMIZE {changed}")
save(spark.sql("SELECT 1L id, 'a' v, named_struct('x', 1L) w"), "wider")
save(spark.sql("SELECT 2L id, 'b' v, named_struct('x', 2L, 'y', 'new') w"), "wider", mergeSchema="true")

out = {
  "values": """SELECT id, i, s, CAST(f AS DOUBLE), d, b, text, hex(bin),
     CAST(day AS STRING), CAST(unix_micros(seen) AS STRING), CAST(amount AS STRING), place.city, place.inner.floor,
     CASE WHEN tags IS NULL THEN NULL ELSE array_join(tags, '|') END, counts['a'] FROM {t} ORDER BY id""",
  "parts": "SELECT id, p, CAST(day AS STRING), CAST(unix_micros(seen) AS STRING) FROM {t} ORDER BY id",
  "many": "SELECT id FROM {t} ORDER BY id",
  "changed": "SELECT id, v FROM {t} ORDER BY id",
  "wider": "SELECT id, v, w.x, w.y FROM {t} ORDER BY id",
}
print(json.dumps({name: [list(row) for row in spark.sql(sql.format(t=f"delta.\`{root}/{name}\`")).collect()]
  for name, sql in out.items()}))
`;
