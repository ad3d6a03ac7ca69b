/**
 * Deliveries of a real process to a real receiver, while the process is killed and the receiver has bad moments: every
 * landed row arrives, a batch that comes again has its id and its bytes, and the table's rows are all that arrived.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createHmac } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { seededRandomness } from "../../core/clock.ts";
import { eventually, type MuaraProcess, startMuara, temporaryFolder } from "../services/muara.ts";

const TYPE = "order.created";
const EVENTS = 2_000;
const BATCH = 50;
const ARRIVED_MS_MAX = 120_000;

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Delivery {
  readonly name: string;
  readonly secret?: string;
  readonly state: string;
  readonly delivered: number;
  readonly dead: number;
  readonly behind_versions: number;
}

test("each row arrives, whoever dies", async () => {
  const folder = await temporaryFolder("deliver");
  cleanups.push(folder.remove);
  const chance = seededRandomness(20_260_301);
  const texts = new Map<string, Set<string>>();
  let secret = "";
  let badSignatures = 0;
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const id = String(request.headers["webhook-id"]);
    const signed = `${id}.${String(request.headers["webhook-timestamp"])}.${text}`;
    const key = Buffer.from(secret.replace("whsec_", ""), "base64");
    const expected = `v1,${createHmac("sha256", key).update(signed).digest("base64")}`;
    if (request.headers["webhook-signature"] !== expected) badSignatures++;
    const dice = chance.fraction();
    if (dice < 0.05) {
      request.socket.destroy();
      return;
    }
    // Taken, and the answer is lost in half of the cases.
    texts.set(id, (texts.get(id) ?? new Set()).add(text));
    if (dice < 0.1) request.socket.destroy();
    else response.writeHead(200).end();
  };
  const server = createServer((request, response) => void handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as { port: number };
  const config = join(folder.path, "muara.config.js");
  const settings = { outgoing: { allow: ["127.0.0.1"] }, deliver: { everyMs: 50, pauseMsMax: 200 } };
  await writeFile(config, `export default ${JSON.stringify(settings)};\n`);
  const start = (): Promise<MuaraProcess> => startMuara(join(folder.path, "data"), { MUARA_CONFIG: config });
  let muara = await start();
  cleanups.push(() => muara.kill());

  const schema = { type: "object", properties: { n: { type: "integer" } } };
  const declared = {
    name: TYPE,
    owning_application: "shop",
    category: "business",
    schema: { type: "json_schema", schema: JSON.stringify(schema) },
  };
  expect((await muara.fetch("/event-types", { method: "POST", body: JSON.stringify(declared) })).status).toBe(
    201,
  );
  const asked = {
    name: "shop",
    table: TYPE,
    url: `http://127.0.0.1:${port}/hook?key=hidden`,
    batch_rows: 40,
  };
  const created = await muara.fetch("/v1/deliveries", { method: "POST", body: JSON.stringify(asked) });
  expect(created.status).toBe(201);
  const shown = (await created.json()) as Delivery;
  secret = shown.secret!;
  expect(JSON.stringify(shown)).not.toContain("hidden");

  const ids = Array.from({ length: EVENTS }, () => chance.uuid());
  for (let from = 0; from < EVENTS; from += BATCH) {
    if (from === EVENTS * 0.25 || from === EVENTS * 0.5 || from === EVENTS * 0.75) {
      await muara.kill();
      muara = await start();
    }
    const body = JSON.stringify(
      ids.slice(from, from + BATCH).map((eid, i) => ({
        metadata: { eid, occurred_at: "2026-03-01T12:00:00Z" },
        n: from + i,
      })),
    );
    const answer = await muara.fetch(`/event-types/${TYPE}/events`, { method: "POST", body });
    expect(answer.status).toBe(200);
    await answer.text();
  }
  const read = async (): Promise<Delivery> =>
    (await muara.fetch("/v1/deliveries/shop")).json() as Promise<Delivery>;
  await eventually("all are delivered", ARRIVED_MS_MAX, async () => (await read()).delivered === EVENTS);
  expect(await read()).toMatchObject({ dead: 0, state: "delivering" });
  const rows = [...texts.values()].flatMap((same) => {
    expect(same.size).toBe(1);
    return (JSON.parse([...same][0]!) as { data: { rows: { event_id: string; n: number }[] } }).data.rows;
  });
  expect(badSignatures).toBe(0);
  expect(rows.length).toBe(EVENTS);
  expect(new Map(rows.map(({ event_id: id, n }) => [id, n]))).toEqual(new Map(ids.map((id, n) => [id, n])));

  // Rights, a pause, and the end.
  const stranger = await muara.fetch("/v1/tokens", {
    method: "POST",
    body: JSON.stringify({ description: "reader", grants: [{ action: "read", kind: "table", name: TYPE }] }),
  });
  const { token } = (await stranger.json()) as { token: string };
  const headers = { authorization: `Bearer ${token}` };
  expect((await muara.fetch("/v1/deliveries/shop", { headers })).status).toBe(404);
  expect(
    (await muara.fetch("/v1/deliveries", { method: "POST", headers, body: JSON.stringify(asked) })).status,
  ).toBe(403);
  const nobodys = await muara.fetch("/v1/deliveries", { headers });
  expect(await nobodys.json()).toEqual({ items: [] });
  expect((await muara.fetch("/v1/deliveries", { method: "POST", body: JSON.stringify(asked) })).status).toBe(
    409,
  );
  const paused = await muara.fetch("/v1/deliveries/shop/pause", { method: "POST" });
  expect(await paused.json()).toMatchObject({ state: "paused" });
  expect((await muara.fetch("/v1/deliveries/shop", { method: "DELETE" })).status).toBe(204);
  expect((await muara.fetch("/v1/deliveries/shop")).status).toBe(404);
}, 300_000);
