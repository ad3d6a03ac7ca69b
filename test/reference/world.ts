/**
 * Where the examples of the API are executed: a process of Muara with everything that one of them names (a PostgreSQL
 * to capture from, a receiver of deliveries, a feed of extracts), and the values that one answer gives to the next
 * request.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { handlingServer } from "../services/handling-server.ts";
import { eventually, type MuaraProcess, startMuara, temporaryFolder } from "../services/muara.ts";
import { type PostgresServer, startPostgres } from "../services/postgres.ts";
import { pick } from "./pick.ts";

const HOUR_MS = 3_600_000;
const WAIT_MS = 60_000;

export class World {
  readonly muara: MuaraProcess;
  readonly folder: string;
  readonly values: Map<string, string> = new Map();
  #stream: AbortController | undefined;

  constructor(muara: MuaraProcess, folder: string) {
    this.muara = muara;
    this.folder = folder;
  }

  async call(method: string, path: string, body?: unknown): Promise<unknown> {
    const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
    const response = await this.muara.fetch(path, init);
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text.startsWith("{") && !text.includes("\n") ? JSON.parse(text) : text;
  }

  async settled(table: string): Promise<void> {
    await eventually(`${table} is there`, WAIT_MS, async () => {
      const answer = await this.call("GET", `/v1/books?event_type=${table}`);
      const has = (name: string): number => Number(pick(answer, `items.0.${name}`));
      return has("accepted") >= 5 && has("in_flight") === 0 && has("duplicates") > 0;
    });
  }

  async running(job: string, version: number): Promise<void> {
    await eventually(`${job} runs its version ${version}`, WAIT_MS, async () => {
      return pick(await this.call("GET", `/v1/jobs/${job}`), "running_version") === version;
    });
  }

  /** The captured table's current state has its rows. */
  async current(): Promise<void> {
    await eventually("the current state is complete", WAIT_MS, async () => {
      const answer = await this.call("GET", "/v1/tables/shop1.public.accounts.current").catch(() => ({}));
      return pick(answer, "current.complete") === true;
    });
  }

  async newestVersion(table: string): Promise<void> {
    this.values.set("VERSION", String(pick(await this.call("GET", `/v1/tables/${table}`), "version")));
  }

  /** Opens a stream of the subscription and keeps its id, and the cursor of the first batch. */
  async openStream(): Promise<void> {
    this.#stream = new AbortController();
    const path = `/subscriptions/${this.values.get("SUBSCRIPTION")!}/events?batch_limit=1&batch_flush_timeout=1`;
    const response = await this.muara.fetch(path, { signal: this.#stream.signal });
    this.values.set("STREAM", response.headers.get("x-nakadi-streamid")!);
    const reader = response.body!.getReader();
    let text = "";
    while (!text.includes("\n")) text += new TextDecoder().decode((await reader.read()).value);
    const { cursor } = JSON.parse(text.split("\n")[0]!) as { cursor: Record<string, string> };
    this.values.set("SENT", cursor["offset"]!);
    this.values.set("CURSOR_TOKEN", cursor["cursor_token"]!);
  }

  async closeStream(): Promise<void> {
    this.#stream?.abort();
    await this.freeSubscription();
  }

  /** Until nobody has its partitions: a client that went away keeps them for a while. */
  async freeSubscription(): Promise<void> {
    const path = `/subscriptions/${this.values.get("SUBSCRIPTION")!}/cursors`;
    const items = [{ event_type: "order.created", partition: "0", offset: "BEGIN" }];
    await this.call("PATCH", path, { items });
  }

  async signedFile(): Promise<void> {
    const text = String(
      await this.call("POST", "/delta-sharing/shares/partners/schemas/shop/tables/orders/query", {}),
    );
    const file = text
      .split("\n")
      .filter((line) => line !== "")
      .map((line): unknown => JSON.parse(line))
      .find((line) => pick(line, "file.url") !== undefined);
    const url = new URL(String(pick(file, "file.url")));
    const parts = url.pathname.split("/");
    this.values.set("FILE_VERSION", parts.at(-2)!);
    this.values.set("FILE_NAME", parts.at(-1)!);
    this.values.set("FILE_FOR", url.searchParams.get("for")!);
    this.values.set("FILE_EXPIRES", url.searchParams.get("expires")!);
    this.values.set("FILE_SIGNATURE", url.searchParams.get("X-Amz-Signature")!);
  }
}

/** @returns the world, and how it ends */
export async function openWorld(): Promise<{ world: World; close: () => Promise<void> }> {
  const folder = await temporaryFolder("reference");
  const postgres = await startPostgres();
  const hook = handlingServer(async (request, response) => {
    for await (const _chunk of request); // taken, whatever it is
    response.end();
  });
  await new Promise<void>((resolve) => hook.listen(0, "127.0.0.1", resolve));
  const config = join(folder.path, "muara.config.js");
  await writeFile(config, `export default ${JSON.stringify(await configOf(postgres))};\n`);
  const muara = await startMuara(join(folder.path, "data"), { MUARA_CONFIG: config });
  const world = new World(muara, folder.path);
  const hour = Math.floor(Date.now() / HOUR_MS - 2) * HOUR_MS;
  world.values.set("OWN_TOKEN", muara.token.split("_")[1]!);
  world.values.set("HOUR", new Date(hour).toISOString().slice(0, 13));
  world.values.set("NEXT_HOUR", new Date(hour + HOUR_MS).toISOString().slice(0, 13));
  world.values.set("IN_90_DAYS", new Date(hour + 90 * 24 * HOUR_MS).toISOString());
  world.values.set("HOOK", `http://127.0.0.1:${(hook.address() as { port: number }).port}/orders`);
  return {
    world,
    close: async () => {
      await world.closeStream().catch(() => undefined);
      await muara.stop();
      hook.closeAllConnections();
      hook.close();
      await postgres.stop();
      await folder.remove();
    },
  };
}

async function configOf(postgres: PostgresServer): Promise<object> {
  const { host, port, user } = postgres;
  const database = await postgres.freshDatabase();
  await postgres.sql(
    "CREATE TABLE accounts (id int PRIMARY KEY, owner text, balance numeric(12,2))",
    [],
    database,
  );
  await postgres.sql("INSERT INTO accounts VALUES (1, 'ann', 10.5), (2, 'bob', 0)", [], database);
  return {
    land: { commitMs: 100, projectMs: 100 },
    jobs: { everyMs: 100, quietMs: 300 },
    capture: { statusMs: 200 },
    postgres: { shop1: { host, port, user, database } },
    outgoing: { allow: ["127.0.0.1"] },
    deliver: { everyMs: 100, elasticsearch: { search: { url: "http://127.0.0.1:1" } } },
    extract: { everyMs: HOUR_MS },
    extracts: {
      orders_hourly_extract: {
        description: "Orders, once each.",
        owner: "shop",
        sql: 'SELECT event_id, event_time, order_number, country, total FROM "order.created"',
        window: "hour",
        time: "event_time",
        key: ["event_id"],
        totals: ["total"],
        checks: [{ notNull: ["event_id"] }, { unique: ["event_id"] }],
      },
    },
  };
}
