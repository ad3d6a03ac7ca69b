/** What the door hands to the log of one request: in one piece, so that the log copies it as a whole. */
import { expect, test } from "vitest";
import { layoutOf } from "../../../adapters/file/group.ts";
import { createMemoryLog } from "../../../adapters/memory/log.ts";
import { ManualClock, seededRandomness } from "../../../core/clock.ts";
import type { RecordBatch } from "../../../core/record.ts";
import { createDoor, declaration, NOW_MS } from "./door.ts";

const event = (n: number, flow?: string): object => ({
  metadata: {
    eid: crypto.randomUUID(),
    occurred_at: "2026-03-01T10:00:00Z",
    ...(flow ? { flow_id: flow } : {}),
  },
  n,
});

test("a batch is taken in one piece, whether its events name flow ids or not", async () => {
  const clock = new ManualClock(NOW_MS);
  const batches: RecordBatch[] = [];
  const memory = createMemoryLog({ clock, randomness: seededRandomness(3), faults: {} });
  const log = new Proxy(memory, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name === "append")
        return (stream: string, partition: number, batch: RecordBatch) => {
          if (stream === "t") batches.push(batch);
          return target.append(stream, partition, batch);
        };
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const door = await createDoor({ log, clock });
  const schema = { properties: { n: { type: "integer" } } };
  expect((await door.declare(declaration("t", { schema }))).status).toBe(201);
  const sent = [
    [event(1), event(2), event(3)],
    [event(4, "a"), event(5, "b")],
    [event(6), event(7, "c")],
  ];
  for (const events of sent) expect((await door.publish("t", JSON.stringify(events))).status).toBe(200);
  const layouts = batches.filter(({ count }) => count > 1).map(layoutOf);
  expect(layouts.map(({ isGathered }) => isGathered)).toEqual([false, false, false]);
  const stored = await door.stored("t");
  expect(stored).toHaveLength(7);
  expect(stored.map(({ header }) => header["flow_id"] !== undefined)).toEqual([
    true,
    true,
    true,
    false,
    false,
    true,
    false,
  ]);
});
