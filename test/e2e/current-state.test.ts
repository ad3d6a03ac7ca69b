/** A captured type from the door to its current state, in a real process: at once, merged, as of then, by others. */
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { changeRecord, type Change, EPOCH_MS } from "../lake/current/changes.ts";
import { eventually, type MuaraProcess, startMuara, temporaryFolder } from "../services/muara.ts";
import { runPython } from "../services/python.ts";

const NAME = "shop1.public.accounts";
const NOW = `${NAME}.current`;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let muara: MuaraProcess;
beforeAll(async () => {
  folder = await temporaryFolder("current");
  muara = await startMuara(folder.path, { MUARA_CURRENT_EVERY_MS: "300", MUARA_CURRENT_SHARE: "1" });
}, 120_000);
afterAll(async () => {
  await muara.stop();
  await folder.remove();
});

async function post(path: string, body: unknown): Promise<Response> {
  const headers = { "content-type": "application/json", authorization: `Bearer ${muara.token}` };
  return fetch(`${muara.url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
}

async function publish(changes: readonly Change[]): Promise<void> {
  const events = changes.map((change): unknown =>
    JSON.parse(new TextDecoder().decode(changeRecord(change).payload!)),
  );
  expect((await post(`/event-types/${NAME}/events`, events)).status).toBe(200);
}

async function names(at?: string): Promise<string> {
  const sql = `SELECT name FROM "${NOW}" ORDER BY id`;
  const answer = await post("/v1/sql", { sql, ...(at === undefined ? {} : { at }) });
  const { rows } = (await answer.json()) as { rows: string[][] };
  return rows.flat().join();
}

async function unmerged(): Promise<number> {
  const answer = await muara.fetch(`/v1/tables/${NOW}`);
  return ((await answer.json()) as { current: { unmerged: number } }).current.unmerged;
}

function put(lsn: number, id: number, name: string, change: Change["change"] = "create"): Change {
  return { lsn, change, data: { id, name } };
}

test("rows are there when they land, and by path when they are merged", { timeout: 180_000 }, async () => {
  const declared = await post("/event-types", {
    name: NAME,
    owning_application: "test",
    category: "data",
    partition_strategy: "hash",
    partition_key_fields: ["id"],
    annotations: { "muara/captured": "on" },
    schema: {
      type: "json_schema",
      schema: JSON.stringify({ properties: { id: { type: "integer" }, name: { type: "string" } } }),
    },
  });
  expect(declared.status).toBe(201);
  await publish([put(100, 1, "a"), put(101, 2, "b"), put(102, 3, "c")]);
  await eventually("the rows land", 30_000, async () => (await names()) === "a,b,c");
  await publish([
    put(200, 2, "B", "update"),
    { lsn: 201, change: "delete", data: { id: 3 } },
    put(202, 4, "d"),
  ]);
  await eventually("the changes land", 30_000, async () => (await names()) === "a,B,d");
  expect(await names("lsn:200")).toBe("a,B,c");
  expect(await names(new Date(EPOCH_MS + 150).toISOString())).toBe("a,b,c");
  await eventually("they are merged", 60_000, async () => (await unmerged()) === 0);
  expect(await names()).toBe("a,B,d");
  expect(await names("lsn:200")).toBe("a,B,c");
  const found = await runPython(
    `
import json, sys
import polars
print(json.dumps(polars.read_delta(sys.argv[1]).sort("id").select("id", "name").rows()))
`,
    [join(folder.path, "lake", NOW)],
  );
  expect(found).toEqual([
    [1, "a"],
    [2, "B"],
    [4, "d"],
  ]);
});
