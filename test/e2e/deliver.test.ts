/**
 * Deliveries of a real process to a real receiver, while the process is killed and the receiver has bad moments: every
 * landed row arrives, a batch that comes again has its id and its bytes, and the table's rows are all that arrived.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { createHmac } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { type Randomness, seededRandomness } from "../../core/clock.ts";
import { runCommand } from "../api/run-command.ts";
import { handlingServer } from "../services/handling-server.ts";
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

/** Signed requests by their id, as texts; it takes most of them, and of some it loses the answer. */
interface Hook {
  readonly url: string;
  readonly texts: ReadonlyMap<string, ReadonlySet<string>>;
  badSignatures: number;
  secret: string;
}

async function startHook(chance: Randomness): Promise<Hook> {
  const texts = new Map<string, Set<string>>();
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const id = String(request.headers["webhook-id"]);
    const signed = `${id}.${String(request.headers["webhook-timestamp"])}.${text}`;
    const key = Buffer.from(hook.secret.replace("whsec_", ""), "base64");
    const expected = `v1,${createHmac("sha256", key).update(signed).digest("base64")}`;
    if (request.headers["webhook-signature"] !== expected) hook.badSignatures++;
    const dice = chance.fraction();
    if (dice >= 0.05) texts.set(id, (texts.get(id) ?? new Set()).add(text));
    // Not taken, or taken and not answered.
    if (dice < 0.1) request.socket.destroy();
    else response.writeHead(200).end();
  };
  const server = handlingServer(handle);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as { port: number };
  const hook: Hook = { url: `http://127.0.0.1:${port}/hook?key=hidden`, texts, badSignatures: 0, secret: "" };
  return hook;
}

/** How one starts a process with this configuration, again and again. */
async function starter(): Promise<() => Promise<MuaraProcess>> {
  const folder = await temporaryFolder("deliver");
  cleanups.push(folder.remove);
  const config = join(folder.path, "muara.config.js");
  const settings = { outgoing: { allow: ["127.0.0.1"] }, deliver: { everyMs: 50, pauseMsMax: 200 } };
  await writeFile(config, `export default ${JSON.stringify(settings)};\n`);
  return () => startMuara(join(folder.path, "data"), { MUARA_CONFIG: config });
}

async function send(muara: MuaraProcess, path: string, body: unknown, headers = {}): Promise<Response> {
  return muara.fetch(path, { method: "POST", body: JSON.stringify(body), headers });
}

async function declareType(muara: MuaraProcess): Promise<void> {
  const schema = { type: "object", properties: { n: { type: "integer" } } };
  const declared = {
    name: TYPE,
    owning_application: "shop",
    category: "business",
    schema: { type: "json_schema", schema: JSON.stringify(schema) },
  };
  expect((await send(muara, "/event-types", declared)).status).toBe(201);
}

async function checkRights(muara: MuaraProcess, asked: object): Promise<void> {
  const stranger = await send(muara, "/v1/tokens", {
    description: "reader",
    grants: [{ action: "read", kind: "table", name: TYPE }],
  });
  const { token } = (await stranger.json()) as { token: string };
  const headers = { authorization: `Bearer ${token}` };
  expect((await muara.fetch("/v1/deliveries/shop", { headers })).status).toBe(404);
  expect((await send(muara, "/v1/deliveries", asked, headers)).status).toBe(403);
  expect(await (await muara.fetch("/v1/deliveries", { headers })).json()).toEqual({ items: [] });
}

/** The same by hand: declared, shown, paused, resumed, ended. */
async function checkCommands(muara: MuaraProcess, url: string): Promise<void> {
  const environment = { MUARA_URL: muara.url, MUARA_TOKEN: muara.token };
  const run = (...argv: string[]): ReturnType<typeof runCommand> => runCommand(argv, environment);
  const created = await run(
    "deliver",
    "create",
    "hand",
    TYPE,
    "--to",
    url,
    "--batch-rows",
    "9",
    "-o",
    "json",
  );
  expect(created.code, created.err).toBe(0);
  expect(JSON.parse(created.out)).toMatchObject([
    { name: "hand", batch_rows: 9, secret: expect.stringMatching(/^whsec_/) as string },
  ]);
  expect((await run("deliver", "list")).out).toMatch(new RegExp(`^hand +${TYPE} +http://127`, "m"));
  expect(JSON.parse((await run("deliver", "pause", "hand", "-o", "json")).out)).toMatchObject([
    { state: "paused" },
  ]);
  expect((await run("deliver", "resume", "hand", "-o", "json")).out).not.toContain("paused");
  expect((await run("deliver", "dead-letters", "hand", "-o", "json")).out.trim()).toBe("[]");
  expect((await run("deliver", "create", "other", TYPE)).code).toBe(2);
  expect((await run("deliver", "delete", "hand", "--yes")).code).toBe(0);
  expect((await run("deliver", "show", "hand")).code).toBe(3);
}

test("each row arrives, whoever dies", async () => {
  const chance = seededRandomness(20_260_301);
  const hook = await startHook(chance);
  const start = await starter();
  let muara = await start();
  cleanups.push(() => muara.kill());
  await declareType(muara);
  const asked = { name: "shop", table: TYPE, url: hook.url, batch_rows: 40 };
  const created = await send(muara, "/v1/deliveries", asked);
  expect(created.status).toBe(201);
  const shown = (await created.json()) as Delivery;
  hook.secret = shown.secret!;
  expect(JSON.stringify(shown)).not.toContain("hidden");

  const ids = Array.from({ length: EVENTS }, () => chance.uuid());
  for (let from = 0; from < EVENTS; from += BATCH) {
    if ([0.25, 0.5, 0.75].includes(from / EVENTS)) {
      await muara.kill();
      muara = await start();
    }
    const occurred_at = "2026-03-01T12:00:00Z";
    const events = ids
      .slice(from, from + BATCH)
      .map((eid, i) => ({ metadata: { eid, occurred_at }, n: from + i }));
    expect((await send(muara, `/event-types/${TYPE}/events`, events)).status).toBe(200);
  }
  const read = async (): Promise<Delivery> =>
    (await muara.fetch("/v1/deliveries/shop")).json() as Promise<Delivery>;
  await eventually("all are delivered", ARRIVED_MS_MAX, async () => (await read()).delivered === EVENTS);
  expect(await read()).toMatchObject({ dead: 0, state: "delivering" });
  const rows = [...hook.texts.values()].flatMap((same) => {
    expect(same.size).toBe(1);
    return (JSON.parse([...same][0]!) as { data: { rows: { event_id: string; n: number }[] } }).data.rows;
  });
  expect(hook.badSignatures).toBe(0);
  expect(rows.length).toBe(EVENTS);
  expect(new Map(rows.map(({ event_id: id, n }) => [id, n]))).toEqual(new Map(ids.map((id, n) => [id, n])));

  await checkRights(muara, asked);
  await checkCommands(muara, hook.url);
  expect((await send(muara, "/v1/deliveries", asked)).status).toBe(409);
  const paused = await muara.fetch("/v1/deliveries/shop/pause", { method: "POST" });
  expect(await paused.json()).toMatchObject({ state: "paused" });
  expect((await muara.fetch("/v1/deliveries/shop", { method: "DELETE" })).status).toBe(204);
  expect((await muara.fetch("/v1/deliveries/shop")).status).toBe(404);
}, 300_000);
