/** The short form of `npm run proof:ambiguous-commits`, and mistakes about ambiguous answers that it must find. */
import { describe, expect, test } from "vitest";
import { type Mistake, runAmbiguousCommits } from "./ambiguous-commits.ts";

const ANSWERS = 2_000;

test(`${ANSWERS} ambiguous answers to commits: nothing lost, nothing twice, nothing dangling`, async () => {
  const { answers, told, commits, fileHistories } = await runAmbiguousCommits(ANSWERS, 1);
  for (const count of Object.values(answers)) expect(count).toBeGreaterThan(ANSWERS / 100);
  expect(told.committed).toBeGreaterThan(ANSWERS / 20);
  expect(told.abandoned).toBeGreaterThan(ANSWERS / 200);
  expect(told.failed).toBeGreaterThan(0);
  expect(commits.landed).toBeGreaterThan(ANSWERS / 10);
  expect(fileHistories).toBeGreaterThan(0);
});

const COMMIT = /\/_delta_log\/\d{20}\.json$/;

const MISTAKES: readonly (readonly [name: string, mistake: Mistake])[] = [
  [
    "taking an unknown outcome for done",
    (store) => ({
      ...store,
      putIfAbsent: async (path, bytes) => {
        const outcome = await store.putIfAbsent(path, bytes);
        return outcome.outcome === "unknown" ? { outcome: "done", etag: "" } : outcome;
      },
    }),
  ],
  [
    "writing a version whose answer was lost once more, over whatever is there",
    (store) => ({
      ...store,
      putIfAbsent: async (path, bytes) => {
        const outcome = await store.putIfAbsent(path, bytes);
        if (outcome.outcome !== "unknown" || !COMMIT.test(path)) return outcome;
        await store.put(path, bytes);
        return { outcome: "done", etag: "" };
      },
    }),
  ],
];

describe("the proof can fail", () => {
  test.each(MISTAKES)("%s is found", async (_name, mistake) => {
    await expect(runAmbiguousCommits(ANSWERS, 1, undefined, mistake)).rejects.toThrow(/seed/);
  });
});
