/**
 * The HTTP door in CPU time per request, 100 events of 500 bytes each: `node bench/ingest.ts` (`--json` for one
 * object). The reference is a bare node:http server that reads the same body and answers 200; both are measured in
 * alternating rounds of one run, the client is a process of its own. Appends are counted and dropped, except where
 * the name says that the log on disk takes part. That one is also held against the sum of its parts, each by itself:
 * the bare server, a publish whose append is dropped, and the append.
 */
import { type ChildProcess, fork } from "node:child_process";
import { on, once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { Agent, createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listen } from "../adapters/http/listen.ts";
import { openFileLog } from "../adapters/file/log.ts";
import { createMemoryLog } from "../adapters/memory/log.ts";
import { EVERYTHING } from "../core/authorize.ts";
import { configSchema } from "../core/config.ts";
import { seededRandomness, systemClock, systemRandomness } from "../core/clock.ts";
import { createKernel, type Kernel } from "../core/kernel.ts";
import { silentLogger } from "../core/logger.ts";
import type { Log } from "../core/ports/log.ts";
import { Registry } from "../core/registry.ts";
import { Authenticator, createToken } from "../core/token.ts";
import { createIngestApp } from "../workers/ingest/app.ts";
import { declareEventType } from "../workers/ingest/declaration.ts";
import { collectAsMuara } from "./as-muara.ts";
import { openParts } from "./ingest-parts.ts";
import { median, type Metric, printResult } from "./result.ts";

const EVENTS = 100;
const EVENT_BYTES = 500;
const ROUNDS = 7;
const REQUESTS = Number(process.env["BENCH_REQUESTS"] ?? 1_000);
const CONNECTIONS = 8;
const CHECKED = {
  properties: { key: { type: "string" }, qty: { type: "integer", minimum: 0 } },
  required: ["key"],
};
const TYPES = [
  eventType("open", {}),
  eventType("keyed", { properties: { key: {} } }, 8, {
    partition_strategy: "hash",
    partition_key_fields: ["key"],
  }),
  eventType("checked", CHECKED),
];

/** What is measured: a server and a path on it. */
interface Target {
  readonly port: number;
  readonly path: string;
  readonly token: string;
}

type Work = () => Promise<void>;

/** A server, of whichever library. */
interface Closing {
  close(): unknown;
}

const random = seededRandomness(11);

function eventType(
  name: string,
  schema: unknown,
  partitions = 1,
  more: Record<string, unknown> = {},
): Readonly<Record<string, unknown>> & { readonly name: string } {
  return {
    name,
    owning_application: "bench",
    category: "business",
    schema: { type: "json_schema", schema: JSON.stringify(schema) },
    default_statistic: { read_parallelism: partitions, write_parallelism: 1 },
    ...more,
  };
}

function body(): string {
  const events = Array.from({ length: EVENTS }, (_, i) => {
    const metadata = { eid: random.uuid(), occurred_at: "2026-03-01T12:00:00.123Z" };
    const event = { metadata, key: `order-${i}`, qty: i, pad: "" };
    event.pad = "lorem ipsum ".repeat(60).slice(0, EVENT_BYTES - JSON.stringify(event).length);
    return event;
  });
  return JSON.stringify(events);
}

/** The client's side: sends requests over kept connections, and says when all are answered. */
async function runClient(): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const sent = body();
  const post = (target: Target): Promise<number> =>
    new Promise((resolve, reject) => {
      const headers = {
        authorization: `Bearer ${target.token}`,
        "content-type": "application/json",
        "content-length": sent.length,
      };
      const { port, path } = target;
      const call = request({ port, path, agent, method: "POST", host: "127.0.0.1", headers }, (answer) => {
        answer.resume().once("end", () => resolve(answer.statusCode!));
      });
      call.once("error", reject).end(sent);
    });
  for await (const [target] of on(process, "message") as AsyncIterable<[Target]>) {
    const lane = async (): Promise<void> => {
      for (let i = 0; i < REQUESTS / CONNECTIONS; i++) {
        const status = await post(target);
        if (status !== 200) throw new Error(`answered ${status}`);
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, lane));
    process.send!("done");
  }
}

async function listening(server: Server): Promise<number> {
  if (!server.listening) await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** A log whose streams are real and whose appends to event types only count. */
function droppingLog(): Log {
  const log = createMemoryLog({ clock: systemClock, randomness: systemRandomness });
  const append = log.append.bind(log);
  let end = 0;
  log.append = async (stream, partition, batch, producer) => {
    if (stream.startsWith("muara.")) return append(stream, partition, batch, producer);
    const baseOffset = end;
    end += batch.count;
    return { baseOffset, ingestMs: systemClock.nowMs(), isRepeat: false };
  };
  return log;
}

function newKernel(): Kernel {
  const wasm = new WebAssembly.Module(readFileSync(new URL("../core-as/kernel.wasm", import.meta.url)));
  return createKernel(wasm, crypto.getRandomValues(new Uint8Array(16)));
}

async function startDoor(log: Log): Promise<{ server: Closing; target: (name: string) => Target }> {
  const clock = systemClock;
  const registry = await Registry.open(log, "bench", clock);
  const { text: token, declared } = await createToken("bench", EVERYTHING, clock.nowMs(), null);
  await registry.put("token", declared.id, 0, declared);
  for (const type of TYPES) await declareEventType({ log, registry, clock }, type);
  const app = createIngestApp(
    {
      log,
      registry,
      kernel: newKernel(),
      clock,
      authenticator: new Authenticator(registry, clock),
      randomness: systemRandomness,
      logger: silentLogger,
    },
    { limits: { eventBytes: 999_000, bodyBytes: 8_388_608, batchEvents: 10_000, depth: 64 } },
  );
  const server = await listen(configSchema.parse({ port: 0 }), app.fetch);
  const { port } = server.address() as AddressInfo;
  return { server, target: (name) => ({ port, path: `/event-types/${name}/events`, token }) };
}

async function startBare(): Promise<{ server: Server; target: Target }> {
  const server = createServer((incoming, answer) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.once("end", () => {
      Buffer.concat(chunks);
      answer.writeHead(200).end();
    });
  }).listen(0, "127.0.0.1");
  return { server, target: { port: await listening(server), path: "/", token: "x" } };
}

/** CPU time of this process per request, µs. */
async function costUs(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / REQUESTS;
}

/** As many times as there are requests, as many at once as there are connections. */
async function inLanes(work: () => Promise<void>): Promise<void> {
  const lane = async (): Promise<void> => {
    for (let i = 0; i < REQUESTS / CONNECTIONS; i++) await work();
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, lane));
}

/** Everything that takes its turn in a round. The first is the reference, the second the durable request. */
async function openWorks(client: ChildProcess, fileLog: Log, servers: Closing[]): Promise<[string, Work][]> {
  const bare = await startBare();
  const door = await startDoor(droppingLog());
  const durable = await startDoor(fileLog);
  servers.push(bare.server, door.server, durable.server);
  const bytes = new TextEncoder().encode(body());
  const parts = await openParts(newKernel(), droppingLog(), fileLog, TYPES[0]!, bytes);
  const asked = (target: Target) => async (): Promise<void> => {
    client.send(target);
    await once(client, "message");
  };
  return [
    ["bare node:http", asked(bare.target)],
    ["open schema, log on disk", asked(durable.target("open"))],
    ["open schema", asked(door.target("open"))],
    ["open schema, hash over 8 partitions", asked(door.target("keyed"))],
    ["constrained schema", asked(door.target("checked"))],
    ["the publish alone", () => inLanes(() => parts.publish(bytes))],
    ["the append alone", () => inLanes(() => parts.append())],
  ];
}

async function main(): Promise<void> {
  collectAsMuara();
  const directory = mkdtempSync(join(tmpdir(), "muara-bench-ingest-"));
  const client = fork(import.meta.filename, ["--client"]);
  client.once("exit", clientEnded);
  const services = { clock: systemClock, randomness: systemRandomness, logger: silentLogger };
  const fileLog = await openFileLog({ directory, onFatal: giveUp, ...services });
  const servers: Closing[] = [];
  const works = await openWorks(client, fileLog, servers);
  const costs = works.map((): number[] => []);
  for (let round = 0; round <= ROUNDS; round++)
    for (const [i, [, work]] of works.entries()) {
      const cost = await costUs(work);
      if (round > 0) costs[i]!.push(cost); // the first round only warms up
    }
  printResult(
    "ingest",
    metricsOf(
      works.map(([name]) => name),
      costs.map(median),
    ),
  );
  client.removeListener("exit", clientEnded).kill();
  for (const server of servers) server.close();
  await fileLog.close();
  rmSync(directory, { recursive: true });
}

function metricsOf(names: readonly string[], costs: readonly number[]): Metric[] {
  const [bare, durable, ...others] = costs as [number, number, ...number[]];
  const sum = bare + others.at(-2)! + others.at(-1)!;
  return [
    ...costs.slice(1).map((cost, i) => against(names[i + 1]!, cost, bare)),
    against("open schema, log on disk, to its parts' sum", durable, sum),
  ];
}

function against(name: string, value: number, reference: number): Metric {
  const whole = `CPU per request of ${EVENTS} events, ${name}`;
  return { name: whole, value, unit: "µs", reference, ratio: reference / value };
}

function clientEnded(): never {
  throw new Error("the client gave up: see its error");
}

function giveUp(error: unknown): never {
  throw error;
}

if (process.argv.includes("--client")) await runClient();
else await main();
