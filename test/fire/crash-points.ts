/**
 * The sweep: at which system calls a run can be killed, one run that is, the recoveries after it, and what they found.
 */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type Acknowledged, audit, digestOf, versionsOf } from "./crash-audit.ts";
import { type Fault, readTrace, stracePrefix, TRACED_ENVIRONMENT, type TracedCall } from "./strace.ts";
import { openWhole } from "./whole.ts";

const VICTIM = fileURLToPath(new URL("victim.ts", import.meta.url));
/** Whatever changes a disk, under the names of the platforms that Node runs on. */
export const CALLS: readonly string[] = [
  "write,pwrite64,writev,pwritev,fsync,fdatasync,ftruncate",
  "?rename,renameat,renameat2,?link,linkat,?unlink,unlinkat,?mkdir,mkdirat",
]
  .join(",")
  .split(",");

export interface Point {
  readonly call: string;
  readonly when: number;
}

interface Run {
  readonly lines: readonly string[];
  readonly isKilled: boolean;
  readonly errors: string;
  readonly trace: readonly TracedCall[];
}

/** One run of the victim. @param fault undefined: it is only watched */
async function runVictim(folder: string, round: number, point: Point | undefined): Promise<Run> {
  const output = join(folder, `trace-${round}`);
  const fault: Fault | undefined = point && { ...point, what: "signal=SIGKILL" };
  const [program, ...prefix] = stracePrefix(output, fault ? [] : CALLS, fault);
  const args = [...prefix, process.execPath, VICTIM, join(folder, "data"), `${round}`];
  const child = spawn(program!, args, {
    env: { ...process.env, ...TRACED_ENVIRONMENT },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  let errors = "";
  child.stdout.on("data", (part: Buffer) => (text += part.toString()));
  child.stderr.on("data", (part: Buffer) => (errors += part.toString()));
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
    child.once("close", (...end) => resolve(end)),
  );
  const isKilled = signal === "SIGKILL";
  if (!isKilled && code !== 0) throw new Error(`the victim ended with ${code}: ${errors}`);
  // A line without its end was not said.
  const lines = text.split("\n").slice(0, -1);
  return { lines, isKilled, errors, trace: readTrace(output) };
}

function acknowledgedIn(lines: readonly string[]): Acknowledged[] {
  return lines
    .filter((line) => line.startsWith("acknowledged "))
    .map((line) => {
      const [partition, offset, ...numbers] = line.split(" ").slice(1).map(Number);
      return { partition: partition!, offset: offset!, numbers };
    });
}

export async function temporary<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "muara-crash-"));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Every point of a run in a fresh directory (round 0) or of a recovery after a clean stop (round 1), from a run that
 * is only watched. Of `write` those that reach the directory; libuv's wake-ups are writes as well.
 */
export async function findPoints(round: 0 | 1): Promise<Point[]> {
  return temporary(async (folder) => {
    if (round === 1) await runVictim(folder, 0, undefined);
    const { trace } = await runVictim(folder, round, undefined);
    const counts = new Map<string, number>();
    const points = new Map<string, Point>();
    for (const { call, thread, text } of trace) {
      const when = (counts.get(`${thread} ${call}`) ?? 0) + 1;
      counts.set(`${thread} ${call}`, when);
      if (call.startsWith("write") && !text.includes(folder)) continue;
      points.set(`${call} ${when}`, { call, when });
    }
    return [...points.values()];
  });
}

export interface Outcome {
  /** Points at which a process was killed, in order. */
  readonly killedAt: readonly string[];
  readonly acknowledged: number;
  readonly faults: readonly string[];
}

/**
 * A run killed at the first point, the next one, which recovers, at the second, and so on; then a recovery that
 * nobody kills, the audit, and a second recovery, which must find nothing to do.
 */
export function crashAt(points: readonly Point[]): Promise<Outcome> {
  return temporary(async (folder) => {
    const data = join(folder, "data");
    const acknowledged: Acknowledged[] = [];
    const killedAt: string[] = [];
    const faults: string[] = [];
    let versions = new Map<string, string>();
    const compare = (when: string): void => {
      const now = versionsOf(data);
      for (const [name, hash] of versions)
        if (now.get(name) !== hash)
          faults.push(`${name} was ${now.has(name) ? "changed" : "removed"} by ${when}`);
      versions = now;
    };
    for (const [round, point] of points.entries()) {
      const run = await runVictim(folder, round, point);
      if (run.isKilled) killedAt.push(hitOf(run.trace, point, folder));
      acknowledged.push(...acknowledgedIn(run.lines));
      compare(`round ${round}`);
    }
    const digests: string[] = [];
    for (const recovery of ["the recovery", "the second recovery"]) {
      const whole = await openWhole(data);
      try {
        await whole.land();
        compare(recovery);
        faults.push(...(await audit(whole, data, acknowledged)));
        digests.push(await digestOf(whole, data));
      } finally {
        await whole.close();
      }
    }
    if (digests[0] !== digests[1])
      faults.push(`the second recovery changed something: ${digests.join(" → ")}`);
    return { killedAt, acknowledged: acknowledged.length, faults };
  });
}

/** The call that was killed, with the kind of file: names differ from run to run. */
function hitOf(trace: readonly TracedCall[], { call, when }: Point, folder: string): string {
  const text = trace.findLast((one) => one.call === call)?.text ?? "";
  const path = text.includes(folder) ? /data\/([^">]*)/.exec(text)?.[1] : undefined;
  const kind = path?.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "ID").replaceAll(/\d{4,}/g, "N");
  return `${call} ${when} ${kind ?? "elsewhere"}`;
}
