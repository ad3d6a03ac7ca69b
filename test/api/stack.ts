/** The whole program in this process on a free port, over a temporary folder, for tests that look at it by HTTP. */
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { resolveConfig, type ConfigInput } from "../../core/config.ts";
import { silentLogger } from "../../core/logger.ts";
import { startWorkers, WORKERS, type Running, type WorkerName } from "../../muara.ts";

const WAIT_MS = 30_000;

/** What requests may ask for, so small that no read of Muara's own would be answered if it bound them, too. */
export const TINY_QUERY = { rows: 1, rowsMax: 1, sqlBytes: 100 };

export interface Stack {
  readonly url: string;
  readonly data: string;
  readonly token: string;
  readonly running: Running;
  /** With the administrator's token unless headers say otherwise. */
  call(method: string, route: string, body?: unknown, headers?: Record<string, string>): Promise<Response>;
  get<Answer>(route: string): Promise<Answer>;
  /** Until everything accepted is landed and the ledger tables have followed. */
  settled(eventType: string): Promise<void>;
  close(): Promise<void>;
}

export async function startStack(
  workers: readonly WorkerName[] = WORKERS,
  more: ConfigInput = {},
): Promise<Stack> {
  const data = await mkdtemp(path.join(os.tmpdir(), "muara-stack-"));
  const land = { commitMs: 100, projectMs: 100 };
  const { config } = resolveConfig({ environment: {}, file: { data, port: 0, land, ...more } });
  const running = await startWorkers(config, workers, silentLogger);
  const token = running.token!;
  const call: Stack["call"] = (method, route, body, headers = {}) =>
    fetch(new URL(route, running.url), {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
  const get = async <Answer>(route: string): Promise<Answer> => {
    const response = await call("GET", route);
    if (!response.ok) throw new Error(`${route}: ${response.status} ${await response.text()}`);
    return (await response.json()) as Answer;
  };
  return {
    url: running.url,
    data,
    token,
    running,
    call,
    get,
    settled: async (eventType) => {
      const deadline = performance.now() + WAIT_MS;
      for (;;) {
        const { items } = await get<{ items: { in_flight: number }[] }>(`/v1/books?event_type=${eventType}`);
        const hours =
          items[0]?.in_flight === 0
            ? await get<{ items: { in_flight: number }[] }>(`/v1/books?by=hour&event_type=${eventType}`)
            : undefined;
        if (hours && hours.items.every((hour) => hour.in_flight === 0)) return;
        if (performance.now() > deadline) throw new Error(`${eventType} did not settle in ${WAIT_MS} ms`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
    close: async () => {
      await running.stop();
      await rm(data, { recursive: true, force: true });
    },
  };
}

/** A declaration with an id, a time, a number that can be out of range and a free text. */
export function orderType(name: string, partitions: number): Record<string, unknown> {
  const schema = {
    type: "object",
    properties: { number: { type: "integer" }, note: { type: "string" } },
    required: ["number"],
  };
  return {
    name,
    owning_application: "shop",
    category: "business",
    partition_strategy: "random",
    schema: { type: "json_schema", schema: JSON.stringify(schema) },
    default_statistic: {
      messages_per_minute: 1,
      message_size: 1,
      read_parallelism: partitions,
      write_parallelism: partitions,
    },
  };
}

/** One event's text; `number` as it shall stand in the JSON. */
/** One for the whole run: a resend has the same bytes. */
const FIRST_EVENT_MS = Date.now() - 60_000;

export function orderEvent(index: number, number: string): string {
  const eid = `aaaaaaaa-0000-4000-8000-${String(index).padStart(12, "0")}`;
  const time = new Date(FIRST_EVENT_MS + index).toISOString();
  return `{"metadata":{"eid":"${eid}","occurred_at":"${time}"},"number":${number},"note":"n${index}"}`;
}

export function eventId(index: number): string {
  return `aaaaaaaa-0000-4000-8000-${String(index).padStart(12, "0")}`;
}
