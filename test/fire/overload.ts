/**
 * Overload in three processes: producers that offer ten times what the log takes, the door, and this one, which
 * looks at the log afterwards. Test and proof share it.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { openFileLog } from "../../adapters/file/log.ts";
import { systemClock, systemRandomness } from "../../core/clock.ts";
import { silentLogger } from "../../core/logger.ts";
import { payloadOf } from "../../core/record.ts";
import type { Answer } from "./offer.ts";
import { idOf, TYPE, typeDeclaration } from "./load.ts";

export interface OverloadPlan {
  readonly directory: string;
  readonly capacity: number; // events a second
  readonly offered: number; // events a second
  readonly seconds: number;
  /** Of one request. */
  readonly events: number;
  /** Of one event, about. */
  readonly bytes: number;
  readonly environment?: Readonly<Record<string, string>>;
}

export interface Overload {
  /** Acknowledged events a second within the time of the offer, as a part of the capacity. */
  readonly served: number;
  readonly offeredPerSecond: number;
  readonly acknowledged: number; // requests
  readonly refused: number; // requests with 429
  /** Requests with any other answer, or none. */
  readonly others: readonly number[];
  readonly refusedMs: {
    readonly p50: number;
    readonly p95: number;
    readonly p99: number;
    readonly max: number;
  };
  readonly acknowledgedMs: { readonly p50: number; readonly p99: number };
  /** 429 without a Retry-After of a second or more. */
  readonly withoutRetryAfter: number;
  readonly idleMib: number;
  readonly peakMib: number;
  /** What is wrong in the log. */
  readonly faults: readonly string[];
}

export async function overload(plan: OverloadPlan): Promise<Overload> {
  const { directory, capacity, offered, seconds, events, bytes } = plan;
  const server = start("slow-server.ts", [join(directory, "log"), `${capacity}`], plan.environment);
  try {
    const url = (await firstLine(server)).replace("ready ", "");
    const declared = await fetch(`${url}/event-types`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: typeDeclaration(1),
    });
    if (declared.status !== 201) throw new Error(`declared: ${declared.status} ${await declared.text()}`);
    const idleMib = memoryOf(server, "VmRSS");
    const client = start("offer.ts", [url, offered / events, seconds, events, bytes].map(String));
    const answers = JSON.parse(await allOf(client)) as Answer[];
    const peakMib = memoryOf(server, "VmHWM");
    const ended = once(server, "close");
    server.kill("SIGTERM");
    await ended;
    const faults = await logFaults(join(directory, "log"), answers, events);
    return { ...figures(answers, plan), idleMib, peakMib, faults };
  } finally {
    server.kill("SIGKILL");
  }
}

function figures(
  answers: readonly Answer[],
  { capacity, seconds, events }: OverloadPlan,
): Omit<Overload, "idleMib" | "peakMib" | "faults"> {
  const acknowledged = answers.filter(({ status }) => status === 200);
  const refused = answers.filter(({ status }) => status === 429);
  const inTime = acknowledged.filter(({ atMs }) => atMs <= seconds * 1_000).length;
  return {
    served: (inTime * events) / (seconds * capacity),
    offeredPerSecond: (answers.length * events) / seconds,
    acknowledged: acknowledged.length,
    refused: refused.length,
    others: answers.map(({ status }) => status).filter((status) => status !== 200 && status !== 429),
    refusedMs: {
      p50: quantile(refused, 0.5),
      p95: quantile(refused, 0.95),
      p99: quantile(refused, 0.99),
      max: quantile(refused, 1),
    },
    acknowledgedMs: { p50: quantile(acknowledged, 0.5), p99: quantile(acknowledged, 0.99) },
    withoutRetryAfter: refused.filter(({ retryAfter }) => !(Number(retryAfter) >= 1)).length,
  };
}

function quantile(answers: readonly Answer[], share: number): number {
  const sorted = answers.map(({ ms }) => ms).sort((a, b) => a - b);
  return Math.round((sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0) * 10) / 10;
}

/** Acknowledged events are stored once, refused ones not at all. */
async function logFaults(directory: string, answers: readonly Answer[], events: number): Promise<string[]> {
  const services = { clock: systemClock, randomness: systemRandomness, logger: silentLogger };
  const log = await openFileLog({ directory, ...services, readOnly: true });
  const stored = new Map<string, number>();
  const { endOffset } = await log.bounds(TYPE, 0);
  for (let offset = 0; offset < endOffset;) {
    const batch = await log.read(TYPE, 0, offset, 1 << 20);
    for (let i = 0; i < batch.count; i++) {
      const id = /"eid":"([^"]+)"/.exec(Buffer.from(payloadOf(batch, i) ?? []).toString())?.[1] ?? "none";
      stored.set(id, (stored.get(id) ?? 0) + 1);
    }
    offset = batch.next;
  }
  await log.close();
  const faults: string[] = [];
  for (const { request, status } of answers)
    for (let i = 0; i < events; i++) {
      const count = stored.get(idOf(request * events + i)) ?? 0;
      const isWrong = status === 200 ? count !== 1 : status === 429 ? count !== 0 : count > 1;
      if (isWrong) faults.push(`event ${request * events + i}, answered ${status}, is stored ${count} times`);
    }
  return faults;
}

function start(
  script: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): ChildProcess {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("MUARA_")));
  const [program, ...before] = [...priority(), process.execPath];
  return spawn(program, [...before, path, ...args], {
    env: { ...env, ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
}

/**
 * Where it may be had (root, usually), the three processes come before whatever else the machine has to do: the times
 * are those of the door then, not of its neighbours.
 */
function priority(): string[] {
  const prefix = ["chrt", "--rr", "1"];
  return spawnSync(prefix[0]!, [...prefix.slice(1), "true"]).status === 0 ? prefix : [];
}

async function firstLine(child: ChildProcess): Promise<string> {
  let text = "";
  for await (const part of child.stdout!.setEncoding("utf8") as AsyncIterable<string>) {
    text += part;
    if (text.includes("\n")) break;
  }
  return text.trim();
}

async function allOf(child: ChildProcess): Promise<string> {
  let text = "";
  for await (const part of child.stdout!.setEncoding("utf8") as AsyncIterable<string>) text += part;
  return text;
}

/** MiB. @param key VmRSS: now; VmHWM: the most so far */
function memoryOf({ pid }: ChildProcess, key: "VmRSS" | "VmHWM"): number {
  const status = readFileSync(`/proc/${pid!}/status`, "utf8");
  return Math.round(Number(new RegExp(`${key}:\\s+(\\d+) kB`).exec(status)![1]) / 1_024);
}
