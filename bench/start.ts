/** How long `muara start` takes until it is ready: an empty folder, and one with landed events; median of 5 each. */
import { startMuara, temporaryFolder } from "../test/services/muara.ts";
import { orderType, publishOrders } from "./orders.ts";
import { median, printResult } from "./result.ts";

const RUNS = 5;

const empty: number[] = [];
for (let run = 0; run < RUNS; run++) {
  const folder = await temporaryFolder("start");
  const muara = await startMuara(folder.path);
  empty.push(muara.readyMs);
  await muara.stop();
  await folder.remove();
}

const folder = await temporaryFolder("start");
const first = await startMuara(folder.path);
await first.fetch("/event-types", { method: "POST", body: JSON.stringify(orderType(1)) });
for (let i = 0; i < 20; i++) await publishOrders(first, i * 500, 500);
await first.kill();
const again: number[] = [];
for (let run = 0; run < RUNS; run++) {
  const muara = await startMuara(folder.path);
  again.push(muara.readyMs);
  await muara.kill();
}
await folder.remove();

printResult("start", [
  { name: "ready, empty folder, median", value: median(empty), unit: "ms" },
  { name: "ready after kill -9, 10,000 events, median", value: median(again), unit: "ms" },
]);
