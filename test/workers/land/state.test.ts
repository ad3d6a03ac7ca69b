/** A log that is not the one that was landed: the table stops with an error that says so. */
import { expect, test } from "vitest";
import type { Log } from "../../../core/ports/log.ts";
import { ensureTable } from "../../../lake/tables.ts";
import { planColumns } from "../../../core/columns.ts";
import { TableLanding } from "../../../workers/land/table-landing.ts";
import {
  counter,
  DAY_MS,
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

async function landed(partitions = 1): Promise<Installation> {
  const at = await install();
  await declare(at, type, partitions);
  for (let partition = 0; partition < partitions; partition++)
    await send(at, [event(partition * 10), event(partition * 10 + 1)], partition);
  const landing = await TableLanding.open(at.ports, OPTIONS, type);
  await landing.step(never);
  landing.discard();
  return at;
}

/** The same log, except for some answers. */
function changed(log: Log, answers: Partial<Log>): Log {
  return new Proxy(log, {
    get: (target, name) => {
      if (name in answers) return answers[name as keyof Log];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

async function reopen(at: Installation, answers: Partial<Log>): Promise<unknown> {
  const log = changed(at.log, answers);
  const usedBytes = at.kernel.usedBytes;
  const opening = TableLanding.open({ ...at.ports, log }, OPTIONS, type);
  const problem: unknown = await opening.then(
    (landing) => landing.discard(),
    (error: unknown) => error,
  );
  expect(at.kernel.usedBytes).toBeLessThanOrEqual(usedBytes + 1_024);
  return problem;
}

test("another log, another incarnation of the stream, fewer partitions", async () => {
  const at = await landed(2);
  const info = (await at.log.stream(type.name))!;
  expect(await reopen(at, {})).toBeUndefined();
  expect(await reopen(at, { id: "other" })).toMatchObject({ code: "log.identity" });
  expect(await reopen(at, { stream: async () => ({ ...info, topicId: "other" }) })).toMatchObject({
    code: "log.identity",
  });
  expect(await reopen(at, { stream: async () => ({ ...info, partitions: 1 }) })).toMatchObject({
    code: "log.identity",
    message: expect.stringContaining("lost partition 1") as string,
  });
  expect(await reopen(at, { stream: async () => undefined })).toMatchObject({ code: "log.stream_not_found" });
});

test("more partitions than before are landed from their start", async () => {
  const at = await landed(1);
  const other = await install();
  await declare(other, type, 2);
  await send(other, [event(0), event(1)], 0);
  await send(other, [event(50)], 1);
  const info = (await at.log.stream(type.name))!;
  const log = changed(other.log, { id: at.log.id, stream: async () => ({ ...info, partitions: 2 }) });
  const landing = await TableLanding.open({ ...at.ports, log }, OPTIONS, type);
  await landing.step(never);
  expect(await counter(at, "landed")).toBe(3);
  expect(await counter(at, "duplicates")).toBe(0);
});

test("the same place holds another record: the witness does not match", async () => {
  const at = await landed();
  const read: Log["read"] = async (stream, partition, offset, maxBytes) => {
    const batch = await at.log.read(stream, partition, offset, maxBytes);
    const bytes = batch.bytes.slice();
    bytes[bytes.length - 2]! ^= 1;
    return { ...batch, bytes };
  };
  expect(await reopen(at, { read })).toMatchObject({
    code: "log.identity",
    message: expect.stringContaining("another record at offset 1 of partition 0") as string,
  });
});

test("retention may take the witness while it is looked at", async () => {
  const at = await landed();
  const read: Log["read"] = async (...place) => {
    at.clock.advance(365 * DAY_MS);
    await at.log.retain();
    return at.log.read(...place);
  };
  expect(await reopen(at, { read })).toBeUndefined();
  expect((await at.log.bounds(type.name, 0)).startOffset).toBe(2);
});

test("a log that lost its tail", async () => {
  const at = await landed();
  const bounds: Log["bounds"] = async (...place) => ({ ...(await at.log.bounds(...place)), endOffset: 1 });
  expect(await reopen(at, { bounds })).toMatchObject({
    code: "log.identity",
    message: expect.stringContaining("ends at offset 1 of partition 0, the table is at 2") as string,
  });
});

test("offsets that retention removed before they landed", async () => {
  const at = await landed();
  await send(at, [event(5), event(6)]);
  await at.log.hold(`land:${type.name}`, []);
  at.clock.advance(365 * DAY_MS);
  await at.log.retain();
  expect(await reopen(at, {})).toMatchObject({
    code: "log.offset_out_of_range",
    details: { from: 2, to: 4 },
  });
});

test("a stream that is recreated while landing runs stops it before it reads a wrong offset", async () => {
  const at = await landed();
  const info = (await at.log.stream(type.name))!;
  let isNew = false;
  const stream = async () => ({ ...info, topicId: isNew ? "other" : info.topicId });
  const landing = await TableLanding.open({ ...at.ports, log: changed(at.log, { stream }) }, OPTIONS, type);
  isNew = true;
  await send(at, [event(9)]);
  await expect(landing.step(never)).rejects.toMatchObject({ code: "land.fenced" });
  expect(await counter(at, "landed")).toBe(2);
});

test("a table that has a column as something else than the event type declares is not written to", async () => {
  const at = await install();
  await declare(at, type);
  const { columns } = planColumns(type);
  const other = columns.map((column) =>
    column.name === "n" ? { ...column, type: { kind: "string" as const } } : column,
  );
  await ensureTable(at.openTable(type.name), type.name, other, { "muara.idKey": "0".repeat(32) }, at);
  await expect(TableLanding.open(at.ports, OPTIONS, type)).rejects.toMatchObject({
    code: "table.unsupported",
    details: { columns: ["n"] },
  });
});
