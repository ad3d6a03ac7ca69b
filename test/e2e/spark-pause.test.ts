/** Spark's OPTIMIZE on a table of a running Muara, under a pause, while a producer goes on: every row once after it. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { orderEvent, orderType, type Stack, startStack } from "../api/stack.ts";
import { temporaryFolder } from "../services/muara.ts";
import { runSpark } from "../services/spark.ts";

const TYPE = "shop.ORDER-PLACED";
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function publish(stack: Stack, number: number): Promise<void> {
  const body = `[${orderEvent(number, String(number))}]`;
  expect((await stack.call("POST", `/event-types/${TYPE}/events`, body)).status).toBe(200);
}

test("OPTIMIZE under a pause", { timeout: 900_000 }, async () => {
  const stack = await startStack(undefined, { upkeep: { run: "off" } });
  cleanups.push(() => stack.close());
  const folder = await temporaryFolder("spark-pause");
  cleanups.push(folder.remove);
  const scratch = join(folder.path, "scratch");
  await mkdir(scratch);
  expect((await stack.call("POST", "/event-types", orderType(TYPE, 1))).status).toBe(201);
  let sent = 0;
  for (; sent < 6; sent++) {
    await publish(stack, sent);
    await stack.settled(TYPE);
  }
  expect((await stack.call("POST", `/v1/tables/${TYPE}/pause`)).status).toBe(200);

  const over = new AbortController();
  const table = join(stack.data, "lake", TYPE);
  const optimized = runSpark(OPTIMIZE, [table], { scratch, isDelta: true }).finally(() => over.abort());
  while (!over.signal.aborted) {
    await publish(stack, sent++);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  expect(await optimized).toMatchObject({ rows: 6, operations: expect.arrayContaining(["OPTIMIZE"]) });
  expect((await stack.call("POST", `/v1/tables/${TYPE}/resume`)).status).toBe(200);
  await stack.settled(TYPE);
  await publish(stack, 3); // known, though Spark has written its row anew
  await stack.settled(TYPE);

  const sql = `SELECT count(*), count(DISTINCT number), max(number) FROM "${TYPE}"`;
  const answer = (await (await stack.call("POST", "/v1/sql", { sql })).json()) as { rows: unknown[][] };
  expect(answer.rows).toEqual([[String(sent), String(sent), String(sent - 1)]]);
  const verified = await stack.get<{ holds: boolean; faults: unknown }>(
    `/v1/tables/${TYPE}/verify?deep=true`,
  );
  expect(verified.holds, JSON.stringify(verified.faults)).toBe(true);
});

const OPTIMIZE = `
import json
path = sys.argv[1]
spark.sql(f"OPTIMIZE delta.\`{path}\`")
rows = spark.read.format("delta").load(path).count()
operations = [row["operation"] for row in spark.sql(f"DESCRIBE HISTORY delta.\`{path}\`").collect()]
print(json.dumps({"rows": rows, "operations": operations}))
`;
