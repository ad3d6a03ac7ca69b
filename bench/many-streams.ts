/**
 * A process with many event types of several partitions, as an installation has it: `npm run bench:many-streams`
 * (`--json` for one object). Declared and landed once, stopped, started again; then every type gets ten events every
 * ten seconds. How long the second start takes, its memory, and how long an accepted event waits for the commit that
 * shows it, by the times of the commit files. `LOG=kafka` puts the streams on a real broker of one's own; `TYPES`,
 * `PARTITIONS`, `SECONDS`.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type KafkaServer, startKafka } from "../test/services/kafka.ts";
import { eventually, type MuaraProcess, startMuara, temporaryFolder } from "../test/services/muara.ts";
import { orderOf, orderType } from "./orders.ts";
import { printResult, quantile } from "./result.ts";

const IS_KAFKA = process.env["LOG"] === "kafka";
const TYPES = Number(process.env["TYPES"] ?? (IS_KAFKA ? 200 : 1_000));
const PARTITIONS = Number(process.env["PARTITIONS"] ?? (IS_KAFKA ? 4 : 8));
const SECONDS = Number(process.env["SECONDS"] ?? 30);
const BATCH = 10;
const EVERY_MS = 10_000;
const LANES = 8;
/** Until everything is landed. */
const PATIENCE_MS = 120_000;

/** By type: how many events were accepted up to a moment, ms since 1970. */
type Accepted = readonly { readonly count: number; readonly atMs: number }[];

const names = Array.from({ length: TYPES }, (_, i) => `bench.stream.n${i}`);
const folder = await temporaryFolder("many-streams");
const accepted = new Map<string, { count: number; atMs: number }[]>(names.map((name) => [name, []]));
let sent = 0;

async function post(muara: MuaraProcess, path: string, body: string, status: number): Promise<void> {
  const response = await muara.fetch(path, { method: "POST", body });
  const text = await response.text();
  if (response.status !== status) throw new Error(`${path} answered ${response.status}: ${text}`);
}

async function publish(muara: MuaraProcess, name: string): Promise<void> {
  const events = Array.from({ length: BATCH }, () => orderOf(sent++, Date.now()));
  await post(muara, `/event-types/${name}/events`, `[${events.join(",")}]`, 200);
  const list = accepted.get(name)!;
  list.push({ count: (list.at(-1)?.count ?? 0) + BATCH, atMs: Date.now() });
}

async function inLanes(work: (name: string) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < names.length) await work(names[next++]!);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

/** In order: how many events a table shows from a moment on. */
function shown(name: string): Accepted {
  const log = join(folder.path, "lake", name, "_delta_log");
  if (!existsSync(log)) return [];
  const commits = readdirSync(log).filter((file) => /^\d{20}\.json$/.test(file));
  const cursors = new Map<string, number>();
  return commits.toSorted().map((file) => {
    const path = join(log, file);
    for (const line of readFileSync(path, "utf8").split("\n")) {
      const { txn } = (line === "" ? {} : JSON.parse(line)) as { txn?: { appId: string; version: number } };
      if (txn && /^muara:land:[^:]+:[^:]+:\d+$/.test(txn.appId)) cursors.set(txn.appId, txn.version);
    }
    const count = [...cursors.values()].reduce((sum, cursor) => sum + cursor, 0);
    // Linking it to its name is the last thing that changes the file.
    return { count, atMs: statSync(path).ctimeMs };
  });
}

function isShown(name: string): boolean {
  return (shown(name).at(-1)?.count ?? 0) >= accepted.get(name)!.at(-1)!.count;
}

/** Until every table shows all that was accepted of its type. */
async function whenShown(): Promise<void> {
  const rest = [...names];
  await eventually("all landed", PATIENCE_MS, async () => {
    while (rest.length > 0 && isShown(rest.at(-1)!)) rest.pop();
    return rest.length === 0;
  });
}

/** From acceptance to the commit, ms; of the batches that were accepted since a moment. */
function waitedMs(sinceMs: number): number[] {
  return names.flatMap((name) => {
    const commits = shown(name);
    return accepted
      .get(name)!
      .filter(({ atMs }) => atMs >= sinceMs)
      .map(({ count, atMs }) => commits.find((commit) => commit.count >= count)!.atMs - atMs);
  });
}

function memoryBytes({ pid }: MuaraProcess, key: "VmRSS" | "VmHWM"): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`${key}:\\s+(\\d+) kB`).exec(status)![1]) * 1_024;
}

async function load(muara: MuaraProcess): Promise<void> {
  const startedMs = performance.now();
  const batches = (TYPES * SECONDS * 1_000) / EVERY_MS;
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < batches) {
      const batch = next++;
      const waitMs = startedMs + (batch * EVERY_MS) / TYPES - performance.now();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      await publish(muara, names[batch % TYPES]!);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

let kafka: KafkaServer | undefined;
let running: MuaraProcess | undefined;
try {
  kafka = IS_KAFKA ? await startKafka() : undefined;
  const environment = kafka ? { MUARA_LOG: kafka.freshAddress() } : {};
  const first = (running = await startMuara(folder.path, environment));
  await inLanes(async (name) => {
    const type = { ...orderType(PARTITIONS), name };
    await post(first, "/event-types", JSON.stringify(type), 201);
    await publish(first, name);
  });
  await whenShown();
  await first.stop();
  const muara = (running = await startMuara(folder.path, environment));
  const readyMs = muara.readyMs;
  const sinceMs = Date.now();
  await load(muara);
  const atOnceBytes = memoryBytes(muara, "VmRSS");
  await whenShown();
  const delays = waitedMs(sinceMs);
  const peakBytes = memoryBytes(muara, "VmHWM");
  await muara.stop();
  const MIB = 2 ** 20;
  printResult("many-streams", [
    { name: `ready, ${TYPES} types of ${PARTITIONS} partitions`, value: readyMs / 1_000, unit: "s" },
    { name: "memory under load", value: atOnceBytes / MIB, unit: "MiB" },
    { name: "peak memory", value: peakBytes / MIB, unit: "MiB" },
    { name: "accepted to committed, p50", value: quantile(delays, 0.5) / 1_000, unit: "s" },
    { name: "accepted to committed, p99", value: quantile(delays, 0.99) / 1_000, unit: "s" },
    { name: "accepted to committed, max", value: Math.max(...delays) / 1_000, unit: "s" },
  ]);
} finally {
  await running?.kill();
  await kafka?.stop();
  await folder.remove();
}
