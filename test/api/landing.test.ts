/** What a person sees of a table whose landing stopped: the state, the reason, and that the others go on. */
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { orderEvent, orderType, startStack } from "./stack.ts";

interface Shown {
  readonly name: string;
  readonly landing: string | null;
  readonly problem: string | null;
  readonly commit_interval_ms: number | null;
  readonly commit_interval_reason: string | null;
}

test("a table that was landed from another log is stopped, and says so", async () => {
  const lake = await mkdtemp(path.join(os.tmpdir(), "muara-lake-"));
  const first = await startStack(undefined, { lake: `file:${lake}` });
  await first.call("POST", "/event-types", orderType("a.order", 1));
  await first.call("POST", "/event-types/a.order/events", `[${orderEvent(1, "1")}]`);
  await first.settled("a.order");
  await first.close();

  // Another log over the same lake: as after restoring the wrong backup.
  const second = await startStack(undefined, { lake: `file:${lake}` });
  await second.call("POST", "/event-types", orderType("a.order", 1));
  await second.call("POST", "/event-types", orderType("b.order", 1));
  await second.call("POST", "/event-types/b.order/events", `[${orderEvent(2, "2")}]`);
  await second.settled("b.order");
  await expect.poll(async () => (await second.get<Shown>("/v1/tables/a.order")).landing).toBe("stopped");
  const { items } = await second.get<{ items: Shown[] }>("/v1/tables");
  expect(items.find((item) => item.name === "a.order")?.problem).toContain("the log is another one");
  expect(items.find((item) => item.name === "b.order")).toMatchObject({
    landing: "landing",
    problem: null,
    commit_interval_ms: 100,
    commit_interval_reason: "within the commit budget",
  });
  expect(items.find((item) => item.name === "books")).toMatchObject({
    landing: null,
    problem: null,
    commit_interval_ms: null,
  });
  await second.close();
  await rm(lake, { recursive: true, force: true });
});
