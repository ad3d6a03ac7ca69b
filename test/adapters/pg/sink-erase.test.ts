/** What an erasure takes from a target, and what it must never take or miss; the oracle is what psql would show. */
import { expect, test } from "vitest";
import type { SinkErasure } from "../../../core/ports/sink.ts";
import { CAPTURED_ENVELOPE, column, eachSinkStand, sinkBatch } from "./sink-stand.ts";

const never = new AbortController().signal;
const COLUMNS = [column("event_id"), column("email"), column("n", "long")];
const it = eachSinkStand();

function erasureOf(name: string, value: string, columns = COLUMNS): SinkErasure {
  return { id: `${name}.${value}`, column: name, value, columns, hasDelivered: true };
}

test("columns of any type are compared whole: a blank-padded text, bits, a point, XML", async () => {
  await it.sql(`create schema ods; create table ods.t
    (event_id text primary key, code char(4), bits bit(3), place point, doc xml, area circle);
    insert into ods.t values ('1', 'ab', B'101', '(1,2)', '<a/>', '<(0,0),1>'),
      ('2', 'a', B'100', '(1,3)', '<b/>', '<(5,5),1>'), ('3', 'abcd', B'111', '(2,2)', '<c/>', '<(0,0),2>')`);
  const columns = ["event_id", "code", "bits", "place", "doc", "area"].map((name) => column(name));
  const sink = it.open({ table: "ods.t", mode: "append" });
  await sink.write(sinkBatch(0, columns, [{ event_id: "4", code: "zz" }]), never);
  const left = async (name: string, value: string): Promise<string> => {
    expect(await sink.erase!(erasureOf(name, value, columns), never)).toEqual({ rows: 1 });
    return String((await it.sql("select string_agg(event_id, ',' order by 1) as ids from ods.t"))[0]!["ids"]);
  };
  expect(await left("code", "abcd")).toBe("1,2,4");
  await it.sql("insert into ods.t values ('3', 'abcd', B'111', '(2,2)', '<c/>', '<(0,0),2>')");
  expect(await left("bits", "111")).toBe("1,2,4");
  expect(await left("place", "(1,3)")).toBe("1,4");
  await it.sql("insert into ods.t values ('2', 'a', B'100', '(1,3)', '<b/>', '<(5,5),1>')");
  expect(await left("doc", "<b/>")).toBe("1,4");
  await it.sql("insert into ods.t values ('2', 'a', B'100', '(1,3)', '<b/>', '<(5,5),1>')");
  expect(await left("area", "<(5,5),1>")).toBe("1,4");
});

test("of changes that are kept, those that say what the row was go, too", async () => {
  const columns = [...CAPTURED_ENVELOPE, column("email")];
  const sink = it.open({ table: "ods.t", mode: "append" });
  const source = { shard: "a", incarnation: 1n, lsn: 8n, index: 0n, change: "update" };
  const rows = [
    { event_id: "1", email: "a@x", before: null },
    { event_id: "2", email: "b@x", before: '{"email":"a@x"}' },
    { event_id: "3", email: "c@x", before: '{"email":"b@x"}' },
  ];
  await sink.write(
    sinkBatch(
      0,
      columns,
      rows.map((row) => ({ ...row, source })),
    ),
    never,
  );
  expect(await sink.erase!(erasureOf("email", "a@x", columns), never)).toEqual({ rows: 2 });
  expect(await it.sql("select event_id from ods.t")).toEqual([{ event_id: "3" }]);
});

test("it takes as long as it takes", async () => {
  const sink = it.open({ table: "ods.t", mode: "append" }, "d1", 700);
  await sink.write(sinkBatch(0, COLUMNS, [{ event_id: "1", email: "a@x", n: 1n }]), never);
  await it.sql(`create function ods.slow() returns trigger language plpgsql as
      $$ begin perform pg_sleep(1.5); return old; end $$;
    create trigger slow before delete on ods.t for each row execute function ods.slow()`);
  expect(await sink.erase!(erasureOf("email", "a@x"), never)).toEqual({ rows: 1 });
});

test("a target that does not know the delivery says so, where it has delivered", async () => {
  const sink = it.open({ table: "ods.t", mode: "append" });
  expect(await sink.erase!({ ...erasureOf("email", "a@x"), hasDelivered: false }, never)).toEqual({
    rows: 0,
  });
  await sink.write(sinkBatch(0, COLUMNS, [{ event_id: "1", email: "a@x", n: 1n }]), never);
  await sink.close();
  await it.sql("drop schema muara cascade");
  expect(await sink.erase!(erasureOf("email", "a@x"), never)).toMatchObject({
    reason: expect.stringContaining("does not know the delivery"),
  });
  expect(await it.sql("select event_id from ods.t")).toEqual([{ event_id: "1" }]);
});

test("what is in the way is told", async () => {
  const sink = it.open({ table: "ods.t", mode: "append" });
  await sink.write(sinkBatch(0, COLUMNS, [{ event_id: "1", email: "a@x", n: 1n }]), never);
  await it.sql(`create table ods.other (id text references ods.t); insert into ods.other values ('1')`);
  expect(await sink.erase!(erasureOf("email", "a@x"), never)).toMatchObject({
    reason: expect.stringContaining("foreign key"),
  });
});
