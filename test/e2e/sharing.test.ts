/**
 * Shared tables read by the client that everybody has, PyPI's `delta-sharing`, with a profile file that the command
 * line wrote: a lake in a folder, one on S3 whose files S3 serves, one on S3 whose files Muara serves. SQL over the
 * same tables is the oracle.
 */
import { strict as assert } from "node:assert";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { ConfigInput } from "../../core/config.ts";
import { runMuara } from "../services/command.ts";
import { eventually, startMuara, temporaryFolder, type MuaraProcess } from "../services/muara.ts";
import { pythonEnvironment, runPython } from "../services/python.ts";
import { type S3Server, startS3 } from "../services/versitygw.ts";

const TYPE = "order.created";
const BATCHES = 4;
const BATCH_EVENTS = 50;

let server: S3Server;
const cleanups: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  await pythonEnvironment("sharing");
  server = await startS3();
}, 600_000);
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});
afterAll(() => server.stop());

const SCHEMA = {
  type: "object",
  properties: {
    n: { type: "integer" },
    note: { type: "string" },
    ratio: { type: "number" },
    paid: { type: "boolean" },
    at: { type: "string", format: "date-time" },
    place: { type: "object", properties: { city: { type: "string" }, floor: { type: "integer" } } },
    tags: { type: "array", items: { type: "string" } },
  },
  required: ["n"],
};

const DECLARATION = {
  name: TYPE,
  owning_application: "shop",
  category: "business",
  schema: { type: "json_schema", schema: JSON.stringify(SCHEMA) },
};

/** The n-th event; every field but one is missing in some. */
function event(n: number): Readonly<Record<string, unknown>> {
  const eid = `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
  return {
    metadata: { eid, occurred_at: new Date(Date.UTC(2026, 2, 1) + n * 1_000).toISOString() },
    n,
    ...(n % 7 === 0 ? {} : { note: `ü "${n}"` }),
    ...(n % 5 === 0 ? {} : { ratio: n / 3 }),
    ...(n % 3 === 0 ? {} : { paid: n % 2 === 0 }),
    ...(n % 4 === 0 ? {} : { at: `2026-03-01T10:00:00.${String(n).padStart(6, "0")}Z` }),
    ...(n % 6 === 0 ? {} : { place: { city: `c${n % 4}`, floor: n } }),
    ...(n % 8 === 0 ? {} : { tags: Array.from({ length: n % 3 }, (_, i) => `t${i}`) }),
    unknown: { deep: [n] },
  };
}

async function publish(muara: MuaraProcess, first: number, count: number): Promise<void> {
  const events = Array.from({ length: count }, (_, i) => event(first + i));
  const body = JSON.stringify(events);
  const answer = await muara.fetch(`/event-types/${TYPE}/events`, { method: "POST", body });
  expect(answer.status, await answer.text()).toBe(200);
  await eventually("everything has landed", 60_000, async () => {
    return (await muara.sql(`SELECT count(*) FROM "${TYPE}"`))[0]![0] === String(first + count);
  });
}

interface Shared {
  readonly muara: MuaraProcess;
  readonly folder: string;
  readonly profile: string;
  /** The newest version after each batch. */
  readonly versions: readonly number[];
  /** When that was seen, ms since 1970 UTC. */
  readonly seenMs: readonly number[];
}

async function startShared(
  environment: Record<string, string>,
  share: ConfigInput["share"] = {},
): Promise<Shared> {
  const folder = await temporaryFolder("sharing");
  cleanups.push(folder.remove);
  const delivery: Record<string, string> = share.delivery ? { MUARA_SHARE_DELIVERY: share.delivery } : {};
  const muara = await startMuara(folder.path, { ...environment, ...delivery });
  cleanups.push(() => muara.kill());
  const declared = await muara.fetch("/event-types", { method: "POST", body: JSON.stringify(DECLARATION) });
  expect(declared.status, await declared.text()).toBe(201);
  const [versions, seenMs]: [number[], number[]] = [[], []];
  for (let batch = 0; batch < BATCHES; batch++) {
    await publish(muara, batch * BATCH_EVENTS, BATCH_EVENTS);
    versions.push(await versionOf(muara));
    seenMs.push(Date.now());
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const profile = join(folder.path, "finance.share");
  const at = ["--url", muara.url, "--token", muara.token];
  const steps = [
    ["share", "create", "sales", "--table", `${TYPE}=shop.orders`, "--history"],
    ["share", "recipient", "sales", "finance", "--expires", "1h", "--to", profile],
  ];
  for (const step of steps) {
    const { code, err } = await runMuara([...step, ...at]);
    expect(code, err).toBe(0);
  }
  return { muara, folder: folder.path, profile, versions, seenMs };
}

async function versionOf(muara: MuaraProcess): Promise<number> {
  const answer = await muara.fetch(`/v1/tables/${TYPE}`);
  return ((await answer.json()) as { version: number }).version;
}

/** What the client reads as rows of texts: numbers in full, times in µs. */
const CANONICAL = `
import sys, json, math, datetime as dt
import numpy as np, pandas as pd
import delta_sharing
from delta_sharing.protocol import Table
# The client itself talks on stdout.
answers, sys.stdout = sys.stdout, sys.stderr
def say(value): print(json.dumps(value), file=answers, flush=True)
EPOCH = pd.Timestamp("1970-01-01", tz="UTC")
def canon(v):
    if isinstance(v, (list, np.ndarray)): return [canon(x) for x in v]
    # Integers beside missing ones become floats in pandas.
    def whole(x): return int(x) if isinstance(x, float) and x.is_integer() else x
    if isinstance(v, dict): return {k: canon(whole(x)) for k, x in v.items()}
    if v is None or v is pd.NaT or (isinstance(v, float) and math.isnan(v)): return None
    if isinstance(v, (pd.Timestamp, dt.datetime)):
        v = pd.Timestamp(v)
        return str((v if v.tzinfo else v.tz_localize("UTC")).value // 1000)
    if isinstance(v, dt.date): return v.isoformat()
    if isinstance(v, (bool, np.bool_)): return bool(v)
    if isinstance(v, (float, np.floating)): return float(v)
    if isinstance(v, (int, np.integer)): return str(int(v))
    return v
def rows(frame):
    found = [[canon(v) for v in row] for row in frame.itertuples(index=False)]
    return sorted(found, key=lambda r: (r[0] is None, int(float(r[0] or 0))))
COLUMNS = ["n", "event_id", "event_time", "log_offset", "note", "ratio", "paid", "at", "place", "tags"]
COLUMNS += ["extra", "ingest_date"]
profile = sys.argv[1]
url = profile + "#sales.shop.orders"
`;

/** The same by SQL. */
const ROWS_SQL = `SELECT n, event_id, epoch_us(event_time)::VARCHAR, log_offset::VARCHAR, note, ratio, paid,
  epoch_us("at")::VARCHAR, place, tags, extra, ingest_date::VARCHAR FROM "${TYPE}" ORDER BY n`;

/** Structs come from SQL with numbers as they are, from pandas as our script writes them. */
function canonical(rows: readonly (readonly unknown[])[]): unknown {
  const canon = (value: unknown): unknown => {
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return value.map(canon);
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [
        name,
        typeof item === "number" ? String(item) : canon(item),
      ]),
    );
  };
  return rows.map((row) => row.map(canon));
}

const python = (script: string, args: readonly string[]): Promise<unknown> =>
  runPython(CANONICAL + script, args, { set: "sharing", timeoutMs: 300_000 });

async function checkReads({ muara, profile, versions, seenMs }: Shared): Promise<void> {
  const oracle = canonical(await muara.sql(ROWS_SQL));
  const read = (await python(
    `
def load(**more): return rows(delta_sharing.load_as_pandas(url, **more)[COLUMNS])
client = delta_sharing.SharingClient(profile)
say({
    "parquet": load(), "delta": load(use_delta_format=True),
    "tables": [[t.share, t.schema, t.name] for t in client.list_all_tables()],
    "limited": [len(load(limit=n)) for n in (0, 1, 60)] + [len(load(limit=60, use_delta_format=True))],
    "old": [load(version=int(v)) for v in sys.argv[2].split(",")],
    "then": [load(timestamp=t) for t in sys.argv[3].split(",")],
    "version": delta_sharing.get_table_version(url),
    "since": delta_sharing.get_table_version(url, starting_timestamp=sys.argv[3].split(",")[0]),
    "protocol": delta_sharing.get_table_protocol(url).min_reader_version,
})`,
    [profile, versions.join(","), seenMs.map((ms) => new Date(ms).toISOString()).join(",")],
  )) as Record<string, readonly (readonly unknown[])[]> & {
    version: number;
    protocol: number;
    since: number;
  };
  assert.deepEqual(read["parquet"], oracle);
  assert.deepEqual(read["delta"], oracle);
  assert.deepEqual(read["tables"], [["sales", "shop", "orders"]]);
  assert.deepEqual(read["limited"], [0, 1, 60, 60]);
  for (const [batch] of versions.entries()) {
    const until = (oracle as unknown[]).slice(0, (batch + 1) * BATCH_EVENTS);
    assert.deepEqual(read["old"]![batch], until, `version ${versions[batch]}`);
    assert.deepEqual(read["then"]![batch], until, `time ${seenMs[batch]}`);
  }
  assert.equal(read.version, versions.at(-1));
  assert.ok(read.since > versions[0]! && read.since <= versions[1]!);
  assert.equal(read.protocol, 1);
}

/** Number and note alone. */
function plain(rows: readonly (readonly unknown[])[]): unknown {
  return rows.map(([n, note]) => [n, note]);
}

async function checkChanges({ muara, profile, versions }: Shared): Promise<void> {
  const [first, last] = [versions[0]! + 1, versions[2]!];
  const found = (await python(
    `
first, last = int(sys.argv[2]), int(sys.argv[3])
def changes(**more):
    frame = delta_sharing.load_table_changes_as_pandas(url, **more)
    assert set(frame["_change_type"]) <= {"insert"}, set(frame["_change_type"])
    return rows(frame[["n", "note", "_commit_version"]])
say({
    "some": changes(starting_version=first, ending_version=last),
    "delta": changes(starting_version=first, ending_version=last, use_delta_format=True),
    "all": changes(starting_version=0),
    "none": len(changes(starting_version=0, ending_version=0)),
})`,
    [profile, String(first), String(last)],
  )) as Record<"some" | "delta" | "all", readonly (readonly string[])[]> & { none: number };
  const oracle = (await muara.sql(`SELECT n, note FROM "${TYPE}" ORDER BY n`)) as string[][];
  assert.deepEqual(plain(found.some), oracle.slice(BATCH_EVENTS, 3 * BATCH_EVENTS));
  assert.deepEqual(found.delta, found.some);
  assert.deepEqual(plain(found.all), oracle);
  assert.equal(found.none, 0);
  for (const row of found.some) {
    const version = Number(row[2]);
    assert.ok(version >= first && version <= last, `version ${version}`);
  }
}

function hint(op: string, value: number): string {
  const column = { op: "column", name: "n", valueType: "long" };
  return JSON.stringify({
    op,
    children: [column, { op: "literal", value: String(value), valueType: "long" }],
  });
}

async function checkHints({ profile }: Shared): Promise<void> {
  const found = await python(
    `
def count(hint): return len(delta_sharing.load_as_pandas(url, jsonPredicateHints=hint))
say([count(h) for h in sys.argv[2:]])`,
    [
      profile,
      hint("lessThan", BATCH_EVENTS),
      hint("greaterThanOrEqual", 3 * BATCH_EVENTS),
      hint("equal", -1),
      "no JSON",
    ],
  );
  assert.deepEqual(found, [BATCH_EVENTS, BATCH_EVENTS, 0, BATCHES * BATCH_EVENTS]);
}

async function checkMetadata({ profile }: Shared): Promise<void> {
  const found = (await python(
    `
m = delta_sharing.get_table_metadata(url)
say({"configuration": m.configuration, "partitions": m.partition_columns, "files": m.num_files})`,
    [profile],
  )) as { configuration: Record<string, string>; partitions: unknown; files: number };
  assert.deepEqual(found.partitions, ["ingest_date"]);
  assert.ok(found.files >= BATCHES);
  assert.equal(found.configuration["muara.idKey"], undefined, "the key of the ids is nobody's business");
  assert.equal(found.configuration["delta.deletedFileRetentionDuration"], "interval 2 hours");
}

/** Of the same table: five columns, without the one that it is partitioned by, and some of the rows. */
const PART_COLUMNS = ["n", "note", "ratio", "place", "at"];
const PART_ROWS = `n BETWEEN ${BATCH_EVENTS / 2} AND ${3 * BATCH_EVENTS} AND (note IS NOT NULL OR paid)`;

async function checkPart({ muara, folder, versions }: Shared): Promise<void> {
  const profile = join(folder, "partner.share");
  const at = ["--url", muara.url, "--token", muara.token];
  const part = `${TYPE}=shop.orders:columns=${PART_COLUMNS.join(",")}:rows=${PART_ROWS}`;
  for (const step of [
    ["share", "create", "partners", "--table", part, "--history"],
    ["share", "recipient", "partners", "partner", "--expires", "1h", "--to", profile],
  ]) {
    const { code, err } = await runMuara([...step, ...at]);
    expect(code, err).toBe(0);
  }
  const read = (await python(
    `
url = profile + "#partners.shop.orders"
names = []
def load(**more):
    frame = delta_sharing.load_as_pandas(url, **more)
    names.append(list(frame.columns))
    return rows(frame[["n", "note", "ratio", "at", "place"]])
def changes(**more):
    frame = delta_sharing.load_table_changes_as_pandas(url, **more)
    names.append([c for c in frame.columns if not c.startswith("_")])
    assert set(frame["_change_type"]) <= {"insert"}, set(frame["_change_type"])
    return rows(frame[["n", "note"]])
first, last = int(sys.argv[2]), int(sys.argv[3])
m = delta_sharing.get_table_metadata(url)
say({
    "parquet": load(), "delta": load(use_delta_format=True), "limited": len(load(limit=7)),
    "hinted": len(load(jsonPredicateHints=sys.argv[4])), "old": load(version=first),
    "all": changes(starting_version=0), "some": changes(starting_version=first + 1, ending_version=last),
    "wrapped": changes(starting_version=first + 1, ending_version=last, use_delta_format=True),
    "names": [list(t) for t in set(tuple(n) for n in names)],
    "metadata": [m.partition_columns, m.num_files, m.size],
})`,
    [profile, String(versions[0]), String(versions[1]), hint("greaterThan", 3 * BATCH_EVENTS)],
  )) as Record<string, unknown>;
  const sql = `SELECT n, note, ratio, epoch_us("at")::VARCHAR, place FROM "${TYPE}" WHERE ${PART_ROWS}`;
  const oracle = canonical(await muara.sql(`${sql} ORDER BY n`)) as unknown[][];
  const older = canonical(await muara.sql(`${sql} AND n < ${BATCH_EVENTS} ORDER BY n`)) as unknown[][];
  const second = oracle.filter(([n]) => Number(n) >= BATCH_EVENTS && Number(n) < 2 * BATCH_EVENTS);
  assert.ok(oracle.length > BATCH_EVENTS && older.length > 0 && second.length > 0);
  assert.deepEqual(read["parquet"], oracle);
  assert.deepEqual(read["delta"], oracle);
  assert.equal(read["limited"], 7);
  assert.equal(read["hinted"], 0);
  assert.deepEqual(read["old"], older);
  assert.deepEqual(read["all"], plain(oracle));
  assert.deepEqual(read["some"], plain(second));
  assert.deepEqual(read["wrapped"], plain(second));
  assert.deepEqual(read["names"], [["n", "note", "ratio", "at", "place"]]);
  assert.deepEqual(read["metadata"], [[], null, null]);
}

const keys = (): Record<string, string> => ({
  AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
});

const LAKES = [
  ["a folder", async () => startShared({})],
  [
    "S3, by its own addresses",
    async () => startShared({ MUARA_LAKE: await server.freshAddress("lake"), ...keys() }),
  ],
  [
    "S3, through Muara",
    async () =>
      startShared({ MUARA_LAKE: await server.freshAddress("lake"), ...keys() }, { delivery: "proxied" }),
  ],
] as const;

describe.each(LAKES)("a lake on %s", (_name, start) => {
  test("delta-sharing reads rows, versions, changes, hints and metadata", { timeout: 900_000 }, async () => {
    const shared = await start();
    await checkReads(shared);
    await checkChanges(shared);
    await checkHints(shared);
    await checkMetadata(shared);
    await checkPart(shared);
    expect(shared.muara.log()).not.toContain((await readFile(shared.profile, "utf8")).slice(-60, -20));
    expect((await stat(shared.profile)).mode & 0o777).toBe(0o600);
  });
});
