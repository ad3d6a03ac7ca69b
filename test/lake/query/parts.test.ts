/**
 * What is hidden does not show, by no question: two lakes that differ only in what a principal may not see must give
 * them the same answers, errors word by word included. So no attack needs an expected answer, and none can be
 * expected wrongly. That the answers are the right ones is what the tables in plain lists below say.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Grant, Principal } from "../../../core/authorize.ts";
import { MuaraError } from "../../../core/errors.ts";
import type { QueryRequest, QueryService } from "../../../lake/query/service.ts";
import { ADMIN, makeTinyLake, schemaOf, type TinyLake, type TinyTable } from "./tiny-lake.ts";

const ROWS = 400;
const HOUR = 3_600_000;
const NOW = Date.now();

interface Row {
  readonly id: number;
  readonly country: string;
  readonly note: string;
  readonly n: bigint;
  readonly json: string;
  readonly mail: string;
  readonly day: string;
}

/** Hidden are the rows of FR, and everywhere the column `mail`. `other`: the lake in which they are different. */
function ordersOf(other: boolean): readonly Row[] {
  const visible = Array.from({ length: ROWS }, (_, i) => ({
    id: i,
    country: "DE",
    note: `${i % 7}`,
    n: BigInt(i % 5),
    json: '{"a":1}',
    mail: other ? "y@example.org" : `x${i}@example.org`,
    day: i % 2 === 0 ? "2026-01-01" : "2026-01-02",
  }));
  const hidden = Array.from({ length: other ? 90 : 300 }, (_, i) => ({
    id: (other ? 5_000 : 1_000) + i,
    country: "FR",
    // What makes functions fail, in one of the two lakes.
    note: other ? "1" : "(secret",
    n: other ? 1n : 9_223_372_036_854_775_807n,
    json: other ? "{}" : "{secret",
    mail: other ? "z@example.org" : "secret@example.org",
    day: i % 2 === 0 ? "2026-01-01" : "2026-01-02",
  }));
  return [...visible, ...hidden].toSorted((a, b) => ((a.id * 7919) % 1_009) - ((b.id * 7919) % 1_009));
}

function tableOf(name: string, rows: readonly Row[]): TinyTable {
  const fileOf = (day: string, ingestMs: number) => {
    const own = rows.filter((row) => row.day === day);
    return {
      day,
      columns: [
        { name: "id", data: own.map(({ id }) => id), type: "INT32" as const },
        { name: "country", data: own.map(({ country }) => country) },
        { name: "note", data: own.map(({ note }) => note) },
        { name: "n", data: own.map(({ n }) => n), type: "INT64" as const },
        { name: "json", data: own.map(({ json }) => json) },
        { name: "mail", data: own.map(({ mail }) => mail) },
        { name: "ingest_time", data: own.map(() => new Date(ingestMs)) },
      ],
    };
  };
  return {
    name,
    schemaString: schemaOf({
      id: "integer",
      country: "string",
      note: "string",
      n: "long",
      json: "string",
      mail: "string",
      ingest_time: "timestamp",
      ingest_date: "date",
    }),
    versions: [
      { timestampMs: NOW - 5 * HOUR, files: [fileOf("2026-01-01", NOW - 5 * HOUR)] },
      { timestampMs: NOW - HOUR, files: [fileOf("2026-01-02", NOW - HOUR)] },
    ],
  };
}

const on = (name: string, part: Partial<Grant> = {}): Grant => ({
  action: "read",
  kind: "table",
  name,
  ...part,
});
const VISIBLE = ["id", "Country", "note", "n", "json", "ingest_time", "ingest_date"];
const CONDITION = "country = 'DE' -- ours";
const limited: Principal = {
  id: "token:limited",
  grants: [on("my.orders", { columns: VISIBLE, rows: CONDITION }), on("free")],
};

let lakes: readonly TinyLake[];
let services: readonly QueryService[];
const idle = new AbortController().signal;

beforeAll(async () => {
  lakes = await Promise.all(
    [false, true].map((other) =>
      makeTinyLake([
        tableOf("my.orders", ordersOf(other)),
        tableOf("hidden", ordersOf(other)),
        { ...tableOf("free", []), versions: [{ timestampMs: NOW, files: [] }] },
      ]),
    ),
  );
  services = lakes.map((lake) => lake.service({ warm: 1, timeoutMs: 90_000 }));
  for (const service of services)
    await service.declareViews({
      german: { sql: "SELECT id, note, n FROM my_orders WHERE n < 4 -- all", description: "" },
      mails: { sql: "SELECT id, mail FROM my_orders", description: "" },
      both: { sql: 'SELECT g.id FROM german AS g JOIN "my.orders" USING (id)', description: "" },
      closed: { sql: "SELECT * FROM hidden", description: "" },
    });
}, 60_000);

afterAll(async () => {
  await Promise.all(lakes.map((lake) => lake.close()));
});

async function ask(service: QueryService, request: Omit<QueryRequest, "format" | "principal">, by = limited) {
  try {
    const { columns, rows, versions, isTruncated } = await service.rows({ principal: by, ...request }, idle);
    return { columns, rows, versions, isTruncated };
  } catch (error) {
    if (!(error instanceof MuaraError)) throw error;
    const { code, message, details } = error;
    return { code, message, details };
  }
}

const T = '"my.orders"';
/** A condition that fails, or is true, for hidden rows only. */
const TELLING = [
  "regexp_matches('a', note)",
  "regexp_replace('a', note, 'b') = 'c'",
  "regexp_full_match('a', CASE WHEN note LIKE '(s%' THEN '(' ELSE 'b' END)",
  "string_split_regex('a', note) IS NULL",
  "list_filter([note], lambda x: regexp_matches('a', x)) IS NULL",
  "note::INTEGER >= 0",
  "n + 1 < 0",
  "n::INTEGER = 2",
  "epoch_ms(n) IS NULL",
  "to_timestamp(n) IS NULL",
  "json_extract(json, '$.a') IS NULL",
  "json::JSON IS NULL",
  "repeat(note, n) = 'x'",
  "factorial(n::INTEGER) = 3",
  "country = 'FR'",
];
const ATTACKS = [
  ...TELLING.flatMap((telling) => [
    `SELECT count(*) FROM ${T} WHERE ${telling}`,
    `SELECT count(*) FILTER (WHERE ${telling}), sum(CASE WHEN ${telling} THEN 1 END) FROM my_orders`,
  ]),
  `SELECT id FROM ${T} WHERE n = 9223372036854775807`,
  `SELECT count(*), min(n), max(n), max(id), min(note), max(json) FROM ${T}`,
  `SELECT country, count(*) FROM MY_ORDERS GROUP BY ALL ORDER BY ALL`,
  `SELECT note, n FROM ${T} ORDER BY n DESC, note DESC, id LIMIT 5`,
  `SELECT count(*) FROM ${T} TABLESAMPLE 100%`,
  `SELECT approx_count_distinct(id), histogram(n) FROM ${T}`,
  `SELECT * FROM ${T} ORDER BY id DESC LIMIT 3`,
  `SELECT o FROM ${T} AS o ORDER BY id DESC LIMIT 2`,
  `SELECT * FROM ${T} AS o(a, b, c) ORDER BY a DESC LIMIT 2`,
  `SELECT COLUMNS('m.*') FROM ${T}`,
  `SELECT mail FROM ${T}`,
  `SELECT Mail FROM my_orders`,
  `SELECT mial FROM my_orders`,
  `SELECT o.mail FROM ${T} AS o`,
  `SELECT count(*) FROM ${T} WHERE mail LIKE 's%'`,
  `SELECT id FROM ${T} ORDER BY mail`,
  `SELECT * EXCLUDE (mail) FROM ${T} ORDER BY id LIMIT 1`,
  `SELECT filename, file_row_number FROM ${T}`,
  `SELECT max(rowid) FROM ${T}`,
  `DESCRIBE ${T}`,
  `DESCRIBE SELECT * FROM my_orders`,
  `SUMMARIZE my_orders`,
  "SHOW TABLES",
  "SELECT * FROM hidden",
  "SELECT * FROM hiden",
  'SELECT * FROM main."my.orders"',
  "SELECT * FROM muara_visible_0",
  "SELECT * FROM duckdb_views()",
  "SELECT * FROM read_parquet('x')",
  "SELECT * FROM parquet_metadata('x')",
  "SELECT getvariable('muara_files_0_0')",
  `SELECT a.id FROM ${T} AS a JOIN my_orders AS b ON a.id = b.n WHERE a.id > 300 ORDER BY ALL`,
  `SELECT count(*) FROM ${T} AS a LEFT JOIN free AS b ON a.id = b.id`,
  `SELECT count(*) FROM free WHERE id IN (SELECT id FROM ${T})`,
  `WITH t AS (SELECT * FROM ${T}) SELECT count(*), sum(n) FROM t`,
  `PIVOT ${T} ON country USING count(*) GROUP BY n ORDER BY n`,
  `SELECT count(*), max(n) FROM german`,
  `SELECT * FROM german ORDER BY id DESC LIMIT 2`,
  `SELECT * FROM mails`,
  `SELECT id FROM mails`,
  `SELECT count(*) FROM both`,
  `SELECT * FROM closed`,
];

describe("two lakes that differ in what is hidden", () => {
  test.each(ATTACKS)("%s", { timeout: 120_000 }, async (sql) => {
    const [one, other] = await Promise.all(services.map((service) => ask(service, { sql })));
    expect(one).toEqual(other);
    expect(JSON.stringify(one)).not.toContain("secret");
    const said = "message" in one! ? `${one.message} ${JSON.stringify(one.details)}` : "";
    expect(said).not.toMatch(/DE'|example/);
  });

  test.each([0, 1, new Date(NOW - 2 * HOUR).toISOString(), new Date(NOW - 4.5 * HOUR).toISOString()])(
    "at %s",
    { timeout: 120_000 },
    async (at) => {
      const sql = `SELECT count(*), sum(n), max(id) FROM german`;
      const [one, other] = await Promise.all(services.map((service) => ask(service, { sql, at })));
      expect(one).toEqual(other);
      const days = at === 1 ? ["2026-01-01", "2026-01-02"] : ["2026-01-01"];
      const seen = ordersOf(true).filter(
        ({ country, n, day }) => country === "DE" && n < 4n && days.includes(day),
      );
      expect(one).toMatchObject({
        rows: [
          [
            String(seen.length),
            String(seen.reduce((sum, { n }) => sum + Number(n), 0)),
            Math.max(...seen.map(({ id }) => id)),
          ],
        ],
      });
    },
  );

  test("they do differ", { timeout: 120_000 }, async () => {
    for (const sql of ATTACKS.slice(0, 1)) {
      const [one, other] = await Promise.all(services.map((service) => ask(service, { sql }, ADMIN)));
      expect(one).not.toEqual(other);
    }
  });
});

describe("what is visible is all there", () => {
  test("rows and columns of the grant", { timeout: 120_000 }, async () => {
    const expected = ordersOf(false)
      .filter(({ country }) => country === "DE")
      .map(({ id, country, note, n }) => [id, country, note, String(n)])
      .toSorted((a, b) => Number(a[0]) - Number(b[0]));
    const sql = `SELECT id, country, note, n FROM ${T} ORDER BY id`;
    expect(await ask(services[0]!, { sql })).toMatchObject({ rows: expected, versions: { "my.orders": 1 } });
    const described = await ask(services[0]!, { sql: `SELECT * FROM ${T} LIMIT 1` });
    expect(described).toMatchObject({
      columns: VISIBLE.map((name) => ({ name: name.toLowerCase() })),
    });
  });

  test(
    "of several parts a cell is there iff one gives its row and its column",
    { timeout: 120_000 },
    async () => {
      const principal: Principal = {
        id: "p",
        grants: [
          on("my.orders", { columns: ["id", "n"], rows: "id < 100" }),
          on("my.orders", { columns: ["id", "note"], rows: "id >= 50 AND id < 150" }),
          on("my.orders", { columns: ["country"], rows: "id = 7" }),
          on("my.orders", { columns: ["gone"], rows: "id >= 0" }),
        ],
      };
      const expected = ordersOf(false)
        .filter(({ id }) => id < 150)
        .toSorted((a, b) => a.id - b.id)
        .map(({ id, country, note, n }) => [
          id,
          id === 7 ? country : null,
          id >= 50 ? note : null,
          id < 100 ? String(n) : null,
        ]);
      const sql = "SELECT * FROM my_orders ORDER BY id";
      expect(await ask(services[0]!, { sql }, principal)).toMatchObject({
        columns: [{ name: "id" }, { name: "country" }, { name: "note" }, { name: "n" }],
        rows: expected,
      });
      expect(
        await ask(services[0]!, { sql: "SELECT count(note), count(n), count(*) FROM my_orders" }, principal),
      ).toMatchObject({ rows: [["100", "100", "150"]] });
    },
  );

  test("a condition that does not fit the table any more gives nothing", { timeout: 120_000 }, async () => {
    for (const rows of ["gone = 1", "true) OR (true", "id IN (SELECT id FROM hidden)", "random() < 2"]) {
      const principal = { id: "p", grants: [on("my.orders", { rows })] };
      const answer = await ask(services[0]!, { sql: `SELECT count(*) FROM ${T}` }, principal);
      expect(answer, rows).toMatchObject({ code: "sql.failed", message: expect.not.stringContaining(rows) });
    }
  });
});
