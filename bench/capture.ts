/**
 * Capture in parts, each against who does the same in the same run: `npm run bench:capture -- [decode] [drain] [shards]
 * [fresh] [--json]`, all of them unless named.
 *
 * - `decode`: a recorded stream of changes becomes events as bytes; against the parser of `pg-logical-replication`,
 *   which makes objects, and against the same with JSON.stringify.
 * - `drain`: a backlog behind a slot until all of it is durable, `shards`: eight of them side by side; against
 *   `pg_recvlogical`, which writes it to /dev/null, from copies of the same slots. Wall time (the server's decoding
 *   bounds both), and the client's CPU time.
 * - `fresh`: from a commit at the source to its rows in an answer.
 */
import { execFileSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { startPostgres, type PostgresServer } from "../test/services/postgres.ts";
import { measureDecoding } from "./capture-decode.ts";
import { freshness } from "./capture-fresh.ts";
import { type Backlog, drainByPeer, fillBacklog, freshSlot, PUBLICATIONS } from "./capture-load.ts";
import type { CaptureCost, CaptureTask } from "./capture-run.ts";
import { median, type Metric, printResult } from "./result.ts";

const CHANGES = Number(process.env["CHANGES"] ?? 400_000);
const SHARDS = Number(process.env["SHARDS"] ?? 8);
const SHARD_CHANGES = Number(process.env["SHARD_CHANGES"] ?? 96_000);
const ROUNDS = Number(process.env["ROUNDS"] ?? 5);
const SETTINGS = {
  max_replication_slots: "40",
  max_wal_senders: "40",
  max_wal_size: "8GB",
  shared_buffers: "256MB",
};

type Log = CaptureTask["log"];

async function drain(server: PostgresServer, name: string, backlogs: readonly Backlog[]): Promise<Metric[]> {
  const changes = backlogs.reduce((sum, backlog) => sum + backlog.changes, 0);
  const ours = new Map<Log, CaptureCost[]>([
    ["none", []],
    ["file", []],
  ]);
  const theirs: { readonly wallMs: number; readonly cpuMs: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    theirs.push(await drainByPeer(server, backlogs));
    for (const [log, costs] of ours) costs.push(await drainByUs(server, backlogs, log));
  }
  const peer = {
    wall: median(theirs.map(({ wallMs }) => wallMs)),
    cpu: median(theirs.map(({ cpuMs }) => cpuMs)),
  };
  return [...ours].flatMap(([log, costs]) => {
    const title = `drain, ${name}, ${log === "none" ? "events forgotten" : "log on disk"}`;
    // Of pairs: who runs next to whom has the same neighbours.
    const wallRatio = median(costs.map(({ wallMs }, i) => theirs[i]!.wallMs / wallMs));
    const cpuRatio = median(costs.map(({ cpuMs }, i) => theirs[i]!.cpuMs / cpuMs));
    const wall = median(costs.map(({ wallMs }) => wallMs));
    const cpu = median(costs.map(({ cpuMs }) => cpuMs));
    return [
      {
        name: `${title}: wall`,
        value: (changes / wall) * 1_000,
        unit: "changes/s",
        reference: (changes / peer.wall) * 1_000,
        ratio: wallRatio,
      },
      {
        name: `${title}: CPU of the client`,
        value: (cpu / changes) * 1e6,
        unit: "ns/change",
        reference: (peer.cpu / changes) * 1e6,
        ratio: cpuRatio,
      },
      {
        name: `${title}: peak memory`,
        value: median(costs.map(({ peakBytes }) => peakBytes)) / 2 ** 20,
        unit: "MiB",
      },
    ];
  });
}

async function drainByUs(
  server: PostgresServer,
  backlogs: readonly Backlog[],
  log: Log,
): Promise<CaptureCost> {
  const slots: (Backlog & { readonly slot: string })[] = [];
  for (const backlog of backlogs) slots.push({ ...backlog, slot: await freshSlot(server, backlog) });
  const { host, port, user } = server;
  const task: CaptureTask = { host, port, user, log, publications: PUBLICATIONS.split(","), backlogs: slots };
  const file = fileURLToPath(new URL("capture-run.ts", import.meta.url));
  const text = execFileSync(process.execPath, [file, JSON.stringify(task)], { encoding: "utf8" });
  return JSON.parse(text) as CaptureCost;
}

async function main(): Promise<void> {
  const named = process.argv.slice(2).filter((argument) => !argument.startsWith("-"));
  const isAsked = (part: string): boolean => named.length === 0 || named.includes(part);
  const metrics: Metric[] = [];
  if (["decode", "drain", "shards"].some(isAsked)) {
    const server = await startPostgres(SETTINGS);
    try {
      if (isAsked("decode") || isAsked("drain")) {
        const one = await fillBacklog(server, "one", CHANGES);
        if (isAsked("decode")) metrics.push(...(await measureDecoding(server, one, ROUNDS)));
        if (isAsked("drain")) metrics.push(...(await drain(server, "one shard", [one])));
      }
      if (isAsked("shards")) {
        const many: Backlog[] = [];
        for (let i = 1; i <= SHARDS; i++) many.push(await fillBacklog(server, `shard${i}`, SHARD_CHANGES));
        metrics.push(...(await drain(server, `${SHARDS} shards`, many)));
      }
    } finally {
      await server.stop();
    }
  }
  if (isAsked("fresh")) metrics.push(...(await freshness()));
  printResult("capture", metrics);
}

await main();
