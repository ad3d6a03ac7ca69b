/**
 * The decoder against two others over the same log of random tables and changes: the parser of pg-logical-replication,
 * which gets the same bytes, and wal2json, which runs in the server. What they damage is listed, and nothing else.
 */
import { PgoutputPlugin } from "pg-logical-replication";
import { afterAll, beforeAll, expect, it } from "vitest";
import { connectDatabase } from "../../../adapters/pg/connection.ts";
import { PgoutputDecoder } from "../../../adapters/pg/pgoutput.ts";
import { seededRandomness } from "../../../core/clock.ts";
import { startPostgres, type PostgresServer } from "../../services/postgres.ts";
import { eventsOf, INCARNATION, makePlace, type ChangeEvent, type Place } from "./replication-place.ts";

const SEED = Number(process.env["MUARA_TEST_SEED"] ?? 11);
const TABLES = 8;
const STATEMENTS = 600;

/** Of each type, values as SQL. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  int4: ["0", "-2147483648", "42"],
  int8: ["9223372036854775807", "-1"],
  bool: ["true", "false"],
  text: ["''", "'ünï☃😀'", "E'q\"b\\\\\\n\\t\\x01'", "repeat('x', 3000)", "repeat('\"', 100)"],
  "numeric(20,4)": ["1.5", "-99999.9999", "'NaN'"],
  numeric: ["1e-30", "123456789012345678901234567890", "'Infinity'"],
  float8: ["0.1", "1e300", "'NaN'", "'-Infinity'"],
  timestamptz: ["'2026-11-22 13:00:00.123456+02'", "'2026-01-01 00:00+00'"],
  timestamp: ["'2026-11-22 13:00:00.123456'"],
  date: ["'2026-11-22'", "'1999-12-31'"],
  uuid: ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"],
  bytea: ["'\\x00ff10'", "''"],
  jsonb: [`'{"a": [1, null, "x"], "b": {"c": "ü"}}'`, "'7'"],
  json: [`'{"b":  1,\n"a":[]}'`],
  "int4[]": ["'{1,NULL,3}'", "'{}'", "'{{1,2},{3,4}}'"],
  "text[]": [`array['a,b', null, 'q"', '']`],
  interval: ["'1 mon 2 days 03:04:05.678901'"],
  inet: ["'10.0.0.1/8'"],
  int4range: ["'[1,5)'"],
  time: ["'13:00:00.5'"],
};

interface Table {
  readonly name: string;
  /** SQL type per column, the first two are the key. */
  readonly types: readonly string[];
}

/** Of one row change, as either of the others tells it: text or value per column; undefined: not told. */
interface Told {
  readonly kind: string;
  readonly table: string;
  readonly row: Readonly<Record<string, unknown>>;
}

const random = seededRandomness(SEED);
const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random.fraction() * items.length)]!;
const tables: Table[] = Array.from({ length: TABLES }, (_, i) => ({
  name: `t${i}`,
  types: [
    "int4",
    "text",
    ...Array.from({ length: 2 + Math.floor(random.fraction() * 8) }, () => pick(Object.keys(VALUES))),
  ],
}));

let server: PostgresServer;
let place: Place;
let ours: ChangeEvent[];
let theirs: Told[];
let server2json: Told[];

function valueOf(type: string): string {
  return random.fraction() < 0.15 ? "null" : `(${pick(VALUES[type]!)})::${type}`;
}

/** One statement: an insert, an update of some columns or of the key, or a delete; of a row or of many. */
function statementOf({ name, types }: Table): string {
  const roll = random.fraction();
  const where = `where c0 % ${1 + Math.floor(random.fraction() * 5)} = 0`;
  if (roll < 0.5) {
    const values = types.slice(2).map((type) => valueOf(type));
    return `insert into ${name} values (nextval('ids'), ${["'k'", ...values].join()})`;
  }
  if (roll < 0.6) return `update ${name} set c0 = nextval('ids') where c0 = (select min(c0) from ${name})`;
  if (roll < 0.65) return `update ${name} set c1 = c1 || 'x' where c0 = (select max(c0) from ${name})`;
  if (roll < 0.9) {
    const i = 2 + Math.floor(random.fraction() * (types.length - 2));
    return `update ${name} set c${i} = ${valueOf(types[i]!)} ${where}`;
  }
  return `delete from ${name} where c0 = (select min(c0) from ${name})`;
}

beforeAll(async () => {
  server = await startPostgres();
  const ddl = tables.map(({ name, types }, i) => {
    const columns = types.map((type, k) => `c${k} ${type}`).join();
    const identity = i % 3 === 2 ? "full" : "default";
    return `create table ${name} (${columns}, primary key (c0, c1)); alter table ${name} replica identity ${identity};`;
  });
  place = await makePlace(server, `create sequence ids; ${ddl.join("\n")}`);
  await place.slot("pgoutput");
  await place.client.query("select pg_create_logical_replication_slot('json', 'wal2json')");
  for (let i = 0; i < STATEMENTS; i++) {
    const many = Array.from({ length: 1 + Math.floor(random.fraction() * 4) }, () =>
      statementOf(pick(tables)),
    );
    await place.client.query(`begin; ${many.join("; ")}; ${random.fraction() < 0.1 ? "rollback" : "commit"}`);
  }
  await place.client.query("truncate t0, t1");
  await readBoth();
}, 120_000);

afterAll(() => server?.stop());

async function readBoth(): Promise<void> {
  const { address } = place;
  const client = await connectDatabase(address, { readSecret: () => Promise.resolve(""), purpose: "oracle" });
  const { rows } = await client.query<{ data: Buffer }>(
    `select data from pg_logical_slot_get_binary_changes('pgoutput', null, null,
       'proto_version', '1', 'publication_names', 'muara')`,
  );
  const decoder = new PgoutputDecoder({ shard: "shop1", incarnation: INCARNATION });
  const plugin = new PgoutputPlugin({ protoVersion: 1, publicationNames: ["muara"] });
  theirs = [];
  for (const { data } of rows) {
    const relation = decoder.decode(data, 0, data.length);
    if (relation) decoder.bind(relation, await place.bind(relation));
    theirs.push(...toldOf(plugin.parse(data)));
  }
  ours = eventsOf(decoder.batch.take());
  const { rows: lines } = await client.query<{ data: string }>(
    "select data from pg_logical_slot_get_changes('json', null, null, 'format-version', '2')",
  );
  server2json = lines.flatMap(({ data }) => toldByServer(data));
  await client.end();
}

type Parsed = ReturnType<PgoutputPlugin["parse"]>;

/** A key that was changed is a delete and an insert, as ours are. */
function toldOf(message: Parsed): Told[] {
  if (message.tag === "truncate")
    return message.relations.map(({ name }) => ({ kind: "truncate", table: name, row: {} }));
  if (message.tag !== "insert" && message.tag !== "update" && message.tag !== "delete") return [];
  const table = message.relation.name;
  if (message.tag === "insert") return [{ kind: "create", table, row: message.new }];
  const before = message.key ?? message.old;
  if (message.tag === "delete") return [{ kind: "delete", table, row: keyOf(before!) }];
  const row = message.new;
  if (!before || (before["c0"] === row["c0"] && before["c1"] === row["c1"]))
    return [{ kind: "update", table, row }];
  return [
    { kind: "delete", table, row: keyOf(before) },
    { kind: "create", table, row },
  ];
}

const keyOf = (row: Readonly<Record<string, unknown>>): Record<string, unknown> => ({
  c0: row["c0"],
  c1: row["c1"],
});

interface ServerJson {
  readonly action: string;
  readonly table: string;
  readonly columns?: readonly { readonly name: string; readonly value: unknown }[];
  readonly identity?: readonly { readonly name: string; readonly value: unknown }[];
}

function toldByServer(line: string): Told[] {
  // Numbers as text: JavaScript would round them.
  const exact = line.replaceAll(/"value":(-?\d[^,}]*)/g, '"value":"$1"');
  const { action, table, columns = [], identity = [] } = JSON.parse(exact) as ServerJson;
  const row = Object.fromEntries(columns.map(({ name, value }) => [name, value]));
  const before = Object.fromEntries(identity.map(({ name, value }) => [name, value]));
  if (action === "I") return [{ kind: "create", table, row }];
  if (action === "D") return [{ kind: "delete", table, row: keyOf(before) }];
  if (action === "T") return [{ kind: "truncate", table, row: {} }];
  if (action !== "U") return [];
  if (before["c0"] === row["c0"] && before["c1"] === row["c1"]) return [{ kind: "update", table, row }];
  return [
    { kind: "delete", table, row: keyOf(before) },
    { kind: "create", table, row },
  ];
}

/** Ours as text, as PostgreSQL shows it; undefined where it is not told. */
function ownText({ data }: ChangeEvent, name: string): unknown {
  return data[`${name}__text`] ?? data[name];
}

/**
 * What the package makes of a value of ours. Its damages: microseconds are lost; days are midnights of this machine's
 * zone; an interval becomes an object.
 */
function asPackage(type: string, own: unknown): unknown {
  if (own === null || own === undefined) return own;
  if (type === "float8") return Number(own);
  if (type === "timestamptz") return new Date(own as string);
  if (type === "timestamp") return new Date((own as string).replace(" ", "T"));
  if (type === "date") return new Date(`${own as string}T00:00:00`);
  if (type === "bytea") return Buffer.from(own as string, "base64");
  return own;
}

/**
 * What wal2json makes of it. Its damages: a json is a text, numbers that are none are null, and everything else is the
 * text that the server shows.
 */
function asServer(type: string, own: unknown, value: unknown): unknown {
  if (own === null || own === undefined) return own;
  if (type === "json" || type === "jsonb") return own === value ? value : JSON.stringify(own);
  if (type === "bytea") return Buffer.from(own as string, "base64").toString("hex");
  if (type === "timestamptz") return (own as string).replace("T", " ").replace(/\.?0*Z$/, "+00");
  return NOT_NUMBERS.has(own) ? null : own;
}

const NOT_NUMBERS: ReadonlySet<unknown> = new Set(["NaN", "Infinity", "-Infinity"]);
const typeOf = (table: string, name: string): string =>
  tables.find((one) => one.name === table)!.types[Number(name.slice(1))]!;

const brief = ({ kind, table }: Told): string => `${kind} ${table}`;

it("tells the same changes of the same tables in the same order as both", () => {
  const own = ours.map(({ source, stream }) => `${source.change} ${stream.replace("public.", "")}`);
  expect(own.length).toBeGreaterThan(STATEMENTS);
  expect(new Set(own.map((line) => line.split(" ")[0]))).toEqual(
    new Set(["create", "update", "delete", "truncate"]),
  );
  expect(own).toEqual(theirs.map(brief));
  expect(own).toEqual(server2json.map(brief));
});

it("tells the same values as the package, but for what the package damages", () => {
  const flaws: string[] = [];
  let compared = 0;
  for (const [i, { table, row }] of theirs.entries()) {
    const event = ours[i]!;
    for (const name of Object.keys(row)) {
      const type = typeOf(table, name);
      // Objects of several kinds, of which the server's text is compared below.
      if (type === "interval" && typeof row[name] === "object") continue;
      compared++;
      const isUnchanged = event.source.unchanged?.includes(name) ?? false;
      const expected = isUnchanged ? undefined : asPackage(type, ownText(event, name));
      const same = Buffer.isBuffer(expected)
        ? expected.equals(row[name] as Buffer)
        : JSON.stringify([expected]) === JSON.stringify([row[name]]) &&
          Object.is(typeof expected, typeof row[name]);
      if (!same) flaws.push(`${type} ${JSON.stringify(row[name])} ${JSON.stringify(event.data[name])}`);
    }
  }
  expect(flaws).toEqual([]);
  expect(compared).toBeGreaterThan(5_000);
});

it("tells the same values as wal2json, but for what wal2json damages", () => {
  const flaws = new Set<string>();
  let compared = 0;
  for (const [i, { table, row }] of server2json.entries()) {
    const event = ours[i]!;
    for (const name of Object.keys(event.data)) {
      if (name.endsWith("__text")) continue;
      const type = typeOf(table, name);
      compared++;
      const own = ownText(event, name);
      const expected = asServer(type, own, row[name]);
      const isSame = Array.isArray(own)
        ? typeof row[name] === "string"
        : type === "json" || type === "jsonb"
          ? JSON.stringify(row[name] === null ? null : JSON.parse(row[name] as string)) ===
            JSON.stringify(own)
          : String(expected) === String(row[name]);
      if (!isSame) flaws.add(`${type} ${JSON.stringify(row[name])} ${JSON.stringify(own)}`);
    }
  }
  expect([...flaws]).toEqual([]);
  expect(compared).toBeGreaterThan(5_000);
});
