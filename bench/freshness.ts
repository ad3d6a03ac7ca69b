/**
 * Accepted → visible to SQL: one producer at a steady rate, one reader that asks SQL for the newest order number in a
 * loop. An event is visible when an answer that contains it has arrived, so the reader's own time counts as delay.
 */
import { startMuara, temporaryFolder } from "../test/services/muara.ts";
import { orderType, publishOrders } from "./orders.ts";
import { printResult, quantile } from "./result.ts";

const RATE = Number(process.env["RATE"] ?? 2_000);
const SECONDS = Number(process.env["SECONDS"] ?? 30);
const BATCH = 100;

const folder = await temporaryFolder("freshness");
const muara = await startMuara(folder.path);
await muara.fetch("/event-types", { method: "POST", body: JSON.stringify(orderType(1)) });

/** By batch: when its acknowledgement arrived, ms. */
const acceptedMs: number[] = [];
const delaysMs: number[] = [];
let visible = 0;
const producer = { isPublishing: true };

const read = async (): Promise<void> => {
  while (producer.isPublishing || visible < acceptedMs.length * BATCH) {
    const [[newest]] = (await muara.sql(`SELECT max(number) FROM "bench.order"`)) as [[string | null]];
    const nowMs = performance.now();
    const seen = newest === null ? 0 : Number(newest) + 1;
    for (; visible + BATCH <= seen; visible += BATCH) delaysMs.push(nowMs - acceptedMs[visible / BATCH]!);
  }
};
const reading = read();
const startedMs = performance.now();
for (let batch = 0; batch < (RATE * SECONDS) / BATCH; batch++) {
  const dueMs = startedMs + (batch * BATCH * 1_000) / RATE;
  const waitMs = dueMs - performance.now();
  if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
  await publishOrders(muara, batch * BATCH, BATCH);
  acceptedMs.push(performance.now());
}
const elapsedS = (performance.now() - startedMs) / 1_000;
producer.isPublishing = false;
await reading;
await muara.stop();
await folder.remove();

printResult("freshness", [
  { name: "offered", value: (acceptedMs.length * BATCH) / elapsedS, unit: "events/s" },
  { name: "accepted to visible, p50", value: quantile(delaysMs, 0.5), unit: "ms" },
  { name: "accepted to visible, p99", value: quantile(delaysMs, 0.99), unit: "ms" },
  { name: "accepted to visible, max", value: Math.max(...delaysMs), unit: "ms" },
]);
