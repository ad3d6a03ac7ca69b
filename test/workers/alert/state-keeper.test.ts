/** Two processes that hold themselves for the one that evaluates a rule: the state that is kept is one's alone. */
import { expect, test } from "vitest";
import type { Rule } from "../../../core/rule.ts";
import { StateKeeper } from "../../../workers/alert/state-keeper.ts";
import { install } from "../land/setup.ts";

const rule = { id: "0a1b2c3d4e5f", name: "Few" } as Rule;

test.each([
  ["the first state of a rule", 0],
  ["a state that both have loaded", 1],
])("of two who keep %s, one does, and the other then finds it", async (_what, before) => {
  const { store } = await install();
  const [one, other] = [new StateKeeper(store, rule), new StateKeeper(store, rule)];
  const first = await one.load();
  if (before === 1) await one.save({ ...first, atMs: 1 });
  const [mine, theirs] = [await one.load(), await other.load()];
  expect(theirs).toEqual(mine);
  await one.save({ ...mine, atMs: 2, problem: "of one" });
  await expect(other.save({ ...theirs, atMs: 3, problem: "of the other" })).rejects.toMatchObject({
    code: "declaration.conflict",
  });
  expect(await other.load()).toMatchObject({ atMs: 2, problem: "of one" });
  await other.save({ ...mine, atMs: 4, problem: "of the other" });
  await expect(one.save({ ...mine, atMs: 5 })).rejects.toMatchObject({ code: "declaration.conflict" });
});

test("an unknown outcome is said, and what is there then is loaded", async () => {
  let isUnknown = false;
  const { store } = await install();
  const lossy: typeof store = Object.assign(Object.create(store) as typeof store, {
    putIfAbsent: async (...put: Parameters<typeof store.putIfAbsent>) => {
      const outcome = await store.putIfAbsent(...put);
      return isUnknown ? ({ outcome: "unknown", cause: new Error("lost") } as const) : outcome;
    },
  });
  const keeper = new StateKeeper(lossy, rule);
  const state = await keeper.load();
  isUnknown = true;
  await expect(keeper.save({ ...state, atMs: 7 })).rejects.toMatchObject({ code: "store.unavailable" });
  expect(await keeper.load()).toMatchObject({ atMs: 7 });
  await keeper.save({ ...state, atMs: 8 });
  expect(await keeper.load()).toMatchObject({ atMs: 8 });
});
