/**
 * A whole Muara whose lake lies on S3, as a user has it: every kind of event, every table, the commands, the cache of
 * copies at its edge, the demo; an outage; and credentials that appear nowhere.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { eventually, startMuara, temporaryFolder, type MuaraProcess } from "../services/muara.ts";
import { type MoodyRelay, startMoodyRelay } from "../services/moody-relay.ts";
import { type FailingNetwork, startFailingNetwork } from "../services/toxiproxy.ts";
import { type S3Server, startS3 } from "../services/versitygw.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const TYPE = "order.created";

let server: S3Server;
const cleanups: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  server = await startS3();
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});
afterAll(() => server.stop());

const keys = (): Record<string, string> => ({
  AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
});

async function startOn(lake: string, more: Record<string, string> = {}): Promise<MuaraProcess> {
  const folder = await temporaryFolder("lake-on-s3");
  cleanups.push(folder.remove);
  const muara = await startMuara(folder.path, { MUARA_LAKE: lake, ...keys(), ...more });
  cleanups.push(() => muara.kill());
  const declared = await muara.fetch("/event-types", { method: "POST", body: JSON.stringify(orderType()) });
  expect(declared.status).toBe(201);
  return muara;
}

async function publish(muara: MuaraProcess, events: readonly unknown[]): Promise<void> {
  const body = JSON.stringify(events);
  const answer = await muara.fetch(`/event-types/${TYPE}/events`, { method: "POST", body });
  expect(answer.status, await answer.text()).toBe(200);
}

interface Balance {
  readonly landed: number;
  readonly duplicates: number;
  readonly dead_letters: number;
  readonly in_flight: number;
  readonly balanced: boolean;
}

async function settled(muara: MuaraProcess): Promise<Balance> {
  let books: Balance | undefined;
  await eventually("nothing is in flight", 60_000, async () => {
    const answer = (await (await muara.fetch("/v1/books")).json()) as { items?: Balance[] };
    books = answer.items?.[0]; // while the store cannot be reached the books say so instead
    return books?.in_flight === 0;
  });
  return books!;
}

function command(
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    const env = { PATH: process.env["PATH"], ...environment };
    execFile(process.execPath, [join(ROOT, "muara.js"), ...args], { env, cwd: ROOT }, (error, out, err) =>
      resolve({ code: error ? Number(error.code ?? 1) : 0, out, err }),
    );
  });
}

const event = (n: number, more: Record<string, unknown> = {}): Record<string, unknown> => ({
  metadata: {
    eid: `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`,
    occurred_at: "2026-03-01T10:00:00Z",
  },
  n,
  ...more,
});

test(
  "events, dead letters, duplicates and books; commands; no secret anywhere",
  { timeout: 240_000 },
  async () => {
    const lake = await server.freshAddress("lake");
    const muara = await startOn(lake);
    await publish(
      muara,
      Array.from({ length: 500 }, (_, n) => event(n)),
    );
    await publish(
      muara,
      Array.from({ length: 100 }, (_, n) => event(n)),
    );
    await publish(muara, [event(9_000, { exact: 0.5 }), event(9_001, { exact: 1e300 })]);
    const books = await settled(muara);
    expect(books).toMatchObject({ landed: 501, duplicates: 100, dead_letters: 1, balanced: true });
    expect(await muara.sql(`SELECT count(*), sum(n) FROM "${TYPE}" WHERE n < 9000`)).toEqual([
      ["500", "124750"],
    ]);
    await eventually("the projections have it", 30_000, async () => {
      const [dead, twice] = await Promise.all(
        ["dead_letters", "duplicates"].map((table) => muara.sql(`SELECT count(*) FROM ${table}`)),
      );
      return dead![0]![0] === "1" && twice![0]![0] === "100";
    });
    const at = ["--url", muara.url, "--token", muara.token, "-o", "json"];
    const outputs = await Promise.all(
      [
        ["table", "list"],
        ["table", "show", TYPE],
        ["table", "history", TYPE],
        ["sql", `SELECT max(n) AS most FROM "${TYPE}"`],
        ["dead-letters", "list"],
        ["books"],
      ].map((args) => command([...args, ...at])),
    );
    for (const { code, err } of outputs) expect(code, err).toBe(0);
    expect(outputs[1]!.out).toContain(`${lake.split("?")[0]!}/${TYPE}`);
    const config = await command(["config", "show", "-o", "json"], { MUARA_LAKE: lake, ...keys() });
    const seen = [muara.log(), config.out, ...outputs.flatMap(({ out, err }) => [out, err])].join("\n");
    expect(seen).toContain(TYPE);
    expect(seen).not.toContain(server.credentials.secretAccessKey);
    expect(await muara.stop()).toBe(0);
  },
);

test("another process reads the same lake, and its copies are bounded", { timeout: 240_000 }, async () => {
  const lake = await server.freshAddress("lake");
  const muara = await startOn(lake);
  for (let batch = 0; batch < 4; batch++) {
    await publish(
      muara,
      Array.from({ length: 50 }, (_, n) => event(batch * 100 + n, { note: crypto.randomUUID().repeat(20) })),
    );
    await settled(muara);
  }
  const table = (await (await muara.fetch(`/v1/tables/${TYPE}`)).json()) as {
    bytes: number;
    files: number;
  };
  expect(table.files).toBeGreaterThan(1);
  // Another process with the same lake reads it: only the read side, with a cache one byte too small.
  const folder = await temporaryFolder("small-cache");
  cleanups.push(folder.remove);
  const small = await startMuara(folder.path, {
    MUARA_LAKE: lake,
    ...keys(),
    MUARA_QUERY_CACHE_BYTES: String(table.bytes - 1),
  });
  cleanups.push(() => small.kill());
  const ask = async (sql: string): Promise<Record<string, unknown>> =>
    (await (
      await small.fetch("/v1/sql", { method: "POST", body: JSON.stringify({ sql }) })
    ).json()) as Record<string, unknown>;
  const all = await ask(`SELECT count(*) FROM "${TYPE}"`);
  expect(all).toMatchObject({ code: "sql.cache_too_small", status: 422 });
  // Its statistics leave all files but one out.
  expect(await ask(`SELECT count(*) FROM "${TYPE}" WHERE n >= 300`)).toMatchObject({ rows: [["50"]] });
  expect(await muara.sql(`SELECT count(*) FROM "${TYPE}"`)).toEqual([["200"]]);
});

describe("an outage", () => {
  let network: FailingNetwork;
  beforeAll(async () => {
    network = await startFailingNetwork(server.url);
  });
  afterAll(() => network.stop());

  test(
    "before the start and during work: the door accepts, landing goes on afterwards",
    { timeout: 240_000 },
    async () => {
      const direct = await server.freshAddress("lake");
      const lake = direct.replace(encodeURIComponent(server.url), encodeURIComponent(network.url));
      await network.add({ type: "reset_peer", stream: "upstream", attributes: { timeout: 0 } });
      const muara = await startOn(lake);
      await publish(
        muara,
        Array.from({ length: 100 }, (_, n) => event(n)),
      );
      expect(muara.log()).toContain("events are accepted and wait in the log");
      const health = await muara.fetch("/health/ready");
      expect(health.status).toBe(200);
      const degraded = { status: "degraded", checks: { lake: "store.unavailable", log: "ok" } };
      expect(await health.json()).toMatchObject(degraded);
      await network.heal();
      expect(await settled(muara)).toMatchObject({ landed: 100, balanced: true });
      expect(await (await muara.fetch("/health/ready")).json()).toMatchObject({ status: "ready" });
      await network.add({ type: "reset_peer", stream: "downstream", attributes: { timeout: 0 } });
      await publish(
        muara,
        Array.from({ length: 100 }, (_, n) => event(1_000 + n)),
      );
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      await network.heal();
      expect(await settled(muara)).toMatchObject({ landed: 200, duplicates: 0, balanced: true });
      expect(await muara.sql(`SELECT count(*), count(DISTINCT event_id) FROM "${TYPE}"`)).toEqual([
        ["200", "200"],
      ]);
      expect(muara.log()).not.toContain(server.credentials.secretAccessKey);
    },
  );
});

describe("a server that only seems to keep the promise", () => {
  let relay: MoodyRelay;
  beforeAll(async () => {
    relay = await startMoodyRelay(server.url);
  });
  afterAll(() => relay.stop());

  /** As if each of the first `winners` racers had won. */
  async function racingLake(winners: number): Promise<string> {
    const puts = new Map<string, number>();
    relay.mood = (request) => {
      if (!request.startsWith("PUT") || !request.includes("/_muara/probe-")) return undefined;
      const count = (puts.get(request) ?? 0) + 1;
      puts.set(request, count);
      return count <= winners ? { status: 200, body: "", isCarriedOut: true } : undefined;
    };
    const lake = await server.freshAddress("lake");
    return lake.replace(encodeURIComponent(server.url), encodeURIComponent(relay.url));
  }

  test("is refused at start, by name", { timeout: 120_000 }, async () => {
    await expect(startOn(await racingLake(99))).rejects.toThrow("store.not_atomic");
    await expect(startOn(await racingLake(99), { MUARA_LAKE_WRITERS: "one" })).rejects.toThrow(
      "store.not_atomic",
    );
    await expect(startOn(await racingLake(8))).rejects.toThrow("store.not_atomic");
  });

  test("serves one process where it fails in races only", { timeout: 120_000 }, async () => {
    const muara = await startOn(await racingLake(8), { MUARA_LAKE_WRITERS: "one" });
    await publish(muara, [event(1)]);
    expect(await settled(muara)).toMatchObject({ landed: 1, balanced: true });
  });
});

test("the demo's books balance, and --fresh does not pretend to clean S3", { timeout: 240_000 }, async () => {
  const folder = await temporaryFolder("demo-on-s3");
  cleanups.push(folder.remove);
  const environment = { MUARA_LAKE: await server.freshAddress("demo"), ...keys() };
  const args = [
    "demo",
    "--data",
    folder.path,
    "--port",
    "0",
    "--no-open",
    "--exit-after",
    "3s",
    "-o",
    "json",
  ];
  const { code, out, err } = await command(args, environment);
  expect(code, err).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ books: { balanced: true, in_flight: 0 } });
  const fresh = await command([...args, "--fresh"], environment);
  expect(fresh.code).toBe(1);
  expect(fresh.err).toContain("the lake lies elsewhere");
});

function orderType(): Record<string, unknown> {
  const properties = {
    n: { type: "integer" },
    note: { type: "string" },
    exact: { type: "number", format: "decimal(10,2)" },
  };
  return {
    name: TYPE,
    owning_application: "test",
    category: "business",
    enrichment_strategies: ["metadata_enrichment"],
    schema: { type: "json_schema", schema: JSON.stringify({ type: "object", properties }) },
  };
}
