/** Who waits for a table's commits is told of each, also of one between looking and waiting. */
import { expect, test } from "vitest";
import { ManualClock } from "../../core/clock.ts";
import { CommitNotices } from "../../core/commit-notices.ts";

const never = new AbortController().signal;

function watched(waiting: Promise<void>): { isOver: boolean } {
  const seen = { isOver: false };
  void waiting.then(() => (seen.isOver = true));
  return seen;
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

test("a commit ends the wait; one of another table does not", async () => {
  const [commits, clock] = [new CommitNotices(), new ManualClock(0)];
  const both = [1, 2].map(() => watched(commits.wait("a", commits.count("a"), 1_000, clock, never)));
  commits.tell("b");
  await turn();
  expect(both).toEqual([{ isOver: false }, { isOver: false }]);
  commits.tell("a");
  await turn();
  expect(both).toEqual([{ isOver: true }, { isOver: true }]);
});

test("a commit that came since the count was asked for is not waited for", async () => {
  const [commits, clock] = [new CommitNotices(), new ManualClock(0)];
  const seen = commits.count("a");
  commits.tell("a");
  await commits.wait("a", seen, 1_000, clock, never);
  expect(commits.count("a")).toBe(seen + 1);
});

test("without a commit the wait ends by time, or by its signal", async () => {
  const [commits, clock] = [new CommitNotices(), new ManualClock(0)];
  const [byTime, over] = [watched(commits.wait("a", 0, 1_000, clock, never)), new AbortController()];
  const bySignal = watched(commits.wait("a", 0, 5_000, clock, over.signal));
  clock.advance(999);
  await turn();
  expect(byTime.isOver).toBe(false);
  clock.advance(1);
  await turn();
  expect([byTime.isOver, bySignal.isOver]).toEqual([true, false]);
  over.abort();
  await turn();
  expect(bySignal.isOver).toBe(true);
  await commits.wait("a", 0, 5_000, clock, over.signal);
});
