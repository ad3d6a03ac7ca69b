/** When a capture must not go on, and at which edge. */
import { expect, test } from "vitest";
import type { SourceSlot } from "../../../core/ports/source-database.ts";
import { discontinuity } from "../../../workers/capture/continuity.ts";

const state = { systemId: "7", timeline: 1, lsn: "1000", slot: "muara_shop_1" };
const server = { systemId: "7", timeline: 1, lsn: 1_000n };
const slot: SourceSlot = {
  name: "muara_shop_1",
  plugin: "pgoutput",
  database: "shop",
  isActive: false,
  restartLsn: 500n,
  confirmedLsn: 1_000n,
  walStatus: "reserved",
  safeWalBytes: null,
  serverLsn: 1_000n,
};

test("goes on exactly where the source is as it was left", () => {
  expect(discontinuity("shop", state, server, slot)).toBeUndefined();
  expect(
    discontinuity("shop", state, server, { ...slot, confirmedLsn: 3n, walStatus: "unreserved" }),
  ).toBeUndefined();
});

test.each([
  ["another server", { ...server, systemId: "8" }, slot, "another database server"],
  ["another timeline", { ...server, timeline: 2 }, slot, "timeline 2"],
  ["a server that went back by one byte", { ...server, lsn: 999n }, slot, "went back"],
  ["no slot", server, undefined, "is gone"],
  ["a lost slot", server, { ...slot, walStatus: "lost" as const }, "is lost"],
  ["a slot without log", server, { ...slot, restartLsn: null }, "is lost"],
  ["another plugin", server, { ...slot, plugin: "wal2json" }, "wal2json"],
  ["a slot that is one byte further", server, { ...slot, confirmedLsn: 1_001n }, "further than what is here"],
])("stops at %s, and says what to do", (_what, otherServer, otherSlot, problem) => {
  const found = discontinuity("shop", state, otherServer, otherSlot);
  expect(found).toContain(problem);
  expect(found).toContain("muara capture recopy shop");
});
