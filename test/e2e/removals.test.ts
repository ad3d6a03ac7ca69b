/**
 * Rows that go: rollback, retention, erasure and the sweeper of a running Muara, by HTTP, with a lake in a folder and
 * on S3. Readers that are not ours see at every version the rows that were live then; what went is counted and comes
 * back as a duplicate only; and `kill -9` in the middle leaves a table whose equations hold. What the S3 server keeps
 * is looked into as files.
 */
import { readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { seededRandomness, systemClock } from "../../core/clock.ts";
import process from "node:process";
import { eventually, startMuara, temporaryFolder, type MuaraProcess } from "../services/muara.ts";
import { holds } from "../lake/byte-scan.ts";
import { runPython } from "../services/python.ts";
import { type S3Server, startS3 } from "../services/versitygw.ts";
import { call, declareNotes, TYPE } from "./notes.ts";

const KEPT = { annotations: { "muara/retention": "30 days" } };
const CYCLES = 5;
const KILL_MS_MAX = 400;

let server: S3Server;
const cleanups: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  server = await startS3();
});
afterAll(() => server.stop());
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Account {
  readonly accepted: number;
  readonly landed: number;
  readonly duplicates: number;
  readonly in_flight: number;
  readonly balanced: boolean;
  readonly rows: number;
  readonly removed: Readonly<Record<string, number>>;
}

const table = (muara: MuaraProcess, verb: string, body: unknown): Promise<Record<string, unknown>> =>
  call(muara, "POST", `/v1/tables/${TYPE}/${verb}`, body) as Promise<Record<string, unknown>>;

const eventOf = (n: number): unknown => ({
  metadata: {
    eid: `00000000-0000-4000-8000-${n.toString(16).padStart(12, "0")}`,
    occurred_at: "2026-03-01T10:00:00Z",
  },
  n,
});

const publish = (muara: MuaraProcess, numbers: readonly number[]): Promise<unknown> =>
  call(muara, "POST", `/event-types/${TYPE}/events`, numbers.map(eventOf));

async function account(muara: MuaraProcess): Promise<Account> {
  const { items } = (await call(muara, "GET", `/v1/books?event_type=${TYPE}`)) as { items: Account[] };
  return items[0]!;
}

/** @returns the account once nothing is in flight */
async function settled(muara: MuaraProcess): Promise<Account> {
  await eventually("everything landed", 120_000, async () => (await account(muara)).in_flight === 0);
  return account(muara);
}

async function rowsAt(muara: MuaraProcess, at?: number): Promise<readonly number[]> {
  const sql = `SELECT n FROM "${TYPE}" ORDER BY n`;
  const answer = await call(muara, "POST", "/v1/sql", { sql, ...(at === undefined ? {} : { at }) });
  return (answer as { rows: string[][] }).rows.map(([n]) => Number(n));
}

async function expectSound(muara: MuaraProcess): Promise<void> {
  const found = await call(muara, "GET", `/v1/tables/${TYPE}/verify?deep=true`);
  expect(found).toMatchObject({ holds: true, faults: [] });
  expect((found as { checks: { state: string }[] }).checks.every(({ state }) => state === "holds")).toBe(
    true,
  );
}

type Place = "a folder" | "S3";
const PLACES: readonly Place[] = ["a folder", "S3"];

interface Started {
  readonly muara: MuaraProcess;
  readonly data: string;
  /** Where the files of the lake and of the log are on this machine. */
  readonly lake: string;
  readonly log: string;
}

/** On S3 both the lake and the log. */
async function start(place: Place = "a folder"): Promise<Started> {
  const folder = await temporaryFolder("removals");
  cleanups.push(() => folder.remove());
  const data = folder.path;
  if (place === "a folder")
    return { muara: await startMuara(data), data, lake: join(data, "lake"), log: join(data, "log") };
  const [address, log] = [await server.freshAddress("lake"), await server.freshAddress("log")];
  const muara = await startMuara(data, {
    MUARA_LAKE: address,
    MUARA_LOG: log,
    AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
  });
  return { muara, data, lake: server.folderOf(address), log: server.folderOf(log) };
}

const range = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from }, (_, i) => from + i);

const READ_ALL = `
import sys, json
from deltalake import DeltaTable
import polars as pl
found = {}
for version in range(int(sys.argv[2]) + 1):
    rows = sorted(DeltaTable(sys.argv[1], version=version).to_pyarrow_table()["n"].to_pylist())
    other = sorted(pl.scan_delta(sys.argv[1], version=version).collect()["n"].to_list())
    assert rows == other, version
    found[version] = rows
print(json.dumps(found))
`;

describe("rows that go", () => {
  test.each(PLACES)(
    "on %s every reader sees every version, and nothing comes back",
    { timeout: 480_000 },
    async (place) => {
      const { muara, lake } = await start(place);
      cleanups.push(() => muara.stop());
      await declareNotes(muara, KEPT);
      for (const from of [0, 100, 200]) {
        await publish(muara, range(from, from + 100));
        await settled(muara);
      }
      const { version: whole } = (await call(muara, "GET", `/v1/tables/${TYPE}`)) as { version: number };
      const { version: before } = await firstVersionWith(muara, 200);

      expect(await table(muara, "rollback", { to: before, dry_run: true })).toMatchObject({
        to: before,
        version: null,
        rows: 100,
      });
      const rolled = await table(muara, "rollback", { to: before });
      expect(rolled).toMatchObject({ to: before, rows: 100 });
      expect(await rowsAt(muara)).toEqual(range(0, 200));
      expect(await rowsAt(muara, whole)).toEqual(range(0, 300));
      await publish(muara, range(250, 350));
      expect(await settled(muara)).toMatchObject({
        balanced: true,
        landed: 350,
        duplicates: 50,
        rows: 250,
        removed: { retention: 0, erasure: 0, rollback: 100 },
      });

      expect(await table(muara, "expire", {})).toMatchObject({ version: null, rows: 0 });
      await systemClock.sleep(1_100); // statistics of times may be a second off
      const expired = await table(muara, "expire", { before: new Date(systemClock.nowMs()).toISOString() });
      expect(expired).toMatchObject({ rows: 250 });
      await publish(muara, range(0, 350));
      expect(await settled(muara)).toMatchObject({ balanced: true, landed: 350, duplicates: 400, rows: 0 });
      await publish(muara, [1_000]);
      await settled(muara);
      await expectSound(muara);

      const { version: last } = (await call(muara, "GET", `/v1/tables/${TYPE}`)) as { version: number };
      const foreign = (await runPython(READ_ALL, [join(lake, TYPE), String(last)])) as object;
      for (const [version, rows] of Object.entries(foreign))
        expect(rows, version).toEqual(await rowsAt(muara, Number(version)));

      const stranger = join(lake, TYPE, "ingest_date=2026-01-01");
      const orphan = join(lake, TYPE, "part-00000000-0000-4000-8000-00000000dead.parquet");
      await rm(stranger, { recursive: true, force: true });
      await writeFile(orphan, "of a crash");
      await utimes(orphan, 1, systemClock.nowMs() / 1_000 - 90_000);
      expect(await table(muara, "sweep", { dry_run: true })).toMatchObject({ orphans: 1, bytes: 10 });
      expect(await table(muara, "sweep", {})).toMatchObject({ orphans: 1, expired: 0, removed_ids: 0 });
      expect(await table(muara, "sweep", {})).toMatchObject({ orphans: 0 });
      expect(await rowsAt(muara, whole)).toEqual(range(0, 300));
      await expectSound(muara);
    },
  );

  test("kill -9 in the middle leaves a sound table", { timeout: 300_000 }, async () => {
    const { data, ...first } = await start();
    let { muara } = first;
    cleanups.push(() => muara.stop());
    await declareNotes(muara, KEPT);
    const chance = seededRandomness(31);
    let next = 0;
    let removals = 0;
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      for (let batch = 0; batch < 3; batch++) {
        await publish(muara, range(next, next + 40));
        next += 40;
        await settled(muara);
      }
      const { version } = (await call(muara, "GET", `/v1/tables/${TYPE}`)) as { version: number };
      const isRollback = cycle % 2 === 0;
      await systemClock.sleep(1_100);
      const before = new Date(systemClock.nowMs()).toISOString();
      const removal = isRollback
        ? table(muara, "rollback", { to: Math.max(0, version - 2) })
        : table(muara, "expire", { before });
      const answer = removal.then(
        () => 1,
        () => 0,
      );
      const more = publish(muara, range(next, next + 40)).catch(() => undefined);
      next += 40;
      await systemClock.sleep(chance.fraction() * KILL_MS_MAX);
      await muara.kill();
      removals += await answer;
      await more;
      muara = await startMuara(data);
      const { balanced, landed, rows, removed } = await settled(muara);
      expect(balanced).toBe(true);
      expect(rows).toBe(landed - removed["rollback"]! - removed["retention"]!);
      await expectSound(muara);
    }
    // Answered or not: everything that ever landed is known.
    await publish(muara, range(0, next));
    const after = await settled(muara);
    expect(after.landed).toBe(next);
    await publish(muara, range(0, next));
    expect(await settled(muara)).toMatchObject({ landed: next, rows: after.rows, balanced: true });
    expect(after.removed["rollback"]! + after.removed["retention"]!).toBeGreaterThan(0);
    process.stderr.write(`${removals} of ${CYCLES} removals were answered before the kill\n`);
  });
});

test.each(PLACES)(
  "on %s an erased subject is in no file of the lake any more",
  { timeout: 480_000 },
  async (place) => {
    const { muara, data, lake, log } = await start(place);
    cleanups.push(() => muara.stop());
    await declareNotes(muara, KEPT);
    const [canary, who] = ["canary-8823", "who"];
    const send = (n: number, more: object): Promise<unknown> =>
      call(muara, "POST", `/event-types/${TYPE}/events`, [{ ...(eventOf(n) as object), ...more }]);
    for (let n = 0; n < 6; n++) {
      await send(n, { [who]: n % 2 ? canary : "another" });
      await settled(muara);
    }
    await send(1, { [who]: canary }); // again
    await send(9, { [who]: canary, n: 12_345_678_901_234_567_890n.toString() }).catch(() => undefined);
    await call(muara, "POST", `/event-types/${TYPE}/events`, [
      { ...(eventOf(10) as object), n: 9.5e300, who: canary },
    ]).catch(() => undefined);
    await settled(muara);
    await systemClock.sleep(3_000); // the ledgers follow
    const kept = async (): Promise<readonly string[]> => {
      const folders = place === "S3" ? [data, lake, log] : [data];
      const lists = folders.map((folder) => readdir(folder, { recursive: true, withFileTypes: true }));
      const files = (await Promise.all(lists)).flat();
      const found: string[] = [];
      for (const file of files) {
        const path = join(file.parentPath, file.name);
        if (file.isFile() && (await holds(await readFile(path), canary))) found.push(path);
      }
      return found;
    };
    expect(await rowsAt(muara)).toHaveLength(6); // on S3 the query leaves copies
    const before = await kept();
    expect(before.length).toBeGreaterThan(3);
    expect(before.filter((path) => path.startsWith(log)).length).toBeGreaterThan(0);

    const reader = (await call(muara, "POST", "/v1/tokens", {
      description: "reads",
      grants: [{ action: "read", kind: "table", name: TYPE }],
    })) as { token: string };
    const body = {
      event_types: [TYPE],
      where: { column: who, value: canary },
      reason: "asked to be forgotten",
    };
    for (const [path, asked] of [
      ["/v1/erasures", body],
      [`/v1/tables/${TYPE}/expire`, {}],
      [`/v1/tables/${TYPE}/rollback`, { to: 0 }],
      [`/v1/tables/${TYPE}/sweep`, {}],
    ] as const) {
      const headers = { authorization: `Bearer ${reader.token}` };
      const refused = await fetch(new URL(path, muara.url), {
        method: "POST",
        headers,
        body: JSON.stringify(asked),
      });
      expect(refused.status, path).toBe(403);
    }

    const erased = (await call(muara, "POST", "/v1/erasures", body)) as { id: string; value_hash: string };
    const told = { table: TYPE, rows: 3, waiting: [], log_records: 5, in_flight: 0 };
    expect(erased).toMatchObject({ complete: true, log_until: null, tables: [told] });
    expect(JSON.stringify(erased)).not.toContain(canary);
    expect(await kept()).toEqual([]);
    expect(await rowsAt(muara)).toEqual([0, 2, 4]);
    const { items } = (await call(muara, "GET", "/v1/erasures")) as { items: { id: string }[] };
    expect(items).toMatchObject([{ id: erased.id, reason: "asked to be forgotten", complete: true }]);
    await send(3, { [who]: canary });
    expect(await settled(muara)).toMatchObject({ balanced: true, rows: 3, removed: { erasure: 3 } });
    await expectSound(muara);
    const foreign = await runPython(READ_NEWEST, [join(lake, TYPE)]);
    expect(foreign).toEqual([0, 2, 4]);
  },
);

const READ_NEWEST = `
import sys, json
from deltalake import DeltaTable
import polars as pl
rows = sorted(DeltaTable(sys.argv[1]).to_pyarrow_table()["n"].to_pylist())
assert rows == sorted(pl.scan_delta(sys.argv[1]).collect()["n"].to_list())
print(json.dumps(rows))
`;

/** The first version that had so many rows. */
async function firstVersionWith(muara: MuaraProcess, count: number): Promise<{ version: number }> {
  for (let version = 0; ; version++) if ((await rowsAt(muara, version)).length === count) return { version };
}
