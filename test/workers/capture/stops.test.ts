/** Where going on could leave something out a capture stops, says why, and goes on only when a person says so. */
import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { CaptureState } from "../../../core/capture.ts";
import { eventually } from "../../services/muara.ts";
import { postgresProgram } from "../../services/postgres.ts";
import { type CapturePlace, capturePlaces, STREAMS_MS_MAX, streams } from "./capture-place.ts";

const TABLE = "CREATE TABLE t (id int PRIMARY KEY, v text)";
const stopped = (state: CaptureState): boolean => state.phase === "stopped";

const places = capturePlaces({
  max_slot_wal_keep_size: "16MB",
  max_wal_size: "64MB",
  min_wal_size: "32MB",
});

/** One that has captured a row and rests. */
async function rested(): Promise<{ place: CapturePlace; slot: string }> {
  const place = await places.open(TABLE);
  await place.declare("shop");
  const worker = await place.start();
  await place.until("shop", "streams", streams);
  await place.sql("INSERT INTO t VALUES (1)");
  await place.landed("shop.public.t", 1);
  await worker.stop();
  return { place, slot: (await place.state("shop"))!.slot };
}

/** Begins anew, as `recopy` does. */
async function recopied(place: CapturePlace): Promise<void> {
  await place.change("shop", (capture) => ({ ...capture, id: "ffffffffffff" }));
  await place.until("shop", "streams again", (state) => streams(state) && state.captureId === "ffffffffffff");
}

test("a slot that somebody dropped", async () => {
  const { place, slot } = await rested();
  await place.dropSlot(slot);
  await place.sql("INSERT INTO t VALUES (2)");
  const { worker } = await place.start();
  expect((await place.until("shop", "stops", stopped)).problem).toContain(`the slot ${slot} is gone`);
  expect(worker.status().get("shop")).toMatchObject({ state: "stopped" });
  await place.sql("INSERT INTO t VALUES (3)");
  await recopied(place);
  await place.sql("INSERT INTO t VALUES (4)");
  const records = await place.landed("shop.public.t", 2);
  expect(records.map(({ data, source }) => [data["id"], source.incarnation])).toEqual([
    [1, 1],
    [4, 2],
  ]);
  const [publications] = await place.sql(
    "SELECT array_agg(pubname ORDER BY 1)::text AS names FROM pg_publication",
  );
  expect(publications!["names"]).toBe("{muara_shop_ffffff,muara_shop_ffffff_inserts}");
}, 60_000);

test("a slot that somebody dropped and made again under its name", async () => {
  const { place, slot } = await rested();
  await place.dropSlot(slot);
  await place.sql("INSERT INTO t VALUES (2)");
  await place.sql(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`);
  await place.start();
  expect((await place.until("shop", "stops", stopped)).problem).toContain("further than what is here");
});

test("a slot that somebody else has read", async () => {
  const { place, slot } = await rested();
  await place.sql("INSERT INTO t VALUES (2)");
  await place.sql(
    `SELECT count(*) FROM pg_logical_slot_get_binary_changes('${slot}', NULL, NULL, 'proto_version', '1',
       'publication_names', (SELECT min(pubname::text) FROM pg_publication))`,
  );
  await place.start();
  expect((await place.until("shop", "stops", stopped)).problem).toContain("further than what is here");
  expect(await place.records("shop.public.t")).toHaveLength(1);
});

test("a slot whose log the server has removed", async () => {
  const { place, slot } = await rested();
  await eventually("the slot is lost", 60_000, async () => {
    await place.sql("INSERT INTO t SELECT 1000 + max(id) FROM t; SELECT pg_switch_wal()");
    await place.sql("CHECKPOINT");
    const [row] = await place.sql(`SELECT wal_status FROM pg_replication_slots WHERE slot_name = '${slot}'`);
    return row!["wal_status"] === "lost";
  });
  await place.start();
  expect((await place.until("shop", "stops", stopped)).problem).toContain(`the slot ${slot} is lost`);
  await recopied(place);
  const left = await place.sql(`SELECT slot_name FROM pg_replication_slots WHERE slot_name = '${slot}'`);
  expect(left).toEqual([]);
}, 120_000);

test("a state that is ahead of the server", async () => {
  const { place } = await rested();
  const stored = place.registry.get<CaptureState>("capture-state", "shop")!;
  await place.registry.put("capture-state", "shop", stored.revision, {
    ...stored.value!,
    lsn: String(BigInt(stored.value!.lsn) + 1_000_000_000n),
  });
  await place.start();
  expect((await place.until("shop", "stops", stopped)).problem).toContain("went back to an earlier state");
});

test("another server at the address, and a server that was promoted", async () => {
  const { place } = await rested();
  const stored = (await place.state("shop"))!;
  const { revision } = place.registry.get("capture-state", "shop")!;
  await place.registry.put("capture-state", "shop", revision, { ...stored, systemId: "1" });
  const worker = await place.start();
  expect((await place.until("shop", "stops", stopped)).problem).toContain("another database server");
  await worker.stop();
  await place.registry.refresh();
  const again = place.registry.get("capture-state", "shop")!;
  await place.registry.put("capture-state", "shop", again.revision, stored);
  // A standby of itself, which is promoted: another timeline of the same system.
  await places.server.halt();
  const data = join(places.server.folder, "data");
  await writeFile(join(data, "standby.signal"), "");
  await places.server.start();
  const uid =
    process.getuid?.() === 0 ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] : [];
  const [program, ...args] = [...uid, postgresProgram("pg_ctl"), "-D", data, "-w", "promote"];
  execFileSync(program, args, { cwd: "/", stdio: "ignore" });
  await eventually("it is promoted", STREAMS_MS_MAX, async () => {
    const [row] = await places.server.sql("SELECT pg_is_in_recovery() AS is_standby");
    return row!["is_standby"] === false;
  });
  await place.start();
  expect((await place.until("shop", "stops", stopped)).problem).toContain("timeline 2");
}, 120_000);
