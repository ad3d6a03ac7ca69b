/** What a source does not tell by itself: tables and publications that somebody has changed under a capture. */
import { expect, test } from "vitest";
import { resolveConfig } from "../../../core/config.ts";
import { systemClock } from "../../../core/clock.ts";
import { type AlertReason, CaptureWatch } from "../../../core/capture-watch.ts";
import { silentLogger } from "../../../core/logger.ts";
import { type CapturePlace, capturePlaces, STREAMS_MS_MAX, streams } from "./capture-place.ts";
import { agree } from "./row-model.ts";

const places = capturePlaces({ max_prepared_transactions: "10" });

async function open(capture: Record<string, number> = {}): Promise<CapturePlace> {
  const place = await places.open(
    `CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT g, 0 FROM generate_series(1, 20) g;
     CREATE TABLE other (id int PRIMARY KEY)`,
    { capture },
  );
  await place.declare("shop", { tables: ["public.t", "public.other"], copy: "initial" });
  return place;
}

async function copied(place: CapturePlace): Promise<string> {
  const state = await place.until(
    "shop",
    "has copied",
    (one) => streams(one) && Object.values(one.tables).every(({ copy }) => copy === "done"),
  );
  return state.publication;
}

async function alerts(place: CapturePlace, heldMs = 1_000): Promise<ReadonlyMap<AlertReason, string>> {
  await place.registry.refresh();
  const { config } = resolveConfig({ environment: {} });
  const { registry, openSource } = place;
  const ports = { registry, openSource, clock: systemClock, logger: silentLogger };
  const watch = new CaptureWatch(ports, { ...config.capture, heldMs });
  await watch.look();
  return new Map(watch.view("shop")!.alerts.map(({ reason, problem }) => [reason, problem]));
}

async function recopied(place: CapturePlace): Promise<void> {
  await place.change("shop", (capture) => ({ ...capture, again: { "public.t": "wish" } }));
  await place.until(
    "shop",
    "has copied it anew",
    ({ tables }) => tables["public.t"]!.again === "wish" && tables["public.t"]!.copy === "done",
  );
}

test("a table that is taken out of the publication is named and published again; the others go on", async () => {
  const place = await open();
  await place.start();
  const publication = await copied(place);
  expect((await alerts(place)).size).toBe(0);
  await place.sql(`ALTER PUBLICATION ${publication} DROP TABLE t; UPDATE t SET v = 1 WHERE id < 5`);
  const state = await place.until("shop", "has noticed", ({ missed }) => missed !== undefined);
  expect(state.missed).toEqual({ "public.t": "it was not in the publication" });
  expect((await alerts(place)).get("missed")).toContain("`muara capture recopy shop --table public.t`");
  await place.until("shop", "streams", streams);
  await place.sql("INSERT INTO other VALUES (1); UPDATE t SET v = 2 WHERE id = 9");
  await place.landed("shop.public.other", 1);
  // Twenty copies and the update since; not those in between.
  expect((await place.landed("shop.public.t", 21)).at(-1)).toMatchObject({ data: { id: 9, v: 2 } });
  await recopied(place);
  await agree(place);
  expect((await place.state("shop"))!.missed).toBeUndefined();
  expect((await alerts(place)).size).toBe(0);
}, 60_000);

test("a dropped publication stops the capture where the source says so; copied anew it goes on", async () => {
  const place = await open();
  await place.start();
  const publication = await copied(place);
  await place.sql(`DROP PUBLICATION ${publication}; INSERT INTO t VALUES (21, 0)`);
  const stopped = await place.until("shop", "stops", ({ phase }) => phase === "stopped");
  expect(stopped.problem).toContain(`publication "${publication}" does not exist`);
  expect(stopped.problem).toContain("`muara capture recopy shop`");
  await place.change("shop", (capture) => ({ ...capture, id: `${capture.id.slice(0, 6)}ffffff` }));
  await place.until("shop", "streams again", (state) => streams(state) && state.incarnation === 2);
  await place.sql("UPDATE t SET v = 3 WHERE id = 21");
  await agree(place);
}, 60_000);

test("one that is dropped and made again while nothing was written marks its tables, and goes on", async () => {
  const place = await open();
  const worker = await place.start();
  const publication = await copied(place);
  await worker.stop();
  await place.sql(`DROP PUBLICATION ${publication}`);
  await place.start();
  const state = await place.until("shop", "streams", (one) => streams(one) && one.missed !== undefined);
  expect(Object.values(state.missed!)).toEqual([
    "the publication was dropped",
    "the publication was dropped",
  ]);
}, 60_000);

test("a table that loses its key: the source is not hurt for long, and it is told what is missing", async () => {
  const place = await open();
  const worker = await place.start();
  const publication = await copied(place);
  await worker.stop();
  // Told after it was moved, from before.
  await place.sql("INSERT INTO other VALUES (1); ALTER TABLE t DROP CONSTRAINT t_pkey");
  await expect(place.sql("UPDATE t SET v = 1")).rejects.toThrow("replica identity");
  const hurt = (await alerts(place)).get("identity");
  expect(hurt).toContain("refuses updates and deletes of public.t");
  expect(hurt).toContain(`ALTER PUBLICATION ${publication} DROP TABLE`);
  await place.start();
  const state = await place.until("shop", "has noticed", ({ missed }) => missed !== undefined);
  expect(state.missed!["public.t"]).toContain("only its inserts are captured");
  await expect
    .poll(() => place.sql("UPDATE t SET v = 1 RETURNING 1").catch(() => []), { timeout: STREAMS_MS_MAX })
    .toHaveLength(20);
  await place.landed("shop.public.other", 1);
  expect([...(await alerts(place)).keys()]).toEqual(["missed"]);
  await place.sql("ALTER TABLE t ADD PRIMARY KEY (id)");
  await recopied(place);
  await place.sql("UPDATE t SET v = 2 WHERE id = 3");
  await agree(place);
}, 90_000);

test("while a capture runs, too", async () => {
  const place = await open();
  await place.start();
  await copied(place);
  await place.sql("ALTER TABLE t DROP CONSTRAINT t_pkey");
  await expect
    .poll(() => place.sql("UPDATE t SET v = 1 RETURNING 1").catch(() => []), { timeout: STREAMS_MS_MAX })
    .toHaveLength(20);
  expect((await place.state("shop"))!.missed).toBeDefined();
}, 60_000);

test("a transaction that was prepared and forgotten holds up a copy, and is named", async () => {
  const place = await open({ copyOnceRows: 5 });
  const worker = await place.start();
  await copied(place);
  await worker.stop();
  await place.sql("BEGIN; INSERT INTO other VALUES (100); PREPARE TRANSACTION 'it''s forgotten'");
  try {
    await place.change("shop", (capture) => ({ ...capture, again: { "public.t": "wish" } }));
    await place.start();
    await place.until("shop", "copies", ({ tables }) => tables["public.t"]!.copy === "waiting");
    await expect.poll(() => alerts(place, 60_000)).toEqual(new Map());
    await expect
      .poll(async () => (await alerts(place, 200)).get("held"), { timeout: 20_000 })
      .toContain("the copy waits for the prepared transaction 'it''s forgotten' of muara");
  } finally {
    await place.sql("ROLLBACK PREPARED 'it''s forgotten'");
  }
  await place.until("shop", "copies on", ({ tables }) => tables["public.t"]!.copy === "done");
  await agree(place);
  expect((await alerts(place, 200)).size).toBe(0);
}, 60_000);
