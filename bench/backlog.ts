/**
 * Landing a backlog that is already in the log: a stopped log is filled with events of about 500 bytes, then `muara
 * start` lands it. CPU time and peak memory are those of the whole main process, its start included.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openFileLog } from "../adapters/file/log.ts";
import { systemClock, systemRandomness } from "../core/clock.ts";
import { eventTypeSchema } from "../core/event-type.ts";
import { silentLogger } from "../core/logger.ts";
import { packRecords } from "../core/record.ts";
import { Registry } from "../core/registry.ts";
import { startMuara, temporaryFolder } from "../test/services/muara.ts";
import { orderOf, orderType } from "./orders.ts";
import { printResult } from "./result.ts";

const EVENTS = Number(process.env["EVENTS"] ?? 1_000_000);
const BATCH = 1_000;
const TICKS_PER_SECOND = 100; // USER_HZ, fixed on Linux

const folder = await temporaryFolder("backlog");
let payloadBytes = 0;
await fillLog(join(folder.path, "log"));

const muara = await startMuara(folder.path);
const startedMs = performance.now();
for (;;) {
  await new Promise((resolve) => setTimeout(resolve, 250));
  const { items } = (await (await muara.fetch("/v1/books")).json()) as {
    items: { landed: number; in_flight: number }[];
  };
  if (items[0] && items[0].in_flight === 0 && items[0].landed === EVENTS) break;
}
const wallS = (performance.now() - startedMs) / 1_000;
const { cpuS, peakMb } = await usage(muara.pid);
await muara.stop();
await folder.remove();

printResult("backlog", [
  { name: "mean payload", value: payloadBytes / EVENTS, unit: "bytes" },
  { name: "landed per CPU second of the main process", value: EVENTS / cpuS, unit: "events" },
  { name: "landed per second", value: EVENTS / wallS, unit: "events" },
  { name: "peak resident memory of the main process", value: peakMb, unit: "MB" },
]);

async function fillLog(directory: string): Promise<void> {
  const services = { clock: systemClock, randomness: systemRandomness, logger: silentLogger };
  const log = await openFileLog({ directory, ...services });
  const registry = await Registry.open(log, "bench", systemClock);
  const type = eventTypeSchema.parse(orderType(2));
  await registry.put("event-type", type.name, 0, type);
  await log.createStream(type.name, { partitions: 2, cleanup: "delete", retentionMs: 172_800_000 });
  const encoder = new TextEncoder();
  for (let at = 0; at < EVENTS; at += BATCH) {
    const records = Array.from({ length: BATCH }, (_, i) => ({
      payload: encoder.encode(orderOf(at + i, Date.now())),
      header: '{"flow_id":"bench"}',
    }));
    for (const { payload } of records) payloadBytes += payload.length;
    await log.append(type.name, (at / BATCH) % 2, packRecords(records));
  }
  await log.close();
}

/** CPU seconds and peak resident memory (MB) of a process so far. */
async function usage(pid: number): Promise<{ cpuS: number; peakMb: number }> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const peakKb = Number(/VmHWM:\s+(\d+)/.exec(status)![1]);
  return { cpuS: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND, peakMb: peakKb / 1_024 };
}
