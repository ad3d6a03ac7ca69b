/** The commands that take something away, against the whole program: what they print, and with which exit code. */
import assert from "node:assert/strict";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../../core/clock.ts";
import { type CommandResult, runCommand } from "../run-command.ts";
import { orderEvent, orderType, startStack, type Stack } from "../stack.ts";

const TYPE = "ORDER_PLACED";

let stack: Stack;

/** Runs a command line as a process would, in this one. */
const muara = (argv: readonly string[], input = ""): Promise<CommandResult> =>
  runCommand(argv, { MUARA_URL: stack.url, MUARA_DATA: stack.data }, input);

const first = (out: string): unknown => (JSON.parse(out) as unknown[])[0];

async function rows(): Promise<readonly number[]> {
  const { out } = await muara(["sql", `SELECT number FROM ${TYPE} ORDER BY number`, "-o", "json"]);
  return (JSON.parse(out) as { number: string | number }[]).map(({ number }) => Number(number));
}

beforeAll(async () => {
  stack = await startStack();
  await stack.call("POST", "/event-types", orderType(TYPE, 1));
  for (const from of [0, 4]) {
    const events = [0, 1, 2, 3].map((i) => orderEvent(from + i, String(from + i)));
    const sent = await muara(["send", TYPE, "-"], events.join("\n"));
    assert.equal(sent.code, 0, sent.err);
    await stack.settled(TYPE);
  }
}, 120_000);

afterAll(() => stack?.close());

test("rollback tells what would go, takes it, and refuses what is no version", async () => {
  const { out } = await muara(["table", "history", TYPE, "-o", "json"]);
  const history = JSON.parse(out) as { version: number; rows_added: number }[];
  const to = String(history.find(({ rows_added: added }) => added > 0)!.version - 1);
  const told = await muara(["table", "rollback", TYPE, "--to", to, "--dry-run", "-o", "json"]);
  expect(told).toMatchObject({ code: 0, err: "4 rows would go\n" });
  expect(await rows()).toHaveLength(8);
  const rolled = await muara(["table", "rollback", TYPE, "--to", to, "--yes", "-o", "json"]);
  expect(rolled.err).toMatch(/^4 rows went with version \d+\n$/);
  expect(first(rolled.out)).toMatchObject({ rows: 4, to: Number(to) });
  expect(await rows()).toEqual([0, 1, 2, 3]);
  expect((await muara(["table", "rollback", TYPE, "--to", "yesterday", "--yes"])).code).toBe(2);
  expect((await muara(["table", "rollback", TYPE])).code).toBe(2);
  expect((await muara(["table", "rollback", TYPE, "--to", "99999", "--yes"])).code).toBe(3);
  expect((await muara(["table", "rollback", "nothing", "--to", "0", "--yes"])).code).toBe(3);
}, 120_000);

test("erase tells what would go, takes it from the log, too, and refuses what the table has not", async () => {
  const where = ["--where", "note=n2", "--reason", "asked for it"];
  const told = await muara(["erase", TYPE, ...where, "--dry-run", "-o", "json"]);
  expect(told.code).toBe(0);
  expect(first(told.out)).toMatchObject({ dry_run: true, tables: [{ rows: 1, version: null }] });
  expect(await rows()).toEqual([0, 1, 2, 3]);
  const erased = await muara(["erase", TYPE, ...where, "--yes", "-o", "json"]);
  expect(erased).toMatchObject({ code: 0, err: "" });
  expect(first(erased.out)).toMatchObject({
    complete: true,
    log_until: null,
    tables: [{ rows: 1, log_records: 1, in_flight: 0, waiting: [] }],
  });
  expect(await rows()).toEqual([0, 1, 3]);
  const again = await muara(["erase", TYPE, ...where, "--yes"]);
  expect(again.out).toMatch(/^complete +true$/m);
  expect((await muara(["erase", TYPE, "--where", "=x", "--reason", "r", "--yes"])).code).toBe(2);
  expect((await muara(["erase", TYPE, "--where", "note=x"])).code).toBe(2);
  const json = ["erase", TYPE, "--where", "number=3", "--json", "--reason", "r", "--dry-run", "-o", "json"];
  expect(first((await muara(json)).out)).toMatchObject({ tables: [{ rows: 1 }] });
  expect((await muara(["erase", TYPE, "--where", "number={", "--json", "--reason", "r", "--yes"])).code).toBe(
    2,
  );
  expect((await muara(["erase", TYPE, "--where", "nothing=x", "--reason", "r", "--yes"])).err).toContain(
    "erasure.field",
  );
  expect((await muara(["erase", "nothing", ...where, "--yes"])).code).toBe(3);
}, 240_000);

test("expire and sweep take what is due, and say where nothing is", async () => {
  expect((await muara(["table", "expire", TYPE, "--yes"])).err).toContain("table.no_retention");
  expect((await muara(["table", "expire", TYPE, "--before", "soon", "--yes"])).code).toBe(2);
  const early = ["table", "expire", TYPE, "--before", "2020-01-01T00:00:00Z", "--yes"];
  expect(await muara(early)).toMatchObject({ code: 0, err: "there was nothing to remove\n" });
  await systemClock.sleep(1_100); // statistics of times may be a second off
  const late = ["table", "expire", TYPE, "--before", new Date(systemClock.nowMs()).toISOString(), "--yes"];
  expect((await muara([...late, "--dry-run"])).err).toBe("3 rows would go\n");
  expect((await muara(late)).err).toMatch(/^3 rows went with version \d+\n$/);
  expect(await rows()).toEqual([]);
  const swept = await muara(["table", "sweep", TYPE, "--dry-run", "-o", "json"]);
  expect(swept.code).toBe(0);
  expect(first(swept.out)).toMatchObject({ table: TYPE, dry_run: true, orphans: 0 });
  expect((await muara(["table", "sweep", "nothing", "--yes"])).code).toBe(3);
}, 120_000);
