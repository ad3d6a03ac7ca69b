/** Erasure in captured tables: in changes, in what rows were before, in current states, and in merges under way. */
import { afterEach, expect, test, vi } from "vitest";
import type { Subject } from "../../../lake/subject.ts";
import { holds } from "../byte-scan.ts";
import { type Change, capturedType } from "./changes.ts";
import { World } from "./world.ts";

const TYPE = capturedType({ id: { type: "integer" }, email: { type: "string" }, name: { type: "string" } });
const ANNA: Subject = { column: "email", value: "anna@example.org" };

// Each step starts processes, which take long where everything runs at once.
vi.setConfig({ testTimeout: 240_000 });

let world: World;
afterEach(async () => world.close());

function put(lsn: number, id: number, email: string, more: Partial<Change> = {}): Change {
  return { lsn, change: "create", key: ["shop1", id], data: { id, email, name: `n${lsn}` }, ...more };
}

async function landed(changes: readonly Change[], merge = false): Promise<void> {
  await world.send(changes);
  await world.land();
  if (merge) await world.merge();
}

async function emails(): Promise<readonly unknown[]> {
  const { rows } = await world.rows(`SELECT email FROM "${world.current}" ORDER BY id`);
  return rows.map(([email]) => email);
}

async function erase(): Promise<{ rows: number; currentRows: number }> {
  const table = { name: TYPE.name, eventType: TYPE };
  const { signal } = new AbortController();
  return world.removals().erase(table, ANNA, "00000000-0000-4000-8000-000000000001", { signal });
}

test("rows go from changes, from what was before, and from the state, and do not come back", async () => {
  world = await World.open(TYPE);
  await landed([put(100, 1, "anna@example.org"), put(101, 2, "ben@example.org")], true);
  await landed([put(200, 3, "anna@example.org")], true);
  const change: Partial<Change> = { change: "update", before: { id: 3, email: "anna@example.org" } };
  await landed([put(300, 3, "new@example.org", change), put(301, 4, "anna@example.org")]);
  expect(await emails()).toEqual([
    "anna@example.org",
    "ben@example.org",
    "new@example.org",
    "anna@example.org",
  ]);
  expect(await erase()).toMatchObject({ rows: 4, currentRows: 2 });
  expect(await emails()).toEqual(["ben@example.org"]);
  await world.merge();
  expect(await emails()).toEqual(["ben@example.org"]);
  await landed([put(400, 1, "later@example.org")], true);
  expect(await emails()).toEqual(["later@example.org", "ben@example.org"]);
  const found: string[] = [];
  for (const { path } of await world.store.list(""))
    if (await holds((await world.store.get(path))!, "anna@example.org")) found.push(path);
  expect(found).toEqual([]);
});

test("a merge that has read the rows before they went does not become a version", async () => {
  world = await World.open(TYPE);
  await landed([put(100, 2, "ben@example.org")], true);
  await landed([put(200, 1, "anna@example.org"), put(201, 3, "c@example.org")]);
  let isErased = false;
  const slow = world.merger({}, async () => {
    if (isErased) return;
    isErased = true;
    await erase();
  });
  expect(await world.merge(slow)).toMatchObject({ isVoid: true });
  expect(await emails()).toEqual(["ben@example.org", "c@example.org"]);
  await world.merge(slow);
  expect(await emails()).toEqual(["ben@example.org", "c@example.org"]);
});
