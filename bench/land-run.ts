/**
 * One side of `land.ts` or `kafka-land.ts`, in a process of its own: `node land-run.ts land|parquetjs SET FOLDER
 * [kafka:ADDRESS]`. Every round lands the whole log into a new table, whose making and first commit count.
 */
import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { createFileObjectStore } from "../adapters/file/object-store.ts";
import { createKernel } from "../core/kernel.ts";
import { linesPath, ROWS, type SetName } from "./encoder-lines.ts";
import { openKafkaLog } from "./kafka-log.ts";
import { eventTypeOf, openLog } from "./land-log.ts";
import { kernelModule, openLanding } from "./landing.ts";
import { PARQUETJS_ROWS, writeWithParquetjs } from "./parquetjs.ts";
import { reportRun } from "./run.ts";

const [, , side, given, folder, address] = process.argv;
const set = given as SetName;
const ROUNDS = side === "land" ? 6 : 3;
const lakes = join(folder!, `${set}-lake`);

async function landRounds(): Promise<never> {
  const log = address === undefined ? await openLog(set, folder!) : await openKafkaLog(address);
  const kernel = createKernel(kernelModule(), crypto.getRandomValues(new Uint8Array(16)));
  const type = eventTypeOf(set);
  const { signal } = new AbortController();
  const rootOf = (round: number): string => join(lakes, String(round));
  rmSync(lakes, { recursive: true, force: true });
  const land = async (round: number): Promise<void> => {
    const store = createFileObjectStore({ root: rootOf(round) });
    const landing = await openLanding({ log, store, kernel }, type);
    while ((await landing.step(signal)).hasBacklog);
    const landed = landing.state.partitions.reduce((sum, partition) => sum + partition.landed, 0);
    if (landed !== ROWS) throw new Error(`${landed} of ${ROWS} events landed`);
    landing.discard();
  };
  return reportRun(ROUNDS, land, () => dataBytes(rootOf(ROUNDS - 1)));
}

/** Of all data files. */
function dataBytes(root: string): number {
  const names = readdirSync(root, { recursive: true, encoding: "utf8" });
  const files = names.filter((name) => name.endsWith(".parquet") && !name.includes("_delta_log"));
  return files.reduce((sum, name) => sum + statSync(join(root, name)).size, 0);
}

async function parquetjsRounds(): Promise<never> {
  const target = join(folder!, `${set}-parquetjs.parquet`);
  const write = async (): Promise<void> => {
    const rows = await writeWithParquetjs(linesPath(set, folder!), target, set, PARQUETJS_ROWS);
    if (rows !== PARQUETJS_ROWS) throw new Error(`${rows} of ${PARQUETJS_ROWS} rows written`);
  };
  return reportRun(ROUNDS, write, () => statSync(target).size);
}

await (side === "land" ? landRounds() : parquetjsRounds());
