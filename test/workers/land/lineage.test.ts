/** Histories that somebody rewrote: landing notices before it commits, and never builds on them. */
import { expect, test } from "vitest";
import { parseCommit } from "../../../lake/table/commit-file.ts";
import { readLineage } from "../../../workers/land/lineage.ts";
import { TableLanding } from "../../../workers/land/table-landing.ts";
import {
  counter,
  declare,
  event,
  eventType,
  install,
  type Installation,
  never,
  OPTIONS,
  send,
} from "./setup.ts";

const type = eventType();

function commitPath(version: number): string {
  return `order.created/_delta_log/${String(version).padStart(20, "0")}.json`;
}

/** Overwrites a version, as a writer without put-if-absent does. */
async function rewrite(at: Installation, version: number, change: (text: string) => string): Promise<void> {
  const text = new TextDecoder().decode(await at.store.get(commitPath(version)));
  await at.store.put(commitPath(version), new TextEncoder().encode(change(text)));
}

function otherId(text: string): string {
  return text.replace(/"txnId":"[^"]+"/, '"txnId":"somebody-else"');
}

async function landed(events: readonly number[]): Promise<{ at: Installation; landing: TableLanding }> {
  const at = await install();
  await declare(at, type);
  const landing = await TableLanding.open(at.ports, OPTIONS, type);
  for (const n of events) {
    await send(at, [event(n)]);
    await landing.step(never);
  }
  return { at, landing };
}

async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  return work.then(
    () => undefined,
    (error: unknown) => (error as { code?: string }).code,
  );
}

test("the version that the state was read from is written anew: fenced, reloaded, and landed again", async () => {
  const { at, landing } = await landed([1, 2]);
  // What stands there now is a commit of somebody who never saw ours.
  const foreign = { commitInfo: { timestamp: 1, operation: "WRITE", txnId: "foreign" } };
  await at.store.put(commitPath(2), new TextEncoder().encode(`${JSON.stringify(foreign)}\n`));
  await send(at, [event(3)]);
  expect(await codeOf(landing.step(never))).toBe("land.fenced");
  landing.discard();
  const again = await TableLanding.open(at.ports, OPTIONS, type);
  await again.step(never);
  expect(await counter(at, "landed")).toBe(3);
  expect(await counter(at, "duplicates")).toBe(0);
});

test("the version is gone: fenced", async () => {
  const { at, landing } = await landed([1, 2]);
  await at.store.delete(commitPath(2));
  await send(at, [event(3)]);
  expect(await codeOf(landing.step(never))).toBe("land.fenced");
});

test("the version was cleaned up: others have committed since, whatever the clock says", async () => {
  const { at, landing } = await landed([1, 2]);
  const hint = new TextEncoder().encode('{"version":9,"size":1}');
  await at.store.put("order.created/_delta_log/_last_checkpoint", hint);
  for (const version of [0, 1, 2]) await at.store.delete(commitPath(version));
  await send(at, [event(3)]);
  expect(await codeOf(landing.step(never))).toBe("land.fenced");
  expect(await at.store.get(commitPath(3))).toBeUndefined();
});

test("a table recreated under the same name: fenced, then landed from the log's start", async () => {
  const { at, landing } = await landed([1, 2]);
  for (const { path } of await at.store.list("order.created")) await at.store.delete(path);
  const other = await TableLanding.open(at.ports, OPTIONS, type);
  await send(at, [event(3)]);
  expect(await codeOf(landing.step(never))).toBe("land.fenced");
  await other.step(never);
  expect(await counter(at, "landed")).toBe(3);
});

test("a winner that follows another history is fenced, not built upon", async () => {
  const { at, landing } = await landed([1]);
  const other = await TableLanding.open(at.ports, OPTIONS, type);
  await send(at, [event(2)]);
  await other.step(never);
  await rewrite(at, 2, (text) => text.replace(/"previous":"[^"]+"/, '"previous":"somebody-else"'));
  await send(at, [event(3)]);
  expect(await codeOf(landing.step(never))).toBe("land.fenced");
  expect(landing.isUsable).toBe(false);
});

test.each([
  ["the one before was written anew", (at: Installation) => rewrite(at, 2, otherId)],
  [
    "a step is missing",
    (at: Installation) =>
      rewrite(at, 3, (text) => text.replace('"muara:land","version":3', '"muara:land","version":4')),
  ],
])("a table whose newest landing commits do not fit together is not opened: %s", async (_, damage) => {
  const { at } = await landed([1, 2, 3]);
  await damage(at);
  expect(await codeOf(TableLanding.open(at.ports, OPTIONS, type))).toBe("land.fenced");
});

test("a commit before the log's beginning, of one who slept meanwhile, is nobody's predecessor", async () => {
  const { at } = await landed([1, 2, 3]);
  const table = at.openTable("order.created");
  const snapshot = await table.snapshot();
  const landing = (await table.read(3))!.commitId;
  for (const version of [0, 1]) await at.store.delete(commitPath(version));
  await rewrite(at, 2, (text) =>
    otherId(text).replace('"muara:land","version":2', '"muara:land","version":3'),
  );
  expect(await readLineage(table, snapshot)).toMatchObject({ landing });
});

test("each landing commit names the one before it, across restarts, other owners and compactions", async () => {
  const { at, landing } = await landed([1, 2]);
  const other = await TableLanding.open(at.ports, OPTIONS, type);
  await send(at, [event(3)]);
  await other.step(never);
  await send(at, [event(4)]);
  expect(await landing.step(never)).toEqual({ hasBacklog: true, isCommitted: false });
  await landing.step(never);
  const table = at.openTable("order.created");
  const empty = { operation: "OPTIMIZE", add: [], remove: [], txns: [], info: {} };
  await table.commit({ base: await table.snapshot(), change: empty, check: () => "abandon" });
  await send(at, [event(5)]);
  await landing.step(never);
  const reopened = await TableLanding.open(at.ports, OPTIONS, type);
  await send(at, [event(6)]);
  await reopened.step(never);
  let previous: string | null = null;
  const { version } = await table.snapshot();
  for (let v = 1; v <= version; v++) {
    const commit = parseCommit(v, (await at.store.get(commitPath(v)))!);
    if (commit.operation === "OPTIMIZE") continue;
    expect(commit.info["previous"], `version ${v}`).toBe(previous);
    previous = commit.commitId;
  }
  expect(await counter(at, "landed")).toBe(6);
});
