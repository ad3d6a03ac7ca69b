import { expect, test } from "vitest";
import { MuaraError } from "../../../core/errors.ts";
import { remedyOf, retryMs } from "../../../workers/land/failure.ts";

test.each(["land.fenced", "log.identity", "log.offset_out_of_range", "table.corrupt"] as const)(
  "%s of an open landing may be cleared up by a fresh look, of one just opened it is so",
  (code) => {
    expect(remedyOf(new MuaraError(code, "x"), true)).toBe("reload");
    expect(remedyOf(new MuaraError(code, "x"), false)).toBe("stop");
  },
);

test("a full disk is tried again within seconds, however long it was full; what is down, ever more rarely", () => {
  expect([1, 2, 3].map((failures) => retryMs("store.full", failures))).toEqual([200, 400, 800]);
  expect([retryMs("store.full", 500), retryMs("log.full", 500)]).toEqual([5_000, 5_000]);
  expect([retryMs("store.unavailable", 500), retryMs(undefined, 500)]).toEqual([30_000, 30_000]);
});
