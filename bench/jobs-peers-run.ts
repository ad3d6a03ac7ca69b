/**
 * One run of a side of `bench:jobs-peers`: what its whole process tree takes from its start until its results are
 * there, CPU s. Start-up is part of it; the caller takes it off by a run over few events.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { FLINK_PROGRAM } from "../test/services/flink.ts";
import { startMuara } from "../test/services/muara.ts";
import { pythonEnvironment } from "../test/services/python.ts";
import type { NexmarkKind } from "./nexmark/events.ts";
import { nexmarkJob } from "./nexmark/job-file.ts";
import {
  bodiesOf,
  declareNexmark,
  deployNexmark,
  endNexmark,
  publishNexmark,
  waitForJob,
} from "./nexmark/node.ts";
import type { NexmarkQuery } from "./nexmark/reference.ts";

/** Of /proc/PID/stat: clock ticks a second. */
const TICKS = 100;
const EACH = 2_000;

export interface PeerInput {
  readonly query: NexmarkQuery;
  /** Event types that it reads. */
  readonly kinds: readonly NexmarkKind[];
  /** With a folder of lines per event type. */
  readonly folder: string;
  readonly newestMs: number;
}

/** Of a process and all below it, those that have ended and were waited for among them. */
export function treeCpuS(pid: number): number {
  const parents = new Map<number, number>();
  const ticks = new Map<number, number>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    let stat: string;
    try {
      stat = readFileSync(`/proc/${entry}/stat`, "latin1");
    } catch {
      continue; // it has just ended
    }
    const fields = stat.replace(/^.*\)/s, "").trim().split(" ");
    parents.set(Number(entry), Number(fields[1]));
    const own = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    ticks.set(Number(entry), own);
  }
  const isBelow = (one: number): boolean =>
    one === pid || (parents.has(one) && parents.get(one)! > 1 && isBelow(parents.get(one)!));
  return [...ticks].reduce((sum, [one, own]) => sum + (isBelow(one) ? own : 0), 0) / TICKS;
}

/** Door, log, landing, job, committed results; the producer is this process, and not counted. */
export async function runMuara({ query, kinds, folder, newestMs }: PeerInput): Promise<number> {
  const data = join(folder, "muara");
  rmSync(data, { recursive: true, force: true });
  const bodies = kinds.map((kind) => {
    const lines = readFileSync(join(folder, `nexmark.${kind}`, "events.ndjson"), "utf8")
      .trimEnd()
      .split("\n");
    return bodiesOf(lines, EACH);
  });
  const muara = await startMuara(data);
  try {
    await declareNexmark(muara, kinds);
    await deployNexmark(muara, nexmarkJob(query));
    await Promise.all(kinds.map((kind, i) => publishNexmark(muara, kind, bodies[i]!)));
    await endNexmark(muara, kinds, newestMs);
    await waitForJob(muara, `nexmark_${query}`, newestMs);
    return treeCpuS(muara.pid);
  } finally {
    await muara.kill();
  }
}

/** A cluster within one process. Its results are there when the program says so; it waits with its JVM until then. */
export async function runFlink(script: string): Promise<number> {
  const { python } = await pythonEnvironment("flink");
  const wait = "\nsys.stdout.flush()\nsys.stdin.readline()\n";
  const env = { ...process.env, TZ: "UTC", JAVA_TOOL_OPTIONS: "-XX:+UseParallelGC -Xmx3g" };
  return whenSaid(
    spawn(python, ["-c", FLINK_PROGRAM + wait, script], { env, stdio: ["pipe", "pipe", "pipe"] }),
  );
}

/** `Map`s in memory. */
export async function runMaps(query: "q5" | "q7", folder: string): Promise<number> {
  const file = fileURLToPath(new URL("nexmark/maps.ts", import.meta.url));
  const lines = join(folder, "nexmark.bid", "events.ndjson");
  const out = join(folder, `maps-${query}.ndjson`);
  return whenSaid(spawn(process.execPath, [file, query, lines, out], { stdio: ["pipe", "pipe", "pipe"] }));
}

/** CPU s of the tree when it has said its first line; then it may go. */
async function whenSaid(child: ChildProcess): Promise<number> {
  let errors = "";
  child.stderr!.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  const said = new Promise<number>((resolve) => {
    createInterface({ input: child.stdout! }).once("line", () => resolve(treeCpuS(child.pid!)));
  });
  const cpuS = await Promise.race([said, ended.then(() => undefined)]);
  if (cpuS === undefined) throw new Error(`a peer failed:\n${errors.slice(-4_000)}`);
  child.stdin!.end("\n");
  await ended;
  return cpuS;
}

/** Also removes what a run before has left. */
export async function writeScript(folder: string, query: NexmarkQuery, text: string): Promise<string> {
  rmSync(join(folder, "flink", `nexmark_${query}`), { recursive: true, force: true });
  const script = join(folder, `${query}.flink.sql`);
  await writeFile(script, text);
  return script;
}
