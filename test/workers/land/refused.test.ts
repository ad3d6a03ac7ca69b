/** Records with a note that the door found fault with them: dead letters for that reason, whatever they look like. */
import { expect, test } from "vitest";
import { refusalMember } from "../../../core/refusal-note.ts";
import { DEAD_LETTERS_COLUMNS } from "../../../lake/ledger-tables.ts";
import { readRows } from "../../../lake/parquet/rows.ts";
import { createProjector } from "../../../workers/land/projector.ts";
import { TableLanding } from "../../../workers/land/table-landing.ts";
import { declare, event, eventType, install, never, OPTIONS, send } from "./setup.ts";

const encoder = new TextEncoder();

function refused(payload: string, header: string): { payload: Uint8Array; header: string } {
  return { payload: encoder.encode(payload), header };
}

test("each becomes a dead letter for its reason; its id is not taken", async () => {
  const at = await install();
  const type = eventType();
  await declare(at, type);
  const landing = await TableLanding.open(at.ports, OPTIONS, type);
  const note = { code: "event.schema", pointer: "/n", detail: "must be <= 100" } as const;
  const header = JSON.stringify({ ...refusalMember(note), origin: { pull: "shop" } });
  await send(at, [
    event(1),
    refused(event(2), header),
    refused("17", JSON.stringify(refusalMember({ ...note, code: "event.not_object", pointer: null }))),
    refused(event(3), '{"refused":"by somebody else"}'),
    refused(event(4), '{"origin":{},"refused":"not in front"}'),
    event(2),
  ]);
  while ((await landing.step(never)).hasBacklog);
  const projector = createProjector(at.ports);
  while (await projector.pass(never));
  const { files } = await at.openTable("dead_letters").snapshot();
  const rows: Record<string, unknown>[] = [];
  for (const { path } of files.values())
    rows.push(...(await readRows((await at.store.get(`dead_letters/${path}`))!, DEAD_LETTERS_COLUMNS)));
  rows.sort((a, b) => Number(a["log_offset"]) - Number(b["log_offset"]));
  expect(rows.map((row) => [row["log_offset"], row["reason"], row["pointer"], row["detail"]])).toEqual([
    [1n, "event.schema", "/n", "must be <= 100"],
    [2n, "event.not_object", null, "must be <= 100"],
    [3n, "event.schema", null, "was refused, and its note cannot be read"],
  ]);
  expect(landing.state.partitions[0]).toMatchObject({ landed: 3, duplicates: 0, dead: 3 });
});
