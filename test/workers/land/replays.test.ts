import { expect, test } from "vitest";
import type { ApiPorts } from "../../../api/app.ts";
import { underwayOf } from "../../../api/replays-underway.ts";
import { seededRandomness } from "../../../core/clock.ts";
import { replayMembers } from "../../../core/replay.ts";
import { createCatalog } from "../../../lake/catalog.ts";
import { DEAD_LETTERS_COLUMNS, REPLAYS_COLUMNS } from "../../../lake/ledger-tables.ts";
import { readRows } from "../../../lake/parquet/rows.ts";
import { createProjector } from "../../../workers/land/projector.ts";
import { rehearse } from "../../../workers/land/rehearsal.ts";
import { TableLanding } from "../../../workers/land/table-landing.ts";
import { EventSource, typeOf, TYPE_KINDS } from "../../property/landing-events.ts";
import { declare, event, eventType, install, type Installation, never, OPTIONS, send } from "./setup.ts";

const type = eventType();
const encoder = new TextEncoder();

async function rowsOf(at: Installation, table: string, columns: Parameters<typeof readRows>[1]) {
  const { files } = await at.openTable(table).snapshot();
  const rows: Record<string, unknown>[] = [];
  for (const { path } of files.values())
    rows.push(...(await readRows((await at.store.get(`${table}/${path}`))!, columns)));
  return rows.sort((a, b) => Number(a["log_offset"]) - Number(b["log_offset"]));
}

function bad(n: number): string {
  return event(n, { n: "no number" });
}

/** A record as the door writes it for a dead letter that is published again. */
function again(text: string, replayOf: string, isCorrected = true) {
  const note = replayMembers({ replayOf, replayedBy: "token:t", isCorrected });
  return {
    payload: encoder.encode(text),
    header: JSON.stringify({ ...note, flow_id: `f-${replayOf}`, published_by: "token:t" }),
  };
}

test("what became of each is in the table, whether it landed, was a duplicate or died again", async () => {
  const at = await install();
  await declare(at, type);
  const landing = await TableLanding.open(at.ports, OPTIONS, type);
  await send(at, [event(1), bad(2), bad(3), bad(4)]);
  await send(at, [
    again(event(2), "t:0:1"),
    again(event(1), "t:0:2"),
    again(bad(4), "t:0:3", false),
    {
      payload: encoder.encode(event(5)),
      header: '{"flow_id":"x","replay_of":"no note: it does not come first"}',
    },
    { payload: encoder.encode(event(6)), header: '{"replay_of":17}' },
    { payload: encoder.encode(event(7)), header: '{"replay_of":"cut off' },
  ]);
  while ((await landing.step(never)).hasBacklog);
  const projector = createProjector(at.ports);
  while (await projector.pass(never));
  const replays = await rowsOf(at, "replays", REPLAYS_COLUMNS);
  expect(
    replays.map((row) => [row["dead_letter_id"], row["outcome"], row["reason"], row["corrected"]]),
  ).toEqual([
    ["t:0:1", "landed", null, true],
    ["t:0:2", "duplicate", null, true],
    ["t:0:3", "dead_letter", "event.value_type", false],
  ]);
  expect(replays[0]).toMatchObject({ replayed_by: "token:t", flow_id: "f-t:0:1", log_offset: 4n });
  // Counted like any other event.
  const dead = await rowsOf(at, "dead_letters", DEAD_LETTERS_COLUMNS);
  expect(dead.map((row) => row["log_offset"])).toEqual([1n, 2n, 3n, 6n]);
  expect(landing.state.partitions[0]).toMatchObject({ landed: 5, duplicates: 1, dead: 4, gap: 0 });
});

test("a replay is under way from its append until the table has it, whatever follows in between", async () => {
  const at = await install();
  await declare(at, type);
  const landing = await TableLanding.open(at.ports, OPTIONS, type);
  const projector = createProjector(at.ports);
  const catalog = createCatalog({ ...at.ports, openTable: at.openTable });
  const ports = { ...at.ports, catalog } as unknown as ApiPorts;
  const seen = async (): Promise<string[]> => [...(await underwayOf(ports, type.name))].sort();
  const land = async (): Promise<void> => {
    while ((await landing.step(never)).hasBacklog);
  };
  expect(await seen()).toEqual([]);
  await send(at, [event(1), again(event(2), "a")]);
  expect(await seen()).toEqual(["a"]); // in the log
  await land();
  expect(await seen()).toEqual(["a"]); // in a commit
  await send(at, [again(event(3), "b"), event(4)]);
  await send(at, [event(5)]);
  expect(await seen()).toEqual(["a", "b"]);
  await land();
  await send(at, [event(6)]);
  await land();
  expect(await seen()).toEqual(["a", "b"]);
  while (await projector.pass(never));
  expect(await seen()).toEqual([]); // in the table
  expect((await rowsOf(at, "replays", REPLAYS_COLUMNS)).map((row) => row["dead_letter_id"])).toEqual([
    "a",
    "b",
  ]);
});

test("a rehearsal says what landing says", async () => {
  for (const [seed, kind] of [1, 2, 3].flatMap((one) => TYPE_KINDS.map((each) => [one, each] as const))) {
    const at = await install();
    const kindType = typeOf(kind);
    await declare(at, kindType);
    const events = new EventSource(seededRandomness(seed), kind);
    const payloads = Array.from({ length: 300 }, () => events.draw(at.clock.nowMs()).payload);
    const rehearsed = await rehearse(
      at.ports,
      OPTIONS,
      kindType,
      payloads.map((payload) => payload ?? new Uint8Array(0)),
    );
    await send(
      at,
      payloads.map((payload) => ({ payload })),
      0,
      kindType.name,
    );
    const landing = await TableLanding.open(at.ports, OPTIONS, kindType);
    while ((await landing.step(never)).hasBacklog);
    const [counted] = landing.state.partitions;
    const countOf = (fate: string): number => rehearsed.filter((one) => one.fate === fate).length;
    expect([kind, seed, countOf("landed"), countOf("duplicate"), countOf("dead_letter")]).toEqual([
      kind,
      seed,
      counted!.landed,
      counted!.duplicates,
      counted!.dead,
    ]);
    const projector = createProjector(at.ports);
    while (await projector.pass(never));
    const dead = await rowsOf(at, "dead_letters", DEAD_LETTERS_COLUMNS);
    const reasons = rehearsed.flatMap(({ reason }, i) =>
      reason && rehearsed[i]!.fate === "dead_letter" ? [[reason.code, reason.pointer, reason.detail]] : [],
    );
    expect(dead.map((row) => [row["reason"], row["pointer"], row["detail"]])).toEqual(reasons);
  }
});
