/**
 * One writer of `table.ts`, in a process of its own: `node table-run.ts table|bare FOLDER WRITER COMMITS`. It says
 * `ready`, waits for a line, does its commits and reports its CPU seconds.
 *
 * `table` puts a data file and commits it to a Delta log. `bare` does the same five steps with the runtime's calls and
 * nothing else: the data file and its folder are synced, then a temporary file is synced, linked to the next free
 * number and the folder synced. Who loses the race for a number writes and syncs anew for the next, as a commit must,
 * whose text depends on what won.
 */
import { randomUUID } from "node:crypto";
import { link, mkdir, open, unlink } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { createFileObjectStore } from "../adapters/file/object-store.ts";
import { addFile, dataFilePath } from "../lake/table/add-file.ts";
import { openTableLog } from "../lake/table/table-log.ts";
import { services } from "./landing.ts";

const DAY = "2026-01-31";
/** Of a small data file, bytes. */
const DATA_BYTES = 4_096;
const TEXT_BYTES = 600;

const [, , side, folder, writer, commits] = process.argv;
const count = Number(commits);
const data = new Uint8Array(DATA_BYTES).fill(7);

async function tableCommits(): Promise<void> {
  const store = createFileObjectStore({ root: folder! });
  const log = openTableLog(store, "t", services);
  let snapshot = await log.snapshot();
  for (let i = 0; i < count; i++) {
    const partitionValues = { ingest_date: DAY };
    const path = dataFilePath(partitionValues, randomUUID());
    await store.put(`t/${path}`, data);
    const statistics = { numRecords: 10, minValues: { n: i }, maxValues: { n: i + 9 }, nullCount: { n: 0 } };
    const add = addFile({ path, partitionValues, bytes: DATA_BYTES, modifiedMs: Date.now(), statistics });
    const txns = [{ appId: `bench:${writer}`, version: BigInt(i) }];
    const change = { operation: "WRITE", add: [add], remove: [], txns, info: {} };
    const outcome = await log.commit({ base: snapshot, change, check: () => "rebase" });
    if (outcome.outcome !== "committed") throw new Error("an append was abandoned");
    snapshot = outcome.snapshot;
  }
}

async function sync(path: string, bytes?: Uint8Array): Promise<void> {
  const file = await open(path, bytes ? "wx" : "r");
  try {
    if (bytes) await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function bareCommits(): Promise<void> {
  const [day, log, temporary] = [DAY, "_log", ".store"].map((name) => join(folder!, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [day, log, temporary]) await mkdir(path, { recursive: true });
  const text = new Uint8Array(TEXT_BYTES).fill(32);
  let number = 0;
  for (let i = 0; i < count; i++) {
    await sync(join(day, randomUUID()), data);
    await sync(day);
    for (let isOurs = false; !isOurs; number++) {
      const own = join(temporary, randomUUID());
      await sync(own, text);
      isOurs = await link(own, join(log, String(number).padStart(20, "0"))).then(
        () => true,
        (error: NodeJS.ErrnoException) => {
          if (error.code === "EEXIST") return false;
          throw error;
        },
      );
      await unlink(own);
    }
    await sync(log);
  }
}

const lines = createInterface({ input: process.stdin });
console.log("ready");
await new Promise((resolve) => lines.once("line", resolve));
const before = process.cpuUsage();
await (side === "table" ? tableCommits() : bareCommits());
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ cpuS: (user + system) / 1e6 }));
process.exit(0);
