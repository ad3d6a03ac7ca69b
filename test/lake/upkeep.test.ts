import { expect, test } from "vitest";
import { AssertionError } from "../../core/assert.ts";
import { MuaraError } from "../../core/errors.ts";
import { pauseTable } from "../../lake/table/table-pause.ts";
import { createUpkeep, type UpkeepTask } from "../../lake/upkeep.ts";
import { TableLanding } from "../../workers/land/table-landing.ts";
import { declare, event, eventType, install, never, OPTIONS, send } from "../workers/land/setup.ts";

const NAME = "order.created";

async function landed() {
  const at = await install();
  await declare(at, eventType());
  const landing = await TableLanding.open(at.ports, OPTIONS, eventType());
  await send(at, [event(1)]);
  await landing.step(never);
  landing.discard();
  return at;
}

function counting(
  name: string,
  everyMs: number,
  turns: string[],
  trouble?: () => Error | undefined,
): UpkeepTask {
  return {
    name,
    everyMs,
    run: async (table) => {
      turns.push(`${name} ${table.name}`);
      expect((await table.snapshot()).version).toBeGreaterThanOrEqual(0);
      const error = trouble?.();
      if (error) throw error;
    },
  };
}

test("every task gets its turn for every table that exists, as often as it asks for", async () => {
  const at = await landed();
  const turns: string[] = [];
  const upkeep = createUpkeep(at.ports, [counting("a", 1_000, turns), counting("b", 5_000, turns)]);
  await upkeep.pass(never);
  expect(turns).toEqual([`a ${NAME}`, `b ${NAME}`]); // no ledger table has a commit yet
  await upkeep.pass(never);
  expect(turns.length).toBe(2);
  at.clock.advance(1_000);
  await upkeep.pass(never);
  expect(turns.slice(2)).toEqual([`a ${NAME}`]);
  at.clock.advance(4_000);
  await upkeep.pass(never);
  expect(turns.slice(3)).toEqual([`a ${NAME}`, `b ${NAME}`]);
});

test("a task that fails leaves the others alone; a bug ends all", async () => {
  const at = await landed();
  const turns: string[] = [];
  let error: Error = new MuaraError("store.unavailable", "away");
  const upkeep = createUpkeep(at.ports, [
    counting("a", 1_000, turns, () => error),
    counting("b", 1_000, turns),
  ]);
  await upkeep.pass(never);
  expect(turns).toEqual([`a ${NAME}`, `b ${NAME}`]);
  expect(at.lines.filter(({ level }) => level === "error")).toMatchObject([{ table: NAME, task: "a" }]);
  await upkeep.pass(never);
  expect(turns.length).toBe(2); // no sooner for having failed
  at.clock.advance(1_000);
  error = new AssertionError("a bug");
  await expect(upkeep.pass(never)).rejects.toThrow("a bug");
});

test("a paused table gets no turn until the pause is over", async () => {
  const at = await landed();
  const turns: string[] = [];
  const upkeep = createUpkeep(at.ports, [counting("a", 1_000, turns)]);
  await pauseTable(at.openTable(NAME), at.clock.nowMs() + 60_000);
  await upkeep.pass(never);
  expect(turns).toEqual([]);
  at.clock.advance(60_000);
  await upkeep.pass(never);
  expect(turns).toEqual([`a ${NAME}`]);
});
