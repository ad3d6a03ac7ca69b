/**
 * An event type that is declared anew while its events come in and the process is killed at whatever it does: asking
 * for the change, writing files anew, committing the columns, landing. Every acknowledged event is one row, under the
 * last schema; and readers that know nothing of us see the same table, old files with NULL where there was nothing.
 */
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { seededRandomness } from "../../core/clock.ts";
import { eventually, type MuaraProcess, spawnMuara, startMuara, temporaryFolder } from "../services/muara.ts";
import { runPython } from "../services/python.ts";

type Json = Record<string, unknown>;

const TYPE = "order.created";
const BATCH = 20;
/** Each is compatible with the one before; files are written anew for the third and the fifth. */
const STEPS: readonly Json[] = [
  { n: { type: "integer" }, place: { type: "object", properties: { city: { type: "string" } } } },
  { n: { type: "integer" }, place: place({}), note: { type: "string" } },
  { n: decimal("24,2"), place: place({}), note: { type: "string" } },
  { n: decimal("24,2"), place: place({ zip: { type: "string" } }), note: { type: "string" } },
  {
    n: decimal("30,4"),
    place: place({ zip: { type: "string" } }),
    note: { type: "string" },
    tags: strings(),
  },
];
const VERSIONS = ["1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0"];

function place(more: Json): Json {
  return { type: "object", properties: { city: { type: "string" }, floor: { type: "integer" }, ...more } };
}
function decimal(digits: string): Json {
  return { type: "number", format: `decimal(${digits})` };
}
function strings(): Json {
  return { type: "array", items: { type: "string" } };
}

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** Event `n` as of a version, as every reader shall see it: [n, city, floor, zip, note, tags]. */
function cellsOf(n: number, version: number): (string | null)[] {
  const has = (since: number, text: string): string | null => (version >= since ? text : null);
  const number = version >= 4 ? `${n}.0001` : version >= 2 ? `${n}.2500` : `${n}.0000`;
  return [
    number,
    `c${n % 3}`,
    has(1, String(n % 9)),
    has(3, `z${n}`),
    has(1, `note ${n}`),
    has(4, `t${n},u`),
  ];
}

function eventOf(n: number, version: number): string {
  const eid = `00000000-0000-4000-8000-${n.toString(16).padStart(12, "0")}`;
  const [number, city, floor, zip, note, tags] = cellsOf(n, version);
  const address = {
    city,
    ...(floor === null ? {} : { floor: Number(floor) }),
    ...(zip === null ? {} : { zip }),
  };
  const fields = {
    metadata: { eid, occurred_at: new Date(Date.UTC(2026, 2, 1) + n).toISOString() },
    place: address,
    ...(note === null ? {} : { note }),
    ...(tags === null ? {} : { tags: tags!.split(",") }),
  };
  // Digits as they are: a JavaScript number has none to spare.
  return `{"n":${version < 2 ? n : number},${JSON.stringify(fields).slice(1)}`;
}

const declaration = (version: number): string =>
  JSON.stringify({
    name: TYPE,
    owning_application: "shop",
    category: "business",
    schema: { type: "json_schema", schema: JSON.stringify({ type: "object", properties: STEPS[version] }) },
  });

/** The same until it is answered with one of `statuses`; the process may be another one each time. */
async function insist(
  muara: () => MuaraProcess,
  method: string,
  path: string,
  body: string,
  statuses: readonly number[],
): Promise<void> {
  await eventually(`${method} ${path}`, 120_000, async () => {
    try {
      const answer = await muara().fetch(path, { method, body });
      const text = await answer.text();
      if (answer.status >= 400 && answer.status < 500 && !statuses.includes(answer.status))
        throw new Error(`${method} ${path}: ${answer.status} ${text}`, { cause: "answered" });
      return statuses.includes(answer.status);
    } catch (error) {
      if (error instanceof Error && error.cause === "answered") throw error;
      return false; // killed meanwhile
    }
  });
}

const FOREIGN = `
import sys, json, duckdb, pathlib, duckdb_extension_delta, polars as pl
from deltalake import DeltaTable
where = sys.argv[1]
t = lambda v: None if v is None else str(v)
def cells(r):
    place = r["place"] or {}
    tags = None if r["tags"] is None else ",".join(r["tags"])
    return [t(r["n"]), place.get("city"), t(place.get("floor")), place.get("zip"), r["note"], tags]
def show(rows): return [cells(r) for r in sorted(rows, key=lambda r: r["event_id"])]
c = duckdb.connect()
c.execute(f"LOAD '{next(pathlib.Path(duckdb_extension_delta.__file__).parent.rglob('*.duckdb_extension'))}'")
found = c.execute(f"SELECT event_id, n, place, note, tags FROM delta_scan('{where}')").fetchall()
print(json.dumps({
    "delta-rs": show(DeltaTable(where).to_pyarrow_table().to_pylist()),
    "Polars": show(pl.scan_delta(where).collect().to_dicts()),
    "DuckDB": show([dict(zip(["event_id", "n", "place", "note", "tags"], row)) for row in found]),
}))
`;

test(
  "killed anywhere while its type grows, a table has every event once, for every reader",
  { timeout: 600_000 },
  async () => {
    const folder = await temporaryFolder("evolution");
    cleanups.push(folder.remove);
    const environment = { MUARA_LAND_COMMIT_MS: "50" };
    let muara = await startMuara(folder.path, environment);
    cleanups.push(() => muara.kill());
    const chance = seededRandomness(Number(process.env["MUARA_SEED"] ?? 11));
    const expected: (string | null)[][] = [];
    const batchOf = (version: number): string => {
      const events = Array.from({ length: BATCH }, () => {
        const n = expected.push([]);
        expected[n - 1] = cellsOf(n, version);
        return eventOf(n, version);
      });
      return `[${events.join(",")}]`;
    };
    const publish = (version: number): Promise<void> =>
      insist(() => muara, "POST", `/event-types/${TYPE}/events`, batchOf(version), [200]);
    /** Kills it after a while, and once more on its way up. */
    const disturb = async (): Promise<void> => {
      await new Promise((wake) => setTimeout(wake, chance.fraction() * 500));
      await muara.kill();
      const { child, ready } = spawnMuara(folder.path, environment);
      ready.catch(() => undefined);
      await new Promise((wake) => setTimeout(wake, 100 + chance.fraction() * 900));
      child.kill("SIGKILL");
      await new Promise((done) =>
        (child.exitCode ?? child.signalCode) ? done(0) : child.once("exit", done),
      );
      muara = await startMuara(folder.path, environment);
    };
    await insist(() => muara, "POST", "/event-types", declaration(0), [201]);
    await publish(0);
    for (let version = 1; version < STEPS.length; version++) {
      const disturbed = disturb();
      await insist(() => muara, "PUT", `/event-types/${TYPE}`, declaration(version), [200]);
      await publish(version);
      await disturbed;
      await publish(version - 1); // a producer that has not heard of it
      await publish(version);
    }
    const query = `SELECT CAST(n AS VARCHAR), place.city, CAST(place.floor AS VARCHAR), place.zip, note,
    array_to_string(tags, ',') FROM "${TYPE}" ORDER BY event_id`;
    await eventually("everything lands", 120_000, async () => {
      const [row] = await muara.sql(`SELECT count(*) FROM "${TYPE}"`).catch(() => [["0"]]);
      return row![0] === String(expected.length);
    });
    expect(await muara.sql(query)).toEqual(expected);
    const schemas = (await (await muara.fetch(`/event-types/${TYPE}/schemas`)).json()) as {
      items: { version: string }[];
    };
    expect(schemas.items.map(({ version }) => version)).toEqual(VERSIONS.toReversed());
    const [books] = ((await (await muara.fetch(`/v1/books?event_type=${TYPE}`)).json()) as { items: Json[] })
      .items;
    expect(books).toMatchObject({ landed: expected.length, dead_letters: 0, in_flight: 0, balanced: true });
    await muara.stop();
    const foreign = (await runPython(FOREIGN, [join(folder.path, "lake", TYPE)])) as Record<string, unknown>;
    for (const reader of ["delta-rs", "Polars", "DuckDB"]) expect(foreign[reader], reader).toEqual(expected);
  },
);
