/** Pages of a table by the time of its rows: together they are the whole table, whatever its key is. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { openDelta } from "../../../adapters/pg/delta.ts";
import { keyOf } from "../../../core/record.ts";
import { startPostgres, type PostgresServer } from "../../services/postgres.ts";
import { INCARNATION, makePlace, type Place } from "./replication-place.ts";

let server: PostgresServer;
let place: Place;
beforeAll(async () => {
  server = await startPostgres();
  place = await makePlace(
    server,
    `create extension citext;
     create table words (word citext primary key, at timestamptz not null default '2026-01-01');
     insert into words values ('b'), ('A'), ('a b'), ('C'), ('aa'), ('B1'), ('c d'), ('_'), ('Z'), ('z z')`,
  );
}, 60_000);
afterAll(() => server?.stop());

test("rows of one time are paged by a key whose type has its order from an extension", async () => {
  const delta = openDelta(place.address, { readSecret: () => Promise.resolve("") });
  const target = {
    schema: "public",
    name: "words",
    shard: "shop1",
    incarnation: INCARNATION,
    bind: place.bind,
  };
  const keys: string[] = [];
  let [after, isLast]: [readonly string[] | null, boolean] = [null, false];
  while (!isLast) {
    const asked = { column: "at", from: null, overlapMs: 0, after, rows: 3, number: 0, isWanted: () => true };
    const page = await delta.page(target, asked);
    for (let i = 0; i < (page.part?.records.count ?? 0); i++)
      keys.push(Buffer.from(keyOf(page.part!.records, i)!).toString());
    after = page.last ?? after;
    ({ isLast } = page);
  }
  await delta.close();
  const found = await place.client.query(
    `select json_build_array('shop1', word::text)::text as key from words order by at, word`,
  );
  const rows = found.rows as { key: string }[];
  expect(keys.map((key) => JSON.parse(key) as unknown)).toEqual(
    rows.map(({ key }) => JSON.parse(key) as unknown),
  );
});
