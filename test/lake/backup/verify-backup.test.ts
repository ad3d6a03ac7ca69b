/** What a check of a backup finds: files, tables, and a log that does not have what its tables go on from. */
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import type { ObjectStore } from "../../../core/ports/object-store.ts";
import type { Log } from "../../../core/ports/log.ts";
import { freshPartition, partitionTxns } from "../../../core/landed.ts";
import { BACKUP_FORMAT, type BackupManifest, writeManifest } from "../../../lake/backup/manifest.ts";
import { type BackupReport, verifyBackup } from "../../../lake/backup/verify-backup.ts";
import { openTableLog } from "../../../lake/table/table-log.ts";
import { abandon, change, committed, creation } from "../../conformance/table-changes.ts";
import { declare, event, eventType, install, type Installation, send } from "../../workers/land/setup.ts";

const TYPE = "order.created";
const unopened = (): Promise<Log> => Promise.reject(new Error("it was opened"));
const never = new AbortController().signal;

interface Landed {
  readonly cursor: number;
  readonly landed: number;
  readonly duplicates?: number;
  readonly dead?: number;
  readonly gap?: number;
}

/** Three events were accepted, and landing says that of its table. */
async function placeOf(landed: Landed, partitions = 1): Promise<Installation> {
  const at = await install();
  await declare(at, eventType(), partitions);
  await send(
    at,
    [1, 2, 3].map((n) => event(n)),
  );
  const topicId = (await at.log.stream(TYPE))!.topicId;
  const table = openTableLog(at.store, `lake/${TYPE}`, at);
  const base = await committed(
    table.commit({ base: await table.snapshot(), change: creation(), check: abandon }),
  );
  const before = freshPartition(at.log.id, topicId, 0);
  const txns = partitionTxns(before, { ...before, ...landed });
  const files = Array.from({ length: landed.landed }, (_, n) => `f${n}.parquet`);
  for (const file of files) await at.store.put(`lake/${TYPE}/${file}`, new Uint8Array(file.length));
  await committed(table.commit({ base, change: change(files, { txns }), check: abandon }));
  return at;
}

async function manifestOf(store: ObjectStore, more: Partial<BackupManifest>): Promise<void> {
  const listed = await store.list("");
  const files = listed.map(async ({ path, bytes }) => {
    const sha256 = createHash("sha256")
      .update((await store.get(path))!)
      .digest("hex");
    return { path, bytes, sha256 };
  });
  const about = { format: BACKUP_FORMAT, version: "1", created: "2026-01-01T00:00:00.000Z" };
  const log = { id: null, address: "file:x", isCopied: true };
  await writeManifest(store, {
    ...about,
    log,
    tables: { [TYPE]: 1 },
    files: await Promise.all(files),
    ...more,
  });
}

async function verified(
  at: Installation,
  more: Partial<BackupManifest> = {},
  openLog: (() => Promise<Log>) | undefined = async () => at.log,
): Promise<BackupReport> {
  const log = { id: at.log.id, address: "file:x", isCopied: true };
  await manifestOf(at.store, { log, ...more });
  return verifyBackup(at, at.store, openLog, never);
}

test.each<[Landed, number]>([
  [{ cursor: 0, landed: 0 }, 3],
  [{ cursor: 1, landed: 1 }, 2],
  [{ cursor: 3, landed: 1, duplicates: 1, dead: 1 }, 0],
])("with %o it is whole", async (landed, inFlight) => {
  const report = await verified(await placeOf(landed));
  expect(report).toMatchObject({ faults: [], inFlight, tables: 1 });
});

test("what lies in a partition that nothing has landed from is in flight, and no fault", async () => {
  const at = await placeOf({ cursor: 2, landed: 2 }, 3);
  await send(at, [event(4), event(5)], 2);
  expect(await verified(at)).toMatchObject({ faults: [], inFlight: 3 });
});

test.each<[Landed, RegExp]>([
  [{ cursor: 4, landed: 4 }, /:0 goes on at 4, the log has 0 to 3$/],
  [{ cursor: 3, landed: 2, gap: 1 }, /: 3 accepted, 2 settled and 0 in flight$/],
  [{ cursor: 3, landed: 2 }, /the cursor is 3, 2 offsets are accounted for$/],
])("with %o it is not", async (landed, fault) => {
  const { faults } = await verified(await placeOf(landed));
  expect(faults).toContainEqual(expect.stringMatching(fault));
});

test("a log of another name, a table of another version, one that is not there", async () => {
  const log = { id: "another", address: "file:x", isCopied: true };
  const at = await placeOf({ cursor: 3, landed: 3 });
  expect((await verified(at, { log })).faults).toEqual([`the log is ${at.log.id}, not another`]);
  const moved = await verified(await placeOf({ cursor: 3, landed: 3 }), { tables: { [TYPE]: 2 } });
  expect(moved.faults).toEqual([`table ${TYPE} is at version 1, not 2`]);
  const none = await verified(await placeOf({ cursor: 3, landed: 3 }), { tables: { none: 1 } });
  expect(none.faults[0]).toBe("table none is at version -1, not 1");
});

test.each<[string, (store: ObjectStore, path: string) => Promise<unknown>, RegExp]>([
  ["missing", (store, path) => store.delete(path), /^lake\/.*f0\.parquet is missing$/],
  ["longer", (store, path) => store.put(path, new Uint8Array(12)), /has 12 bytes, not 10$/],
  ["another", (store, path) => store.put(path, new Uint8Array(10).fill(1)), /has other bytes$/],
])("a file that is %s is a fault, and the log is not opened", async (_, damage, fault) => {
  const at = await placeOf({ cursor: 3, landed: 1, duplicates: 2 });
  await manifestOf(at.store, {});
  await damage(at.store, `lake/${TYPE}/f0.parquet`);
  const { faults } = await verifyBackup(at, at.store, unopened, never);
  expect(faults).toEqual([expect.stringMatching(fault)]);
});

test("a file that the table names and the manifest does not is a fault of the table", async () => {
  const at = await placeOf({ cursor: 3, landed: 1, duplicates: 2 });
  await at.store.delete(`lake/${TYPE}/f0.parquet`);
  const { faults } = await verified(at);
  expect(faults).toEqual([expect.stringMatching(/^table order\.created: f0\.parquet /)]);
});

test.each([
  ["where it cannot be opened", {}, undefined],
  ["that stays where it is", { log: { id: null, address: "kafka://h", isCopied: false } }, "fails"],
] as const)("a log %s is not looked at", async (_, more, opens) => {
  const at = await placeOf({ cursor: 4, landed: 4 });
  const log = { id: at.log.id, address: "file:x", isCopied: true };
  await manifestOf(at.store, { log, ...more });
  const openLog = opens && unopened;
  expect(await verifyBackup(at, at.store, openLog, never)).toMatchObject({ faults: [], inFlight: null });
});
