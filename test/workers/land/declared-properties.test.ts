/** A table says what its event type declares, also when that changes while others land; and landing survives it. */
import { expect, test } from "vitest";
import { systemClock } from "../../../core/clock.ts";
import type { EventType } from "../../../core/event-type.ts";
import { declaredProperties, keepProperties } from "../../../lake/declared-properties.ts";
import { pauseTable } from "../../../lake/table/table-pause.ts";
import { publicProperties, rowRetentionMs } from "../../../lake/table/table-properties.ts";
import { TableLanding } from "../../../workers/land/table-landing.ts";
import { createLandWorker } from "../../../workers/land/worker.ts";
import {
  counter,
  declare,
  event,
  eventType,
  type Installation,
  install,
  never,
  OPTIONS,
  send,
} from "./setup.ts";

const TABLE = "order.created";
const DAY_MS = 86_400_000;

const typeOf = (retention: string | undefined, second: number, owner = "orders"): EventType =>
  eventType({
    owning_application: owner,
    updated_at: `2026-11-22T07:00:0${second}Z`,
    annotations: retention === undefined ? {} : { "muara/retention": retention },
  });

async function land(at: Installation, type: EventType): Promise<void> {
  const landing = await TableLanding.open(at.ports, OPTIONS, type);
  while ((await landing.step(never)).hasBacklog);
  landing.discard();
}

async function properties(at: Installation): Promise<Readonly<Record<string, string>>> {
  return publicProperties((await at.openTable(TABLE).snapshot()).metadata);
}

test("a table is created with what is declared, and follows when it is declared anew", async () => {
  const at = await install();
  await declare(at, typeOf("90 days", 1));
  await land(at, typeOf("90 days", 1));
  const first = await at.openTable(TABLE).snapshot();
  expect(first.version).toBe(0);
  expect(await properties(at)).toMatchObject({ "muara.retention": "90 days", "muara.owner": "orders" });
  expect(Object.keys(await properties(at))).not.toContain("muara.idKey");
  await land(at, typeOf("90 days", 2)); // something else about it changed
  expect((await at.openTable(TABLE).snapshot()).version).toBe(0);

  await land(at, typeOf("2 weeks", 3, "sales"));
  const second = await at.openTable(TABLE).snapshot();
  expect(second.version).toBe(1);
  expect(await properties(at)).toMatchObject({ "muara.retention": "2 weeks", "muara.owner": "sales" });
  expect(rowRetentionMs(second.metadata)).toBe(14 * DAY_MS);
  const kept = ({ metadata }: typeof first): unknown => [
    metadata?.id,
    metadata?.schemaString,
    metadata?.configuration["muara.idKey"],
    metadata?.configuration["delta.checkpointInterval"],
  ];
  expect(kept(second)).toEqual(kept(first));

  await land(at, typeOf(undefined, 4, "sales"));
  expect(await properties(at)).not.toHaveProperty("muara.retention");
  expect(rowRetentionMs((await at.openTable(TABLE).snapshot()).metadata)).toBe(Infinity);
});

test("who knows an older declaration changes nothing back", async () => {
  const at = await install();
  await declare(at, typeOf("90 days", 1));
  await land(at, typeOf("90 days", 1));
  await land(at, typeOf("2 weeks", 3));
  await land(at, typeOf("90 days", 1));
  expect((await at.openTable(TABLE).snapshot()).version).toBe(1);
  expect(await properties(at)).toMatchObject({ "muara.retention": "2 weeks" });
});

test("several that follow at once make one commit, beside commits of others", async () => {
  const at = await install();
  await declare(at, typeOf("90 days", 1));
  await land(at, typeOf("90 days", 1));
  const log = at.openTable(TABLE);
  const base = await log.snapshot();
  await send(at, [event(1)]);
  await land(at, typeOf("90 days", 1)); // rows since then are no reason to begin anew
  const type = typeOf("1 year", 2);
  const done = await Promise.all([1, 2, 3].map(() => keepProperties(at, at.openTable(TABLE), base, type)));
  for (const { version, metadata } of done) {
    expect(version).toBe(2);
    expect(metadata?.configuration).toMatchObject(declaredProperties(type));
  }
});

test("a paused table gets them after the pause", async () => {
  const at = await install();
  await declare(at, typeOf("90 days", 1));
  await land(at, typeOf("90 days", 1));
  await pauseTable(at.openTable(TABLE), at.clock.nowMs() + 60_000);
  await expect(land(at, typeOf("1 year", 2))).rejects.toMatchObject({ code: "table.paused" });
  at.clock.advance(60_000);
  await land(at, typeOf("1 year", 2));
  expect(await properties(at)).toMatchObject({ "muara.retention": "1 year" });
});

test("who lands meanwhile gives up one attempt, reads the table anew, and loses nothing", async () => {
  const at = await install();
  await declare(at, typeOf("90 days", 1));
  const first = await TableLanding.open(at.ports, OPTIONS, typeOf("90 days", 1));
  await send(at, [event(1), event(2)]);
  await first.step(never);
  await send(at, [event(2), event(3)]);
  await keepProperties(at, at.openTable(TABLE), await at.openTable(TABLE).snapshot(), typeOf("1 year", 2));
  await expect(first.step(never)).rejects.toMatchObject({ code: "land.fenced" });
  first.discard();

  // As the worker does it: fenced is no reason to stop, and what is declared anew is taken over by itself.
  const ports = { ...at.ports, clock: systemClock };
  const worker = createLandWorker(ports, { ...OPTIONS, commitMs: 5 });
  const stop = new AbortController();
  const running = worker.run(stop.signal);
  const other = { ...at, clock: systemClock };
  for (let round = 1; round <= 5; round++) {
    const type = typeOf(`${round + 1} years`, round + 2);
    await send(at, [event(10 + round)]);
    if (round % 2 === 0) await at.registry.put("event-type", TABLE, round / 2, type);
    else await keepProperties(other, at.openTable(TABLE), await at.openTable(TABLE).snapshot(), type);
    for (let looks = 0; (await counter(at, "landed")) < 3 + round; looks++) {
      expect(looks, JSON.stringify(worker.status())).toBeLessThan(2_000);
      await systemClock.sleep(10);
    }
  }
  stop.abort();
  await running;
  await worker.drain();
  expect(worker.status()).toMatchObject([{ table: TABLE, state: "landing" }]);
  expect(await properties(at)).toMatchObject({ "muara.retention": "6 years" });
  expect([await counter(at, "landed"), await counter(at, "duplicates")]).toEqual([8, 1]);
});
