/** The writer of the audit log: order, durability before the answer, trouble with the log, floods of refusals. */
import { expect, test } from "vitest";
import { createMemoryLog } from "../../adapters/memory/log.ts";
import { AUDIT_TYPE, AuditChains, type AuditFact, type AuditRecord } from "../../core/audit.ts";
import { AuditTrail } from "../../core/audit-trail.ts";
import { ManualClock, seededRandomness } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import { silentLogger } from "../../core/logger.ts";
import type { Log } from "../../core/ports/log.ts";
import { payloadOf } from "../../core/record.ts";

const fact = (id: string): AuditFact => ({
  action: "changed",
  resource_type: "role",
  resource_id: id,
  user: "u",
});
const refusal = { resource_type: "request", resource_id: "GET /", user: "unknown", code: "auth.missing" };

async function setUp() {
  const clock = new ManualClock(1_000_000);
  const log = createMemoryLog({ clock, randomness: seededRandomness(1) });
  await log.createStream(AUDIT_TYPE, { partitions: 1, cleanup: "delete", retentionMs: 1e9 });
  return { clock, log };
}

async function stored(log: Log): Promise<AuditRecord[]> {
  const { endOffset } = await log.bounds(AUDIT_TYPE, 0);
  const records: AuditRecord[] = [];
  for (let next = 0; next < endOffset;) {
    const batch = await log.read(AUDIT_TYPE, 0, next, 1_000_000);
    for (let i = 0; i < batch.count; i++)
      records.push(JSON.parse(new TextDecoder().decode(payloadOf(batch, i)!)) as AuditRecord);
    next = batch.next;
  }
  return records;
}

/** Each record once, as landing has them. @returns how many hold */
async function verified(records: readonly AuditRecord[]): Promise<number> {
  const chains = new AuditChains();
  const seen = new Set<string>();
  for (const stored_ of records) {
    const { eid, ...record } = stored_ as AuditRecord & { readonly eid: string };
    if (seen.has(eid)) continue;
    seen.add(eid);
    expect(await chains.take(record, eid)).toBeUndefined();
  }
  return chains.count;
}

const settle = async (): Promise<void> => {
  for (let i = 0; i < 50; i++) await new Promise((done) => setImmediate(done));
  await new Promise((done) => setTimeout(done, 1));
};

test("a thousand facts at once are one chain in their order, and the next run's follows it", async () => {
  const { clock, log } = await setUp();
  for (const writer of ["w1", "w2", "w3"]) {
    const trail = await AuditTrail.open({ clock, log, logger: silentLogger, writer });
    await Promise.all(Array.from({ length: 1_000 }, (_, i) => trail.record(fact(`${i}`))));
    await trail.close();
  }
  const records = await stored(log);
  expect(records.map(({ resource_id: id }) => id)).toEqual(
    [1, 2, 3].flatMap(() => Array.from({ length: 1_000 }, (_, i) => `${i}`)),
  );
  expect(await verified(records)).toBe(3_000);
  expect(records.filter(({ follows }) => follows).map(({ follows }) => follows)).toEqual([
    "w1:1000",
    "w2:1000",
  ]);
});

test("what the log refuses, or may have stored, is tried again: no gap, and told when it is there", async () => {
  const { clock, log } = await setUp();
  const outcomes = ["fine", "refused", "refused", "unknown", "fine", "unknown", "fine"];
  let isPausing = false;
  const moody: Log = {
    ...log,
    append: async (stream, partition, batch) => {
      const outcome = outcomes.shift();
      isPausing = outcome === "refused";
      if (isPausing) throw new MuaraError("log.overloaded", "later");
      const appended = await log.append(stream, partition, batch);
      isPausing = outcome === "unknown";
      if (isPausing) throw new MuaraError("log.append_unknown", "who knows");
      return appended;
    },
    bounds: (...args) => log.bounds(...args),
    read: (...args) => log.read(...args),
  };
  const trail = await AuditTrail.open({ clock, log: moody, logger: silentLogger, writer: "w" });
  const told: string[] = [];
  for (let i = 0; i < 5; i++) {
    const telling = trail.record(fact(`${i}`)).then(() => told.push(`${i}`));
    while (told.length <= i) {
      await settle();
      if (!isPausing) continue;
      // Time goes on only while it is waited for: sealing takes none of it, however long it takes.
      await settle();
      isPausing = false;
      clock.advance(1_000);
    }
    await telling;
  }
  const records = await stored(log);
  expect(records.length).toBe(7); // two batches of one record are there twice
  expect(await verified(records)).toBe(5);
});

test("a change is not told of as done while its record is not durable; it is written later all the same", async () => {
  const { clock, log } = await setUp();
  const state = { isOpen: false };
  const shut: Log = {
    ...log,
    append: async (...args) => {
      if (!state.isOpen) throw new MuaraError("log.overloaded", "later");
      return log.append(...args);
    },
    bounds: (...args) => log.bounds(...args),
  };
  const trail = await AuditTrail.open({ clock, log: shut, logger: silentLogger, writer: "w" });
  const outcome = trail.record(fact("x")).catch((error: unknown) => error);
  await settle();
  clock.advance(5_000);
  expect(await outcome).toMatchObject({ code: "audit.unavailable", status: 503 });
  state.isOpen = true;
  // Sealing ends in its own time.
  for (let i = 0; i < 2_000 && (await stored(log)).length === 0; i++) {
    clock.advance(5_000);
    await new Promise((done) => setTimeout(done, 5));
  }
  expect(await verified(await stored(log))).toBe(1);
});

test("a flood of refusals is cut to fifty a second, and the rest is counted", async () => {
  const { clock, log } = await setUp();
  const trail = await AuditTrail.open({ clock, log, logger: silentLogger, writer: "w" });
  for (let i = 0; i < 1_000; i++) trail.refused(refusal);
  clock.advance(1_000);
  trail.refused(refusal);
  for (let i = 0; i < 100; i++) trail.refused(refusal);
  await trail.record(fact("between"));
  for (let i = 0; i < 10; i++) trail.refused(refusal);
  await trail.close();
  const records = await stored(log);
  expect(await verified(records)).toBe(records.length);
  const refused = records.filter(({ action }) => action === "refused");
  const suppressed = records.reduce((sum, record) => sum + (record.suppressed ?? 0), 0);
  expect([refused.length, suppressed]).toEqual([101, 1_000 + 101 + 10 - 100]);
});
