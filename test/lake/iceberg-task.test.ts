/** The export as Iceberg that keeps itself near its table: when it is made, how far it is behind, what ends it. */
import { expect, test } from "vitest";
import { parseEventType } from "../../core/event-type.ts";
import { ICEBERG_ANNOTATION } from "../../core/event-type-annotations.ts";
import { dropIceberg } from "../../lake/iceberg/export.ts";
import { type IcebergLag, icebergLag, icebergTask } from "../../lake/iceberg/iceberg-task.ts";
import type { UpkeepTable } from "../../lake/upkeep.ts";
import { eventType, type Installation, never } from "../workers/land/setup.ts";
import { landEach, prepared, TABLE } from "./removal-world.ts";

const annotated = (value: string): ReturnType<typeof eventType> =>
  eventType({ annotations: { [ICEBERG_ANNOTATION]: value } });

function tableOf(at: Installation, annotation?: string): UpkeepTable {
  const log = at.openTable(TABLE);
  const type = annotation === undefined ? eventType() : annotated(annotation);
  return { name: TABLE, eventType: type, log, snapshot: () => log.snapshot() };
}

async function lag(at: Installation): Promise<IcebergLag | undefined> {
  return icebergLag(at.store, TABLE, await at.openTable(TABLE).snapshot());
}

test("is made where the event type says so, anew where the table has moved, and tells its lag", async () => {
  const at = await prepared();
  await landEach(at, [1, 2]);
  const task = icebergTask(at.ports, 1_000);
  for (const annotation of [undefined, "off"]) await task.run(tableOf(at, annotation), never);
  expect(await lag(at)).toBeUndefined();

  await task.run(tableOf(at, "on"), never);
  const { version } = await at.openTable(TABLE).snapshot();
  expect(await lag(at)).toEqual({ version, behindVersions: 0, behindMs: 0 });
  const before = (await at.store.list(`${TABLE}/metadata`)).map(({ path, modifiedMs }) => [path, modifiedMs]);
  at.clock.advance(5_000);
  await task.run(tableOf(at, "on"), never);
  const after = (await at.store.list(`${TABLE}/metadata`)).map(({ path, modifiedMs }) => [path, modifiedMs]);
  expect(after).toEqual(before); // nothing had changed, nothing was written

  await landEach(at, [3, 4]);
  const behind = (await lag(at))!;
  expect(behind).toMatchObject({ version, behindVersions: 2 });
  expect(behind.behindMs).toBeGreaterThanOrEqual(4_000);
  await task.run(tableOf(at, "on"), never);
  expect(await lag(at)).toMatchObject({ version: version + 2, behindVersions: 0 });
});

test("comes back by itself after an erasure ended it; nobody is asked twice while a stop is under way", async () => {
  const at = await prepared();
  await landEach(at, [1]);
  const task = icebergTask(at.ports, 1_000);
  await task.run(tableOf(at, "on"), AbortSignal.abort());
  expect(await lag(at)).toBeUndefined();
  await task.run(tableOf(at, "on"), never);
  await dropIceberg(at.store, TABLE);
  expect(await lag(at)).toBeUndefined();
  await task.run(tableOf(at, "on"), never);
  expect(await lag(at)).toMatchObject({ behindVersions: 0 });
});

test("an annotation that says neither on nor off is refused", () => {
  expect(parseEventType(annotated("on")).annotations[ICEBERG_ANNOTATION]).toBe("on");
  expect(() => parseEventType(annotated("sometimes"))).toThrow(
    expect.objectContaining({ code: "event_type.invalid" }),
  );
});
