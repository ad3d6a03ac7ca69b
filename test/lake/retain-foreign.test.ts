/**
 * Retention of a table that others wrote: by its own property, of whole files, as old as their writer says; delta-rs
 * writes the tables and reads what stays.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createFileObjectStore } from "../../adapters/file/object-store.ts";
import type { TableLog } from "../../core/ports/table-log.ts";
import { foreignTables } from "../../lake/catalog.ts";
import { createRemovals } from "../../lake/removals.ts";
import { openTableLog } from "../../lake/table/table-log.ts";
import { createUpkeep } from "../../lake/upkeep.ts";
import { runPython } from "../services/python.ts";
import { install, never } from "../workers/land/setup.ts";

const DAY_MS = 86_400_000;
const NAMES = ["kept", "days", "append_only", "unreadable"];
let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "muara-retain-foreign-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const WRITE = `
import sys, json, time
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
root, names = sys.argv[1], sys.argv[2:]
more = {"days": {"muara.retention": "2 days"}, "unreadable": {"muara.retention": "as long as we like"},
        "append_only": {"muara.retention": "2 days", "delta.appendOnly": "true"}}
for name in names:
    path = f"{root}/{name}"
    write_deltalake(path, pa.table({"n": [1, 2]}))
    if name in more:
        DeltaTable(path).alter.set_table_properties(more[name], raise_if_not_exists=False)
time.sleep(2)
for name in names:
    write_deltalake(f"{root}/{name}", pa.table({"n": [3]}), mode="append")
def times(name):
    adds = DeltaTable(f"{root}/{name}").get_add_actions(flatten=True)
    return sorted(adds["modification_time"].to_pylist())
print(json.dumps({name: times(name) for name in names}))
`;
const READ = `
import sys, json
from deltalake import DeltaTable
def rows(name):
    return sorted(DeltaTable(f"{sys.argv[1]}/{name}").to_pyarrow_table()["n"].to_pylist())
print(json.dumps({name: rows(name) for name in sys.argv[2:]}))
`;

/** An installation whose lake is the folder. */
async function onFolder() {
  const at = await install();
  const store = createFileObjectStore({ root });
  const openTable = (name: string): TableLog => openTableLog(store, name, at);
  return { ...at, store, openTable };
}

test("a table of others is retained as its property says, and only then", { timeout: 240_000 }, async () => {
  const written = (await runPython(WRITE, [root, ...NAMES])) as Record<string, number[]>;
  const at = await onFolder();
  const removals = createRemovals(at, { horizonMs: 1, sweepAfterMs: DAY_MS, holdMs: 1, partsMs: DAY_MS });
  const others = (known: ReadonlySet<string>): Promise<readonly string[]> => foreignTables(at.store, known);
  const upkeep = createUpkeep({ ...at, others }, removals.tasks);
  const [older, newer] = written["days"]!;
  expect(newer! - older!).toBeGreaterThanOrEqual(2_000);

  at.clock.advance(older! + 2 * DAY_MS - 1_000 - at.clock.nowMs());
  await upkeep.pass(never);
  const all = Object.fromEntries(NAMES.map((name) => [name, [1, 2, 3]]));
  expect(await runPython(READ, [root, ...NAMES])).toEqual(all);

  at.clock.advance(2_000); // the next turn comes an hour after the last
  await upkeep.pass(never);
  expect(await runPython(READ, [root, ...NAMES])).toEqual(all);
  const asked = { isDryRun: false, signal: never };
  expect(await removals.expire({ name: "days" }, undefined, asked)).toMatchObject({ rows: 2, files: 1 });
  expect(await runPython(READ, [root, ...NAMES])).toEqual({ ...all, days: [3] });
  const known = await foreignTables(at.store, new Set());
  expect(known.toSorted()).toEqual(NAMES.toSorted());

  at.clock.advance(3_600_000);
  await upkeep.pass(never);
  expect(await runPython(READ, [root, ...NAMES])).toEqual({ ...all, days: [] });
  for (const name of ["kept", "unreadable"])
    await expect(removals.expire({ name }, undefined, asked)).rejects.toMatchObject({
      code: "table.no_retention",
    });
  await expect(removals.expire({ name: "append_only" }, undefined, asked)).rejects.toMatchObject({
    code: "table.unsupported",
  });
  expect(at.lines.filter(({ level }) => level === "error")).toEqual([]);
  await removals.close();
});
