/**
 * A lake that landing wrote, read by Spark with Delta: the newest version with its table checkpoint, the same where
 * only the checkpoint and what came after it is left, and a version before there was any.
 */
import { cp, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startMuara, temporaryFolder, type MuaraProcess } from "../services/muara.ts";
import { pythonEnvironment } from "../services/python.ts";
import { runSpark } from "../services/spark.ts";
import { publishSales, type Sale, summaryOf } from "./sales.ts";

/** Every so many versions the lake writes a checkpoint. */
const CHECKPOINT_VERSIONS = 100;
const COMMIT_ROWS = 16;
const SALES = 2_000;

let folder: { path: string; remove: () => Promise<void> };
let muara: MuaraProcess;
let published: readonly Sale[];

beforeAll(async () => {
  await pythonEnvironment();
  folder = await temporaryFolder("spark");
  muara = await startMuara(folder.path, { MUARA_LAND_COMMIT_ROWS: String(COMMIT_ROWS) });
  published = await publishSales(muara, SALES);
}, 900_000);

afterAll(async () => {
  await muara.stop();
  await folder.remove();
});

const SCRIPT = `
import sys, json
from pyspark.sql import functions as F
def open_at(path, version=None):
    reader = spark.read.format("delta")
    return (reader if version is None else reader.option("versionAsOf", version)).load(path)
def summary(t):
    exact = F.sum(F.col("quantity").cast("decimal(38,0)")).cast("string")
    row = t.agg(F.count("*"), F.count_distinct("event_id"), F.sum("amount").cast("string"), exact,
        F.collect_set("extra")).first()
    return dict(zip(["rows", "ids", "amount", "quantity", "extras"], row))
path, cut, before, quantity = sys.argv[1:]
newest = open_at(path)
print(json.dumps({
    "newest": summary(newest), "cut": summary(open_at(cut)), "before": summary(open_at(path, int(before))),
    "large": newest.where(F.col("quantity") >= int(quantity)).count(),
    "days": newest.where("ingest_date < DATE '2020-01-01'").count(),
}))
`;

test(
  "Spark agrees on counts, sums and digits, with a checkpoint and without",
  { timeout: 900_000 },
  async () => {
    const path = join(folder.path, "lake", "shop.sale");
    const cut = join(folder.path, "cut");
    await cp(path, cut, { recursive: true });
    const log = join(cut, "_delta_log");
    const names = await readdir(log);
    const checkpoint = `${String(CHECKPOINT_VERSIONS).padStart(20, "0")}.checkpoint.parquet`;
    expect(names).toContain(checkpoint);
    const older = names.filter((name) => /^\d+\.json$/.test(name) && name <= checkpoint);
    expect(older).toHaveLength(CHECKPOINT_VERSIONS);
    for (const name of older) await rm(join(log, name));

    const before = CHECKPOINT_VERSIONS - 10;
    const early = await muara.fetch("/v1/sql", {
      method: "POST",
      body: JSON.stringify({ sql: `SELECT event_id FROM "shop.sale"`, at: before, limit: 100_000 }),
    });
    expect(early.status).toBe(200);
    const ids = new Set(((await early.json()) as { rows: string[][] }).rows.map(([id]) => id));
    const middle = published.map(({ quantity }) => quantity).toSorted((a, b) => (a < b ? -1 : 1))[SALES / 2]!;
    const scratch = join(folder.path, "scratch");
    await mkdir(scratch);
    const seen = await runSpark(SCRIPT, [path, cut, String(before), String(middle)], {
      scratch,
      isDelta: true,
      timeoutMs: 800_000,
    });
    expect(ids.size).toBeGreaterThan(SALES / 4);
    expect(seen).toEqual({
      newest: summaryOf(published),
      cut: summaryOf(published),
      before: summaryOf(published.filter(({ id }) => ids.has(id))),
      large: published.filter(({ quantity }) => quantity >= middle).length,
      days: 0,
    });
  },
);
