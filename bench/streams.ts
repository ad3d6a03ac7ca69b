/**
 * Events out of a subscription's stream: `node bench/streams.ts` (`--json` for one object). A door on a log on disk
 * streams orders of about 500 bytes to curl, in batches of a hundred, from the oldest on; against the same bytes from a
 * file by the same kind of server, which reads, and sends, and does nothing else. CPU time is this process's alone;
 * they take turns; medians.
 */
import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { pipeline } from "node:stream/promises";
import { resolveConfig } from "../core/config.ts";
import { silentLogger } from "../core/logger.ts";
import { startWorkers } from "../muara.ts";
import { orderEvent, orderType } from "../test/api/stack.ts";
import { median, type Metric, printResult } from "./result.ts";

const ROUNDS = Number(process.env["ROUNDS"] ?? 5);
const EVENTS = Number(process.env["EVENTS"] ?? 200_000);
const BATCH = 1_000;
const NAME = "bench.order";
const BATCHES = [1, 10, 100, 1_000] as const;

const folder = await mkdtemp(join(tmpdir(), "muara-bench-streams-"));
const { config } = resolveConfig({ environment: {}, file: { data: join(folder, "data"), port: 0 } });
const running = await startWorkers(config, ["ingest"], silentLogger);
const headers = { authorization: `Bearer ${running.token!}`, "content-type": "application/json" };

async function post(path: string, body: string): Promise<string> {
  const response = await fetch(running.url + path, { method: "POST", headers, body });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`);
  return text;
}

await post("/event-types", JSON.stringify(orderType(NAME, 1)));
const pad = "x".repeat(320);
for (let from = 0; from < EVENTS; from += BATCH) {
  const events = Array.from({ length: BATCH }, (_, i) =>
    orderEvent(from + i, String(from + i)).replace('"note":"', `"note":"${pad}`),
  );
  await post(`/event-types/${NAME}/events`, `[${events.join(",")}]`);
}

interface Spent {
  readonly cpuMs: number;
  readonly wallMs: number;
  readonly bytes: number;
}

/** What it costs this process to have curl take an answer. @param into a file; else nowhere */
async function taken(url: string, into = "/dev/null"): Promise<Spent> {
  const [cpu, startedMs] = [process.cpuUsage(), performance.now()];
  const args = ["-sS", "-H", `authorization: ${headers.authorization}`, "-w", "%{size_download}", "-o", into];
  const child = spawn("curl", [...args, url], { stdio: ["ignore", "pipe", "inherit"] });
  let size = "";
  child.stdout.on("data", (chunk: Buffer) => (size += chunk.toString()));
  const code = await new Promise((resolve) => child.once("close", resolve));
  if (code !== 0) throw new Error(`curl ended with ${String(code)}`);
  const { user, system } = process.cpuUsage(cpu);
  return { cpuMs: (user + system) / 1_000, wallMs: performance.now() - startedMs, bytes: Number(size) };
}

/** A stream of all events from the oldest on, to a subscription that did not exist. */
let groups = 0;
async function stream(batchLimit: number, into?: string): Promise<Spent> {
  const group = `group-${++groups}`;
  const declared = { owning_application: "bench", event_types: [NAME], consumer_group: group };
  const subscribed = await post("/subscriptions", JSON.stringify({ ...declared, read_from: "begin" }));
  const { id } = JSON.parse(subscribed) as { id: string };
  const query = `batch_limit=${batchLimit}&stream_limit=${EVENTS}&max_uncommitted_events=${EVENTS}`;
  return taken(`${running.url}/subscriptions/${id}/events?${query}`, into);
}

const files = createServer((request, response) => {
  const file = createReadStream(join(folder, request.url!.slice(1)));
  response.writeHead(200, { "content-type": "application/x-json-stream" });
  pipeline(file, response).catch((error: unknown) => console.error(error));
});
await new Promise<void>((resolve) => files.listen(0, "127.0.0.1", resolve));
const address = files.address();
const fileUrl = `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;

const metrics: Metric[] = [];
for (const batchLimit of BATCHES) {
  const file = `batches-${batchLimit}`;
  await stream(batchLimit, join(folder, file)); // also: the code is warm
  const [ours, theirs]: [Spent[], Spent[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(await stream(batchLimit));
    theirs.push(await taken(`${fileUrl}/${file}`));
  }
  const [own, plain] = [ours, theirs].map((all) => EVENTS / (median(all.map(({ cpuMs }) => cpuMs)) / 1_000));
  const wall = EVENTS / (median(ours.map(({ wallMs }) => wallMs)) / 1_000);
  const each = Math.round(ours[0]!.bytes / EVENTS);
  metrics.push(
    {
      name: `batches of ${batchLimit}, ${each} bytes an event: per CPU second`,
      value: own!,
      unit: "events/s",
      reference: plain!,
      ratio: own! / plain!,
    },
    { name: `batches of ${batchLimit}: per second`, value: wall, unit: "events/s" },
  );
}
printResult("streams", metrics);
files.close();
await running.stop();
await rm(folder, { recursive: true, force: true });
