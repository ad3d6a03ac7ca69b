import { afterAll, beforeAll, expect, test } from "vitest";
import { type PostgresServer, startPostgres } from "../../../services/postgres.ts";
import { openWorld, type World } from "./mirror-world.ts";

const TABLE = `
  create type mood as enum ('sad', 'so so', 'happy');
  create domain price as numeric(10,2);
  create domain ratio as real;
  create type pair as (a int, b text);
  create table everything (
    id bigint primary key, t text, v varchar(20), c char(6), b bool, i2 int2, i4 int4, n numeric, n52 numeric(5,2),
    n22 numeric(2,2), n38 numeric(38,10), n40 numeric(40,3), m5 numeric(5,-2), f4 real, f8 double precision,
    d date, ts timestamp, tz timestamptz, tm time, tmz timetz, iv interval, by bytea, j json, jb jsonb, u uuid,
    e mood, p price, r ratio, co pair, bits bit(5), vb varbit, mo money, inet inet, cidr cidr, mac macaddr,
    rng int4range, pt point, bx box, x xml, tv tsvector, o oid, nm name, ch "char",
    ai int[], at text[], an numeric(6,2)[], af float8[], ad date[], atz timestamptz[], aj jsonb[], ab bytea[],
    abool bool[], ac char(4)[], am mood[], abx box[], "odd name" text, "Extra" int, data_op text, "we""ird" text)`;

let server: PostgresServer;
let world: World;

beforeAll(async () => {
  server = await startPostgres();
  const database = await server.freshDatabase();
  await server.sql(TABLE, [], database);
  await server.sql(ROWS, [], database);
  world = await openWorld(server, database);
}, 60_000);

afterAll(async () => {
  await world?.close();
  await server?.stop();
});

const ROWS = String.raw`
  insert into everything (id) values (1);
  insert into everything (id, t, v, c, "odd name", data_op, "we""ird") values
    (10, '', '', '', '', '', ''), (11, ' a ', 'é𝄞', 'ab', E'tab\tnew\nline\r\\ "q"', 'C', 'x'),
    (12, E'\x1f', E'\x1fs', E'\x1fe', E'\x01\x7f', 'null', '~'), (13, repeat('long ', 4000), '~', 'abcdef', 'null',
      '', '');
  insert into everything (id, b, i2, i4, "Extra", o, ch, nm) values (20, true, -32768, 2147483647, 7, 4294967295,
      'x', 'n'),
    (21, false, 32767, -2147483648, 0, 0, '', ''), (9223372036854775807, null, 0, 0, -1, 1, null, null),
    (-9223372036854775808, null, 0, 0, -1, 1, null, null);
  insert into everything (id, n, n52, n22, n38, n40, m5, p) values
    (30, 1.0, 1.5, 0.5, 1234567890123456789012345678.0123456789, 1, 12300, 3), (31, 1.00, -0.05, -0.05,
      -0.0000000001, 0.001, -100, 0.1),
    (32, 'NaN', 'NaN', 'NaN', 'NaN', 'NaN', 'NaN', 'NaN'), (33, 'Infinity', 0, 0, 0, 0, 0, 0), (34, 1e300, 999.99,
      .99, 1, 1, 1, 1),
    (35, 100, 100, 0.10, 100, 100, 100, 100), (36, 0.000, 0.00, 0.00, 0, 0, 0, -0.00);
  insert into everything (id, f4, f8, r) values (40, 0.1, 0.1, 0.1), (41, 'NaN', 'NaN', 'NaN'), (42, 'Infinity',
      '-Infinity', 'Infinity'),
    (43, 3.4e38, 1.7976931348623157e308, 1e-45), (44, -0.0, -0.0, 1), (45, 1e-40, 5e-324, 1e10), (46, 16777217,
      9007199254740993, 2),
    (47, 1e20, 1e20, 1e5), (48, 0, 2.5e-310, 0), (49, 1.5, 123456789.123456789, 3);
  insert into everything (id, d, ts, tz, tm, tmz, iv) values
    (50, '2026-11-22', '2026-11-22 10:00', '2026-11-22 10:00:00.123456+02', '10:00', '10:00+02',
      '1 year 2 mons 3 days 04:05:06.7'),
    (51, '0001-01-01', '0001-01-01', '0001-01-01 00:00:00+00', '24:00', '00:00:00.000001-12', '-1 day'),
    (52, '9999-12-31', '9999-12-31', '9999-12-31 23:59:59.999999+00', '00:00', '23:59+00', '0'),
    (53, 'infinity', 'infinity', '-infinity', null, null, null), (54, '0044-03-15 BC', '0044-03-15 BC',
      '0044-03-15 BC', null, null, null),
    (55, '10000-01-01', '294276-12-31', '10000-01-01 00:00:00+00', null, null, null), (56, null, null,
      '1969-12-31 23:59:59.999999+00', null, null, null),
    (57, '1970-01-01', null, '1970-01-01', null, null, null);
  insert into everything (id, by, j, jb, u, e, co, bits, vb, mo, inet, cidr, mac, rng, pt, bx, x, tv) values
    (60, '\x', '{}', '{}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'so so', row(null,null), '10101', '1', '12.34',
      '10.0.0.1/8', '10.0.0.0/8',
      '08:00:2b:01:02:03', '[1,5)', '(1,2)', '(1,1),(0,0)', '<a>b</a>', 'a fat cat'),
    (61, decode(repeat('00ff', 200), 'hex'), E'{"b" :  1,\n "a":[1.0, 1e5]}',
      '{"b": 1, "a": [1.0, 100000.0], "n": 9007199254740993}',
      null, 'sad', row(1,'x "y"'), '00000', '', '-1', '::1', '::/0', null, 'empty', '(0.1,-0)', null, '', ''),
    (62, '\x00', 'null', 'null', null, null, null, null, null, null, null, null, null, '(,)', null, null, null, null),
    (63, '\x01', '"null"', '"text \u00e9 \n"', null, null, null, null, null, null, null, null, null, null, null,
      null, null, null),
    (64, '\x0102', '{"a":1,"a":2}', '1.50', null, null, null, null, null, null, null, null, null, null, null, null,
      null, null),
    (65, '\x010203', '[]', 'true', null, null, null, null, null, null, null, null, null, null, null, null, null, null),
    (66, null, '"\ud83d"', '[[[]]]', null, null, null, null, null, null, null, null, null, null, null, null, null,
      null);
  insert into everything (id, ai, at, an, af, ad, atz, aj, ab, abool, ac, am, abx) values
    (70, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'),
    (71, '{1,NULL,3}', '{"",NULL,"NULL","a,b","\"q\"","\\",é}', '{1.50,NULL}', '{1,-0,1e20,5e-324}',
      '{2026-01-01,NULL}',
      '{2026-01-01 00:00:00.5+00}', array['{"a": 1}'::jsonb, 'null', null, '"x"'], array['\x00ff'::bytea, null],
      '{t,f,NULL}', '{a,abcd}', '{"so so",NULL}',
      '{(1,1),(0,0);(2,2),(1,1)}'),
    (72, '{{1,2},{3,4}}', '{{{a},{b}},{{c},{NULL}}}', '[0:1]={1,2}', '{NaN}', '{infinity}',
      '{infinity,2026-01-01 00:00:00+00}', null, null, '{{t},{f}}', null, null, null),
    (73, '[2:3][0:1]={{1,2},{3,4}}', array[E'a\nb\x01\x1f'], '{NaN}', '{Infinity}', '{0044-03-15 BC}', null,
      array[E'[1,\n2]'::jsonb], null, null, null, null, null)`;

test("every type: what is the same has the same sums, whatever holds it", async () => {
  const snapshot = await world.snapshot();
  const table = await snapshot.table("public", "everything");
  expect(table.key).toEqual(["id"]);
  const rows = await world.texts(table);
  await world.tell(
    table,
    rows.map((row) => ({ change: "create", row })),
  );
  const compared = await world.compare(table, snapshot.lsn);
  await snapshot.close();
  expect(compared.differences).toEqual([]);
  expect(compared).toMatchObject({ isEqual: true, source: { rows: rows.length }, lake: compared.source });
}, 60_000);
