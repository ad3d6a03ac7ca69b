import assert from "node:assert/strict";
import { describe, it } from "vitest";
import { hasCode } from "../../../core/errors.ts";
import { silentLogger } from "../../../core/logger.ts";
import type { ObjectStore } from "../../../core/ports/object-store.ts";
import { openTableLog } from "../../../lake/table/table-log.ts";
import {
  type HistoryCounts,
  type OpenTableLog,
  runFaultyHistory,
} from "../../conformance/table-log-faults.ts";
import { TABLE } from "../../conformance/table-changes.ts";

const HISTORIES = 600;

const noCounts = (): HistoryCounts => ({ committed: 0, abandoned: 0, unknown: 0, faults: 0 });
const open: OpenTableLog = (store, options) =>
  openTableLog(store, TABLE, { ...options, logger: silentLogger });

it(`${HISTORIES} histories under faults: no commit lost, none doubled, none believed that is not there`, async () => {
  const counts = noCounts();
  for (let seed = 1; seed <= HISTORIES; seed++) await runFaultyHistory(open, seed, counts);
  // The histories are worth something only if all of this happened often.
  const summary = JSON.stringify(counts);
  assert.ok(counts.committed > HISTORIES * 5, summary);
  assert.ok(counts.abandoned > HISTORIES, summary);
  assert.ok(counts.unknown > HISTORIES / 4, summary);
  assert.ok(counts.faults > HISTORIES * 10, summary);
});

/** Mistakes that others made; each must be found by few histories. */
const planted: readonly (readonly [name: string, mistaken: OpenTableLog])[] = [
  [
    "taking an unknown outcome for done",
    (store, options) => {
      const putIfAbsent: ObjectStore["putIfAbsent"] = async (path, bytes) => {
        const outcome = await store.putIfAbsent(path, bytes);
        return outcome.outcome === "unknown" ? { outcome: "done", etag: "" } : outcome;
      };
      return open({ ...store, putIfAbsent }, options);
    },
  ],
  [
    "a store whose put-if-absent overwrites",
    (store, options) => {
      const putIfAbsent: ObjectStore["putIfAbsent"] = async (path, bytes) => {
        const isTaken = (await store.head(path).catch(() => undefined)) !== undefined;
        if (isTaken) return { outcome: "refused" };
        await store.put(path, bytes).catch(() => undefined);
        return { outcome: "done", etag: "" };
      };
      return open({ ...store, putIfAbsent }, options);
    },
  ],
  [
    "adopting a later head after an unknown outcome",
    (store, options) => {
      const log = open(store, options);
      return {
        ...log,
        commit: async (request) => {
          try {
            return await log.commit({ ...request, signal: AbortSignal.abort() });
          } catch (error) {
            if (!hasCode(error, "table.commit_unknown")) throw error;
            return log.commit({ ...request, base: await log.snapshot() });
          }
        },
      };
    },
  ],
  [
    "asking the check about the first winner only",
    (store, options) => {
      const log = open(store, options);
      return {
        ...log,
        commit: (request) => {
          let isAsked = false;
          const check: typeof request.check = (winner) => {
            if (isAsked) return "rebase";
            isAsked = true;
            return request.check(winner);
          };
          return log.commit({ ...request, check });
        },
      };
    },
  ],
];

describe("the histories can fail", () => {
  it.each(planted)("%s is found", async (_name, mistaken) => {
    for (let seed = 1; seed <= 40; seed++) {
      const isFound = await runFaultyHistory(mistaken, seed, noCounts()).then(
        () => false,
        () => true,
      );
      if (isFound) return;
    }
    assert.fail("40 histories did not find the mistake");
  });
});
