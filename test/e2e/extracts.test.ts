/**
 * Extracts of a real Muara whose lake lies on S3: killed while it makes them, with late events in between; a consumer
 * that is killed, too; and files fetched from S3 itself by signed addresses.
 */
import { spawn } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Manifest } from "../../lake/extract/manifest.ts";
import { ask } from "../lake/extract/independent-rows.ts";
import { eventually, startMuara, temporaryFolder, type MuaraProcess } from "../services/muara.ts";
import { type S3Server, startS3 } from "../services/versitygw.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const TYPE = "shop.sale";
const FEED = "sales_hourly";
const HOUR_MS = 3_600_000;
/** Three hours that are over. */
const FIRST_MS = Math.floor(Date.now() / HOUR_MS - 5) * HOUR_MS;
const HOURS = 3;
const CYCLES = 4;

let server: S3Server;
const cleanups: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  server = await startS3();
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});
afterAll(() => server.stop());

const CONFIG = `export default {
  land: { commitMs: 100 },
  extract: { everyMs: 50, fileBytes: 2000 },
  extracts: {
    ${FEED}: {
      sql: 'SELECT event_id, event_time, number FROM "${TYPE}"',
      window: "hour", time: "event_time", key: ["event_id"], totals: ["number"],
      checks: [{ unique: ["event_id"] }],
    },
  },
};
`;

/** Once more where the connection was one that the server was just closing: everything asked here may be repeated. */
async function reach(muara: MuaraProcess, route: string, init: RequestInit = {}): Promise<Response> {
  return muara.fetch(route, init).catch(() => muara.fetch(route, init));
}

function saleType(): Record<string, unknown> {
  const schema = { type: "object", properties: { number: { type: "integer" } } };
  return {
    name: TYPE,
    owning_application: "test",
    category: "business",
    enrichment_strategies: ["metadata_enrichment"],
    schema: { type: "json_schema", schema: JSON.stringify(schema) },
  };
}

function sale(number: number, atMs: number): object {
  const eid = `cccccccc-0000-4000-8000-${String(number).padStart(12, "0")}`;
  return { metadata: { eid, occurred_at: new Date(atMs).toISOString() }, number };
}

async function publish(muara: MuaraProcess, events: readonly object[]): Promise<void> {
  const body = JSON.stringify(events);
  const answer = await reach(muara, `/event-types/${TYPE}/events`, { method: "POST", body });
  expect(answer.status, await answer.text()).toBe(200);
}

/** `muara extract get` as a process, killed after so long. @returns its exit code; null where it was killed */
function fetchExtract(muara: MuaraProcess, to: string, killMs?: number): Promise<number | null> {
  const args = [join(ROOT, "muara.js"), "extract", "get", FEED, "--to", to, "-o", "json"];
  const env = { PATH: process.env["PATH"], MUARA_URL: muara.url, MUARA_TOKEN: muara.token };
  const child = spawn(process.execPath, args, { env, cwd: ROOT, stdio: "ignore" });
  const timer = killMs === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), killMs);
  return new Promise((resolve) =>
    child.once("exit", (code) => {
      clearTimeout(timer);
      resolve(code);
    }),
  );
}

test(
  "killed, restarted and given late events, both sides end with exactly the rows",
  { timeout: 900_000 },
  async () => {
    const folder = await temporaryFolder("extracts");
    cleanups.push(folder.remove);
    const config = join(folder.path, "muara.config.mjs");
    const [data, out] = [join(folder.path, "data"), join(folder.path, "out")];
    await Promise.all([writeFile(config, CONFIG), mkdir(out)]);
    const address = await server.freshAddress("lake");
    const environment = {
      MUARA_LAKE: address,
      MUARA_CONFIG: config,
      AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
    };
    const sent: number[] = [];
    let muara = await startMuara(data, environment);
    cleanups.push(() => muara.kill());
    const declared = await reach(muara, "/event-types", { method: "POST", body: JSON.stringify(saleType()) });
    expect(declared.status).toBe(201);
    const late = async (count: number): Promise<void> => {
      const numbers = Array.from({ length: count }, (_, i) => sent.length + i);
      await publish(
        muara,
        numbers.map((number) => sale(number, FIRST_MS + (number % HOURS) * HOUR_MS + 1_000 + number)),
      );
      sent.push(...numbers);
    };
    await late(300);
    // Far enough ahead that all three hours are over; its own hour is not.
    await publish(muara, [sale(1_000_000, FIRST_MS + HOURS * HOUR_MS + 60_000)]);
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      await late(20 + cycle);
      // Some of it is landed, scanned, made, uploaded or named when it dies.
      await new Promise((resolve) => setTimeout(resolve, 400 + cycle * 700));
      await fetchExtract(muara, out, 300 + cycle * 200);
      await muara.kill();
      muara = await startMuara(data, environment);
    }
    await late(7);
    let feed: Record<string, unknown> = {};
    await eventually("every row is in the extract", 120_000, async () => {
      feed = (await (await reach(muara, `/v1/extracts/${FEED}`)).json()) as Record<string, unknown>;
      return feed["rows"] === sent.length;
    });
    expect(feed).toMatchObject({ state: "ready", windows: HOURS, rows_without_time: 0 });

    expect(await fetchExtract(muara, out)).toBe(0);
    const rows = await ask(`SELECT number FROM '${out}/${FEED}/*/*.parquet' ORDER BY number`);
    expect(rows.map(Number)).toEqual(sent);
    // Numbers are dense, and each manifest that is kept names its predecessor.
    const names = (await readdir(join(out, FEED, "_manifests"))).sort();
    const last = JSON.parse(await readFile(join(out, FEED, "_manifests", names.at(-1)!), "utf8")) as Manifest;
    expect(last.version).toBe(feed["version"]);
    for (let version = 1; version <= last.version; version++) {
      const response = await reach(muara, `/v1/extracts/${FEED}/versions/${version}/manifest`);
      const { previous } = (await response.json()) as Manifest;
      expect(previous).toBe(version === 1 ? null : version - 1);
    }

    // Signed addresses need no credentials; the list for Redshift names objects that are there.
    const route = `/v1/extracts/${FEED}/versions/${last.version}`;
    const signed = (await (await reach(muara, `${route}/manifest?links=presigned`)).json()) as Manifest;
    for (const file of signed.files) {
      const response = await fetch(file.url!);
      expect([response.status, (await response.arrayBuffer()).byteLength]).toEqual([200, file.bytes]);
    }
    const script = await (await reach(muara, `${route}/load?target=redshift`)).text();
    const [, list] = /FROM 's3:\/\/[^/]+\/lake\/([^']+)'/.exec(script) ?? [];
    const store = server.store(address);
    const { entries } = JSON.parse(Buffer.from((await store.get(list!))!).toString()) as {
      entries: { url: string; mandatory: boolean; meta: { content_length: number } }[];
    };
    expect(entries.map(({ meta }) => meta.content_length)).toEqual(last.files.map(({ bytes }) => bytes));
    for (const { url } of entries)
      expect(await store.head(url.replace(/^.*?(?=_extracts)/, ""))).toBeDefined();
    expect(await muara.stop()).toBe(0);
  },
);
