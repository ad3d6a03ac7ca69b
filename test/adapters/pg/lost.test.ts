/** What a slot cannot tell any more: its log was removed, or the publication that it is read by. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { startPostgres, type PostgresServer } from "../../services/postgres.ts";
import { makePlace, type Place } from "./replication-place.ts";

const DEADLINE_MS = 60_000;

let server: PostgresServer;
let place: Place;
beforeAll(async () => {
  server = await startPostgres({
    max_slot_wal_keep_size: "16MB",
    max_wal_size: "64MB",
    min_wal_size: "32MB",
  });
  place = await makePlace(server, "create table t (id int primary key)");
}, 60_000);
afterAll(() => server.stop());

it("a slot that is invalidated under its reader ends the stream, and is lost to whoever opens it again", async () => {
  await place.slot("kept");
  const reader = await place.open("kept");
  await place.client.query("insert into t values (1)");
  await reader.until(() => reader.events.length === 1);
  // Nothing is acknowledged, so the server keeps its log until it may not any more.
  const ended = reader.until(() => false).catch((error: unknown) => error);
  const endMs = performance.now() + DEADLINE_MS;
  for (let status: unknown; status !== "lost";) {
    expect(performance.now()).toBeLessThan(endMs);
    await place.client.query("insert into t select 2 + max(id) from t; select pg_switch_wal()");
    await place.client.query("checkpoint");
    const { rows } = await place.client.query<{ status: string }>(
      "select wal_status as status from pg_replication_slots where slot_name = 'kept'",
    );
    status = rows[0]!.status;
  }
  // The reader has its own deadline; the connection's end is what counts.
  expect(await ended).toMatchObject({ code: "source.unavailable" });
  await reader.close();
  await expect(place.open("kept")).rejects.toMatchObject({ code: "source.lost" });
}, 120_000);

it("without its publication a slot does not tell what was written meanwhile, nor if it is made again", async () => {
  await place.slot("told");
  const reader = await place.open("told");
  const ended = reader.until(() => false).catch((error: unknown) => error);
  await place.client.query("drop publication muara");
  await place.client.query("insert into t values (-1)");
  const lost = { code: "source.lost", message: expect.stringContaining('"muara" does not exist') as string };
  expect(await ended).toMatchObject(lost);
  await reader.close();
  await place.client.query("create publication muara for all tables");
  const again = await place.open("told");
  await expect(again.until(() => false)).rejects.toMatchObject(lost);
  await again.close();
}, 60_000);
