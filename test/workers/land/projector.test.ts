import { expect, test } from "vitest";
import { BOOKS_COLUMNS, DEAD_LETTERS_COLUMNS, DUPLICATES_COLUMNS } from "../../../lake/ledger-tables.ts";
import { readRows } from "../../../lake/parquet/rows.ts";
import { createProjector, type Projector } from "../../../workers/land/projector.ts";
import { TableLanding } from "../../../workers/land/table-landing.ts";
import {
  DAY_MS,
  declare,
  event,
  eventType,
  install,
  type Installation,
  never,
  OPTIONS,
  send,
  uuid,
} from "./setup.ts";

const type = eventType();

async function rowsOf(at: Installation, table: string, columns: Parameters<typeof readRows>[1]) {
  const { files } = await at.openTable(table).snapshot();
  const rows: Record<string, unknown>[] = [];
  for (const { path } of files.values())
    rows.push(...(await readRows((await at.store.get(`${table}/${path}`))!, columns)));
  return rows.sort((a, b) => Number(a["log_offset"]) - Number(b["log_offset"]));
}

test("a duplicate is compared with the row that made it one", async () => {
  const at = await install();
  await declare(at, type);
  const landing = await TableLanding.open(at.ports, OPTIONS, type);
  const land = async (...payloads: string[]): Promise<void> => {
    await send(at, payloads);
    while ((await landing.step(never)).hasBacklog);
  };
  await land(event(1)); // offset 0
  at.clock.advance(3 * DAY_MS);
  await land(event(1, { n: 7 })); // offset 1: beyond the horizon, it lands again
  at.clock.advance(DAY_MS);
  await land(event(1), event(1, { n: 7 }), event(1).replace(uuid(1), uuid(1).toUpperCase()));
  await land(event(2), event(2)); // offsets 5 and 6, in one attempt
  const projector = createProjector(at.ports);
  while (await projector.pass(never));
  const rows = await rowsOf(at, "duplicates", DUPLICATES_COLUMNS);
  expect(rows.map((row) => [row["log_offset"], row["verdict"], row["first_offset"]])).toEqual([
    [2n, "different", 1n],
    [3n, "identical", 1n],
    [4n, "different", 1n],
    [6n, "identical", 5n],
  ]);
});

test("what retention took from the log is unknown, not guessed", async () => {
  const at = await install();
  await declare(at, type);
  const landing = await TableLanding.open(at.ports, { ...OPTIONS, horizonMs: 200 * DAY_MS }, type);
  await send(at, [event(1)]);
  await landing.step(never);
  at.clock.advance(110 * DAY_MS);
  expect(await at.log.retain()).toBeGreaterThan(0);
  await send(at, [event(1)]);
  await landing.step(never);
  const projector = createProjector(at.ports);
  while (await projector.pass(never));
  const [row] = await rowsOf(at, "duplicates", DUPLICATES_COLUMNS);
  expect(row).toMatchObject({ verdict: "unknown", first_offset: 0n });
});

test("a pass that fails takes the same versions again", async () => {
  let isDown = false;
  const at = await install((operation) => (isDown && operation === "put" ? "lost" : undefined));
  await declare(at, type);
  const landing = await TableLanding.open(at.ports, OPTIONS, type);
  const bytes = new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x00, 0x22]);
  await send(at, [
    { payload: bytes, key: "k", header: '{"flow_id":"f"}' },
    event(1),
    event(1),
    { payload: null },
  ]);
  await landing.step(never);
  const projector = createProjector(at.ports);
  await projector.pass(never);
  await send(at, [event(1), "[]"]);
  await landing.step(never);
  isDown = true;
  for (let i = 0; i < 3; i++)
    await expect(projector.pass(never)).rejects.toMatchObject({ code: "store.unavailable" });
  await projector.drain(); // a stop goes on: the next start books what this one could not
  isDown = false;
  await projector.drain();
  const dead = await rowsOf(at, "dead_letters", DEAD_LETTERS_COLUMNS);
  expect(dead.map((row) => [row["log_offset"], row["reason"]])).toEqual([
    [0n, "event.not_json"],
    [3n, "event.not_json"],
    [5n, "event.not_object"],
  ]);
  expect(new Uint8Array(dead[0]!["payload"] as Uint8Array)).toEqual(bytes);
  expect(dead[0]).toMatchObject({ header: '{"flow_id":"f"}', event_key: "k", event_id: null });
  expect((await rowsOf(at, "duplicates", DUPLICATES_COLUMNS)).map((row) => row["log_offset"])).toEqual([
    2n,
    4n,
  ]);
});

test("a storm of side rows is taken in passes of bounded size", async () => {
  const at = await install();
  await declare(at, type);
  const landing = await TableLanding.open(at.ports, { ...OPTIONS, commitRows: 13_000 }, type);
  for (let i = 0; i < 4; i++)
    await send(
      at,
      Array.from({ length: 13_000 }, () => "{}"),
    );
  while ((await landing.step(never)).hasBacklog);
  const projector = createProjector(at.ports);
  while (await projector.pass(never));
  const { files, version } = await at.openTable("dead_letters").snapshot();
  expect(version).toBe(4); // created, then one commit for each landing commit of 13,000
  let rows = 0;
  for (const { stats } of files.values()) rows += (JSON.parse(stats!) as { numRecords: number }).numRecords;
  expect(rows).toBe(52_000);
});

test("the books do not count what the other tables lack", async () => {
  const at = await install();
  await declare(at, type);
  const landing = await TableLanding.open(at.ports, OPTIONS, type);
  const land = async (payload: string): Promise<void> => {
    await send(at, [payload]);
    await landing.step(never);
  };
  const counted = async (): Promise<[dead: number, booked: number]> => {
    const dead = await rowsOf(at, "dead_letters", DEAD_LETTERS_COLUMNS);
    const books = await rowsOf(at, "books", BOOKS_COLUMNS);
    return [dead.length, books.reduce((sum, row) => sum + Number(row["dead_letters"]), 0)];
  };
  let isMidway = false;
  // One more lands when the pass has written its dead letters and goes on to the next table.
  const openTable: Installation["openTable"] = (name) => {
    const table = at.openTable(name);
    if (name !== "dead_letters") return table;
    return Object.assign(Object.create(table) as typeof table, {
      commit: async (...attempt: Parameters<typeof table.commit>) => {
        const outcome = await table.commit(...attempt);
        if (isMidway) await land("[2]");
        return outcome;
      },
    });
  };
  const projector = createProjector({ ...at.ports, openTable });
  await projector.pass(never);
  await land("[1]");
  isMidway = true;
  await projector.pass(never);
  isMidway = false;
  expect(await counted()).toEqual([1, 1]);
  while (await projector.pass(never));
  expect(await counted()).toEqual([2, 2]);
});

test("a projection that somebody else owned is taken over where they left it", async () => {
  const at = await install();
  await declare(at, type);
  const landing = await TableLanding.open(at.ports, OPTIONS, type);
  let owner = "other";
  const projectors = ["other", "own"].map((name) =>
    createProjector({ ...at.ports, ownership: { owns: () => owner === name } }),
  );
  const [other, own] = projectors as [Projector, Projector];
  const land = async (...payloads: string[]): Promise<void> => {
    await send(at, payloads);
    await landing.step(never);
  };
  await land("[1]");
  expect(await own.pass(never)).toBe(false);
  while (await other.pass(never));
  // What every projection has read is removed from the table's log some day.
  const { version } = landing.state.snapshot;
  for (let v = 0; v < version; v++)
    await at.store.delete(`${type.name}/_delta_log/${String(v).padStart(20, "0")}.json`);
  owner = "own";
  await land("[2]");
  expect(await other.pass(never)).toBe(false);
  while (await own.pass(never));
  const dead = await rowsOf(at, "dead_letters", DEAD_LETTERS_COLUMNS);
  expect(dead.map((row) => row["log_offset"])).toEqual([0n, 1n]);
});
