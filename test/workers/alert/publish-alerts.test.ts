/** Many alerts at once are events in batches that a broker takes. */
import { expect, test } from "vitest";
import { ALERT_TYPE } from "../../../core/alert-event.ts";
import type { Log } from "../../../core/ports/log.ts";
import type { PendingEvent } from "../../../core/rule.ts";
import { publishAlerts } from "../../../workers/alert/publish-alerts.ts";
import { install } from "../land/setup.ts";

const BATCH_BYTES = 524_288;

function pending(n: number, characters: number): PendingEvent {
  const alert = {
    fingerprint: String(n),
    labels: { alertname: "Few" },
    annotations: { summary: "x".repeat(characters) },
    value: n,
    status: "firing",
    activeAtMs: 0,
    startsAtMs: 0,
    endsAtMs: null,
  };
  const transition = { id: String(n), rule: "Few", from: "pending", to: "firing", atMs: 1_000 + n, alert };
  return { transition, versions: { orders: 1 } } as unknown as PendingEvent;
}

test.each([
  ["none", 0, 10, 0],
  ["few", 3, 10, 1],
  ["many", 1_000, 2_000, 5],
  ["each too long for two", 3, 400_000, 3],
])("%s", async (_, count, characters, batches) => {
  const at = await install();
  const sizes: number[] = [];
  const append: Log["append"] = (stream, partition, batch) => {
    if (stream === ALERT_TYPE) sizes.push(batch.bytes.length);
    return at.log.append(stream, partition, batch);
  };
  const log = new Proxy(at.log, {
    get: (target, name) => {
      const value: unknown = name === "append" ? append : Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
  const events = Array.from({ length: count }, (_each, n) => pending(n, characters));
  await publishAlerts({ ...at, log }, "0a1b2c3d4e5f", events);
  expect(sizes.length).toBe(batches);
  for (const size of sizes) expect(size).toBeLessThan(BATCH_BYTES * 1.2);
  const endOffset = count === 0 ? 0 : (await at.log.bounds(ALERT_TYPE, 0)).endOffset;
  expect(endOffset).toBe(count);
});
