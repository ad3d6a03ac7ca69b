import { expect, test } from "vitest";
import { retryMs } from "../../../workers/land/failure.ts";

test("a full disk is tried again within seconds, however long it was full; what is down, ever more rarely", () => {
  expect([1, 2, 3].map((failures) => retryMs("store.full", failures))).toEqual([200, 400, 800]);
  expect([retryMs("store.full", 500), retryMs("log.full", 500)]).toEqual([5_000, 5_000]);
  expect([retryMs("store.unavailable", 500), retryMs(undefined, 500)]).toEqual([30_000, 30_000]);
});
