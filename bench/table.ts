/**
 * What a table's log costs (`npm run bench:table`, `--json` for one object):
 * - four processes append to one table, against four that race for the same numbers with bare calls of the same five
 *   steps (`table-run.ts`), in turns; commits per second of wall time, since both wait for the disk;
 * - opening a table of 1,000 live files behind a checkpoint, in a fresh process, and following it by one version;
 * - a commit's CPU from the 100th to the 100,000th, 500 ms apart on a simulated clock, while small files are replaced
 *   by one and the log is cleaned up (`COMMITS=n`; 10,000 unless given).
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { createFileObjectStore } from "../adapters/file/object-store.ts";
import { createTableChange } from "../lake/table/create-table.ts";
import { openTableLog } from "../lake/table/table-log.ts";
import { services } from "./landing.ts";
import { type Metric, median, printResult } from "./result.ts";
import { curve } from "./table-curve.ts";

const WRITERS = 4;
const COMMITS_EACH = 150;
const ROUNDS = Number(process.env["ROUNDS"] ?? 3);
const OPENS = 7;
const TABLE = {
  id: "0190a4b8-0000-7000-8000-000000000001",
  name: "t",
  schema: { type: "struct", fields: [{ name: "n", type: "long", nullable: true, metadata: {} }] },
  partitionColumns: [],
  createdTime: 0,
} as const;

interface Race {
  readonly perSecond: number;
  readonly cpuS: number;
}

/** All writers of one side at once, from the word go to the last one's end. */
async function race(side: "table" | "bare", folder: string): Promise<Race> {
  const root = mkdtempSync(join(folder, `${side}-`));
  if (side === "table") {
    const log = openTableLog(createFileObjectStore({ root }), "t", services);
    const change = createTableChange(TABLE);
    await log.commit({ base: await log.snapshot(), change, check: () => "abandon" });
  }
  const writers = Array.from({ length: WRITERS }, (_, i) => {
    const args = [join(import.meta.dirname, "table-run.ts"), side, root, String(i), String(COMMITS_EACH)];
    const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return { child, next: async () => (await lines.next()).value as string };
  });
  for (const writer of writers) await writer.next();
  const startedMs = performance.now();
  for (const { child } of writers) child.stdin.write("go\n");
  const reports = await Promise.all(writers.map(({ next }) => next()));
  const tookMs = performance.now() - startedMs;
  rmSync(root, { recursive: true, force: true });
  const cpuS = reports.reduce((sum, text) => sum + (JSON.parse(text) as { cpuS: number }).cpuS, 0);
  return { perSecond: (WRITERS * COMMITS_EACH * 1_000) / tookMs, cpuS };
}

async function races(folder: string): Promise<Metric[]> {
  const ours: Race[] = [];
  const bare: Race[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    bare.push(await race("bare", folder));
    ours.push(await race("table", folder));
  }
  const rate = (runs: readonly Race[]): number => median(runs.map(({ perSecond }) => perSecond));
  const cpuMs = (runs: readonly Race[]): number =>
    (median(runs.map(({ cpuS }) => cpuS)) * 1_000) / WRITERS / COMMITS_EACH;
  return [
    {
      name: `commits of ${WRITERS} processes to one table`,
      value: rate(ours),
      unit: "/s",
      reference: rate(bare),
      ratio: rate(ours) / rate(bare),
    },
    {
      name: "CPU of such a commit",
      value: cpuMs(ours),
      unit: "ms",
      reference: cpuMs(bare),
      ratio: cpuMs(bare) / cpuMs(ours),
    },
  ];
}

/** Fresh processes, since the first open of a process is the slow one. */
function opens(folder: string): Metric[] {
  const file = join(import.meta.dirname, "table-open.ts");
  execFileSync(process.execPath, [file, "make", folder]);
  const runs = Array.from(
    { length: OPENS },
    () =>
      JSON.parse(execFileSync(process.execPath, [file, "open", folder], { encoding: "utf8" })) as {
        openMs: number;
        refreshMs: number;
      },
  );
  return [
    { name: "cold open, 1,000 live files", value: median(runs.map((run) => run.openMs)), unit: "ms" },
    { name: "following by a version", value: median(runs.map((run) => run.refreshMs)), unit: "ms" },
  ];
}

const folder = mkdtempSync(join(tmpdir(), "muara-bench-"));
try {
  const metrics = [...(await races(folder)), ...opens(folder), ...(await curve())];
  printResult("table", metrics);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
