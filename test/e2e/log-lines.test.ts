/**
 * The lines of a real run: each a record with stable names, none with a secret or with anything of an event, and a
 * request's flow id in those that are about it.
 */
import { randomUUID } from "node:crypto";
import { afterEach, expect, test } from "vitest";
import { WORKERS } from "../../muara-parts.ts";
import { orderEvent, orderType } from "../api/stack.ts";
import { runMuara } from "../services/command.ts";
import { eventually, type MuaraProcess, startMuara, temporaryFolder } from "../services/muara.ts";

const TYPE = "shop.order";
const CANARY = `canary${randomUUID().replaceAll("-", "")}`;
const DEADLINE_MS = 60_000;

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function started(environment: Record<string, string>): Promise<MuaraProcess> {
  const folder = await temporaryFolder("log-lines");
  cleanups.push(folder.remove);
  const muara = await startMuara(folder.path, { MUARA_LOG_LEVEL: "debug", ...environment });
  cleanups.push(() => muara.kill());
  return muara;
}

/** Good and bad events, queries and tokens, each with the canary where a secret or a payload is. */
async function act(muara: MuaraProcess): Promise<void> {
  const post = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
    muara.fetch(path, {
      method: "POST",
      headers,
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
  const withFlow = { "x-flow-id": "flow-of-the-test" };
  expect((await post("/event-types", orderType(TYPE, 1), withFlow)).status).toBe(201);
  const [good, bad] = [orderEvent(1, "1"), orderEvent(2, "92233720368547758080")].map((text) =>
    text.replace(/"note":"[^"]*"/, `"note":"${CANARY}"`),
  );
  expect((await post(`/event-types/${TYPE}/events`, `[${good},${good},${bad}]`)).status).toBe(200);
  for (const body of [`[{"note":"${CANARY}"}]`, `[{"${CANARY}]`, `"${CANARY}"`])
    expect((await post(`/event-types/${TYPE}/events`, body)).status).toBeGreaterThanOrEqual(400);
  const token = `muara_0123456789ab_${CANARY}${"x".repeat(43 - CANARY.length)}`;
  expect((await muara.fetch("/v1/tables", { headers: { authorization: `Bearer ${token}` } })).status).toBe(
    401,
  );
  await eventually("it has landed", DEADLINE_MS, async () =>
    muara.sql(`SELECT count(*) FROM dead_letters`).then(
      ([row]) => row![0] === "1",
      () => false,
    ),
  );
  const sql = `SELECT CAST('${CANARY}' AS INTEGER) FROM "${TYPE}"`;
  expect((await post("/v1/sql", { sql })).status).toBe(422);
  await muara.sql(`SELECT note FROM "${TYPE}" WHERE note = '${CANARY}'`);
}

test("each line is a record with stable names and nothing that must not be there", async () => {
  const muara = await started({ MUARA_LOG_FORMAT: "json" });
  await act(muara);
  expect(await muara.stop()).toBe(0);
  const lines = muara.log().trimEnd().split("\n");
  const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  const services = new Set<string>([...WORKERS, "muara"]);
  for (const record of records) {
    expect(Object.keys(record).slice(0, 4)).toEqual(["time", "level", "message", "service"]);
    expect(new Date(String(record["time"])).toISOString()).toBe(record["time"]);
    expect(["debug", "info", "warn", "error"]).toContain(record["level"]);
    expect(services, String(record["service"])).toContain(record["service"]);
    expect(record["message"]).toMatch(/^\S.*\S$/);
    for (const key of Object.keys(record)) expect(key).toMatch(/^[a-z]+(_[a-z]+)*$/);
  }
  const text = muara.log();
  for (const secret of [CANARY, muara.token, muara.token.split("_")[2]!]) expect(text).not.toContain(secret);
  const said = (message: string): Record<string, unknown> | undefined =>
    records.find((one) => one["message"] === message);
  expect(said("ready")).toMatchObject({ url: muara.url });
  expect(records.find((one) => one["flow_id"] === "flow-of-the-test")).toMatchObject({
    service: "ingest",
    event_type: TYPE,
  });
  expect(said("query")).toMatchObject({ service: "api", principal: expect.stringMatching(/^token:/) });
  expect(records.some(({ service }) => service === "land")).toBe(true);
}, 120_000);

test("as text, a line each; and no third format", async () => {
  const muara = await started({ MUARA_LOG_FORMAT: "text" });
  await act(muara);
  await muara.stop();
  const lines = muara.log().trimEnd().split("\n");
  const records = lines.filter((line) => !/^(ready on|administrator's token)/.test(line));
  expect(records.length).toBeGreaterThan(3);
  for (const line of records)
    expect(line).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z (DEBUG|INFO |WARN |ERROR) [a-z]+: \S/);
  expect(muara.log()).not.toContain(CANARY);
  const refused = await runMuara(["start", "--log-format", "yaml"]);
  expect([refused.code, refused.err]).toEqual([2, expect.stringContaining("json, text")]);
}, 120_000);
