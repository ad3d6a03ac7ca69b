/** Erasure: the planted text is nowhere in the store any more, in no version, ledger, side file or log; others stay. */
import { expect, test, vi } from "vitest";
import { removedRows } from "../../core/landed.ts";
import { packRecords, payloadOf } from "../../core/record.ts";
import { eraseSubject, type Erased } from "../../lake/erase.ts";
import type { EraseRequest } from "../../lake/erase-request.ts";
import { LogPlaces } from "../../lake/log-places.ts";
import { expireTable } from "../../lake/retain.ts";
import type { Subject } from "../../lake/subject.ts";
import { createProjector } from "../../workers/land/projector.ts";
import { TableLanding } from "../../workers/land/table-landing.ts";
import {
  counter,
  DAY_MS,
  declare,
  event,
  eventType,
  HOUR_MS,
  install,
  type Installation,
  never,
  OPTIONS,
  send,
} from "../workers/land/setup.ts";
import { holds } from "./byte-scan.ts";
import { HORIZON, live, TABLE, verified } from "./removal-world.ts";

// Each erasure starts a process.
vi.setConfig({ testTimeout: 240_000 });

const CANARY = "canary-né-7431";
const properties = {
  n: { type: "integer" },
  who: { type: "object", properties: { name: { type: "string" } } },
};
const schema = JSON.stringify({ type: "object", properties: { ...properties, mail: { type: "string" } } });
const TYPE = eventType({ schema: { type: "json_schema", schema } });
const SUBJECT: Subject = { column: "who.name", value: CANARY };

async function land(at: Installation, events: readonly string[]): Promise<void> {
  const landing = await TableLanding.open(at.ports, OPTIONS, TYPE);
  if (events.length > 0) await send(at, events);
  while ((await landing.step(never)).hasBacklog);
  landing.discard();
}

async function project(at: Installation): Promise<void> {
  const projector = createProjector(at.ports);
  while (await projector.pass(never));
}

const mine = (n: number, more: object = {}): string =>
  event(n, { who: { name: CANARY }, mail: CANARY, ...more });
const other = (n: number): string => event(n, { who: { name: "somebody" }, mail: "z" });

/** Files of the store that hold the text. */
async function holders(at: Installation, text = CANARY): Promise<readonly string[]> {
  const found: string[] = [];
  for (const { path } of await at.store.list(""))
    if (await holds((await at.store.get(path))!, text)) found.push(path);
  return found;
}

function erase(at: Installation, more: Partial<EraseRequest> = {}): Promise<Erased> {
  const request = { ...HORIZON, eventType: TYPE, subject: SUBJECT, id: "e-1", sweepAfterMs: DAY_MS };
  return eraseSubject(at.ports, { ...request, ...more });
}

/** The subject's events landed, came twice, could not land; in files alone, together with others, and removed ones. */
async function planted(): Promise<Installation> {
  const at = await install();
  await declare(at, TYPE);
  await land(at, [mine(1)]);
  await land(at, [other(2), mine(3), other(4)]);
  await land(at, [mine(1), mine(90, { n: 0.5 }), "{not json at all " + CANARY, other(2)]);
  await land(at, [other(5)]);
  await project(at);
  const old = at.clock.nowMs();
  at.clock.advance(HOUR_MS);
  await land(at, [mine(6), other(7)]);
  await expireTable(at.ports, TABLE, { ...HORIZON, beforeMs: old - 2_000 });
  return at;
}

test("the text is nowhere any more, all else is where it was", async () => {
  const at = await planted();
  const before = await holders(at);
  const kinds = ["/part-", "_muara/side-", "dead_letters/", "_delta_log/"];
  for (const kind of kinds)
    expect(
      before.filter((path) => path.includes(kind)),
      kind,
    ).not.toEqual([]);
  const counts = { landed: await counter(at, "landed"), rows: await live(at) };
  expect(counts).toEqual({ landed: 7, rows: [1, 2, 3, 4, 5, 6, 7] });

  const told = await erase(at, { isDryRun: true });
  expect(told).toMatchObject({
    version: null,
    rows: 3,
    ledgerRows: 3,
    sideFiles: 1,
    deleted: 0,
    scrubbed: 0,
  });
  expect(await holders(at)).toEqual(before);

  const erased = await erase(at);
  expect(erased).toMatchObject({ rows: 3, ledgerRows: 3, sideFiles: 1, waiting: [] });
  expect(erased.files).toHaveLength(3);
  expect(await holders(at)).toEqual([]);
  expect(await live(at)).toEqual([2, 4, 5, 7]);
  const { txns } = await at.openTable(TABLE).snapshot();
  expect(removedRows(txns)).toEqual({ retention: 0, erasure: 3, rollback: 0 });
  expect((await verified(at)).faults).toEqual([]);
  expect(await at.openTable(TABLE).read(erased.version!)).toMatchObject({
    info: { kind: "erasure", erasure: "e-1", rows: 3 },
  });

  await land(at, [mine(1), mine(6)]);
  await project(at);
  expect(await live(at)).toEqual([2, 4, 5, 7]);
  expect((await verified(at)).faults).toEqual([]);
  expect(await erase(at)).toMatchObject({ version: null, rows: 0 });
});

test("everybody reads the table as before: versions, counters, checkpoints", async () => {
  const at = await planted();
  const landing = await TableLanding.open(at.ports, OPTIONS, TYPE);
  for (let n = 100; n < 205; n++) {
    await send(at, [n % 2 ? other(n) : mine(n)]);
    await landing.step(never);
  }
  landing.discard();
  await erase(at);
  const log = at.openTable(TABLE);
  const newest = await log.snapshot();
  const fresh = await at.openTable(TABLE).snapshot({ version: 100 });
  expect(fresh.version).toBe(100);
  let replayed = await log.snapshot({ version: 0 });
  while (replayed.version < newest.version)
    replayed = await log.snapshot({ from: replayed, version: replayed.version + 1 });
  expect([...replayed.txns]).toEqual([...newest.txns]);
  expect([...replayed.files.keys()]).toEqual([...newest.files.keys()]);
  expect(await holders(at)).toEqual([]);
});

test("a file that may be an upload under way is left and told, until it is nobody's", async () => {
  const at = await planted();
  const isMine = async (path: string): Promise<boolean> => holds((await at.store.get(path))!, CANARY);
  const file = (await holders(at)).find((path) => path.startsWith(`${TABLE}/ingest_date`));
  const orphan = `${TABLE}/ingest_date=2026-03-01/part-00000000-0000-4000-8000-00000000dead.parquet`;
  await at.store.put(orphan, (await at.store.get(file!))!);
  expect(await isMine(orphan)).toBe(true);
  expect((await erase(at)).waiting).toEqual([orphan]);
  at.clock.advance(DAY_MS + 1);
  expect(await erase(at)).toMatchObject({ deleted: 1, waiting: [] });
  expect(await holders(at)).toEqual([]);
});

test("finds numbers exactly, and refuses what the table has not", async () => {
  const at = await planted();
  expect(await erase(at, { subject: { column: "n", value: 4 } })).toMatchObject({ rows: 1, ledgerRows: 0 });
  expect(await live(at)).toEqual([1, 2, 3, 5, 6, 7]);
  for (const column of ["nothing", "who.nothing", 'n" OR "n', "n) OR (true"])
    await expect(erase(at, { subject: { column, value: 4 } })).rejects.toMatchObject({
      code: "erasure.field",
    });
  await expect(erase(at, { subject: { column: "n", value: "four" } })).rejects.toMatchObject({
    code: "erasure.field",
  });
  await expect(erase(at, { eventType: { ...TYPE, name: "no.such" } })).rejects.toMatchObject({
    code: "table.not_found",
  });
  expect(await live(at)).toEqual([1, 2, 3, 5, 6, 7]);
});

/** Payloads of the type's stream as the log has them, by offset. */
async function logged(at: Installation): Promise<readonly (string | null)[]> {
  const found: (string | null)[] = [];
  const { endOffset } = await at.ports.log.bounds(TABLE, 0);
  for (let offset = 0; offset < endOffset; offset++) {
    const batch = await at.ports.log.read(TABLE, 0, offset, 1);
    const payload = payloadOf(batch, 0);
    found.push(payload && new TextDecoder().decode(payload));
  }
  return found;
}

test("the log's own records become tombstones: rows, resends and dead letters; landing goes on", async () => {
  const at = await planted();
  const before = await logged(at);
  const texts = before.map((text) => text?.includes(CANARY) === true);
  expect(texts.filter(Boolean)).toHaveLength(6);
  const accepted = await at.ports.log.accepted(TABLE);
  const told = await erase(at, { isDryRun: true });
  expect(told.logRecords).toBeNull();
  expect(await logged(at)).toEqual(before);

  expect(await erase(at)).toMatchObject({ logRecords: 6, inFlight: 0 });
  expect(await logged(at)).toEqual(before.map((text, i) => (texts[i] === true ? null : text)));
  expect(await at.ports.log.accepted(TABLE)).toEqual(accepted);

  // The last record that landed is a witness, and may be one of those.
  await send(at, [mine(8)]);
  await land(at, []);
  expect(await erase(at)).toMatchObject({ logRecords: 1, rows: 1 });
  await land(at, [other(9)]);
  await project(at);
  expect(await live(at)).toEqual([2, 4, 5, 7, 9]);
  expect((await verified(at)).faults).toEqual([]);
  expect(await erase(at)).toMatchObject({ logRecords: 0, rows: 0 });
});

test("a compacted log keeps its records, where a tombstone would delete a key, and that is told", async () => {
  const at = await install();
  const compacted = { ...TYPE, cleanup_policy: "compact" } as const;
  await declare(at, compacted);
  const keyed = [mine(1), other(2)].map((payload) => ({ key: "k", payload: Buffer.from(payload) }));
  await at.ports.log.append(TABLE, 0, packRecords(keyed));
  await land(at, []);
  expect(await erase(at, { eventType: compacted })).toMatchObject({ logRecords: null, rows: 1 });
  expect((await logged(at)).filter((text) => text?.includes(CANARY))).toHaveLength(1);
  expect(await live(at)).toEqual([2]);
});

test("what has not landed stays in the log and is told; numbers are found by what they are", async () => {
  const at = await planted();
  await send(at, [mine(20), other(21)]);
  expect(await erase(at)).toMatchObject({ logRecords: 6, inFlight: 1 });
  await land(at, []);
  expect(await live(at)).toEqual([2, 4, 5, 7, 20, 21]);
  expect(await erase(at)).toMatchObject({ logRecords: 1, rows: 1, inFlight: 0 });
  expect(await erase(at, { subject: { column: "n", value: 21 } })).toMatchObject({ logRecords: 1, rows: 1 });
  const left = (await logged(at)).filter((text) => text !== null);
  expect(left.map((text) => (JSON.parse(text) as { n: number }).n)).toEqual([2, 4, 2, 5, 7]);
  await expect(TableLanding.open(at.ports, OPTIONS, TYPE)).resolves.toBeDefined();
});

test("a log that is landed anew after an erasure: each tombstone is a dead letter, and the books balance", async () => {
  const at = await install();
  await declare(at, TYPE);
  await send(at, [other(1), mine(2), other(3)]);
  await at.ports.log.erase!(TABLE, [{ partition: 0, from: 1, to: 2 }], () => true, never);
  await land(at, []);
  await project(at);
  expect(await live(at)).toEqual([1, 3]);
  expect(await counter(at, "dead")).toBe(1);
  expect((await verified(at)).faults).toEqual([]);
});

test("more places than may be noted are refused", async () => {
  const places = new LogPlaces("topic", true, 2);
  places.add([
    [0, 1],
    [0, 1],
    [1, 1],
  ]);
  expect([places.has(0, 1), places.has(1, 1), places.has(1, 0)]).toEqual([true, true, false]);
  expect(() => places.add([[0, 2]])).toThrow(expect.objectContaining({ code: "erasure.too_large" }));
});
