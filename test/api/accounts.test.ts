/** The books against a plain model: a random history of one stream, and what must be said at every moment of it. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createMemoryLog } from "../../adapters/memory/log.ts";
import { hourAccounts, partitionAccounts, totalAccount } from "../../api/accounts.ts";
import { ManualClock, seededRandomness } from "../../core/clock.ts";
import { freshPartition, partitionTxns, type LandedPartition } from "../../core/landed.ts";
import type { TableSnapshot } from "../../core/ports/table-log.ts";
import { packRecords } from "../../core/record.ts";

const HOUR_MS = 3_600_000;

/** What became of one event. */
const fate = fc.constantFrom<"landed" | "duplicates" | "dead">("landed", "duplicates", "dead");
const step = fc.record({ partition: fc.nat(2), fates: fc.array(fate, { maxLength: 5 }), waits: fc.nat(3) });

interface World {
  readonly log: ReturnType<typeof createMemoryLog>;
  readonly stream: Awaited<ReturnType<ReturnType<typeof createMemoryLog>["createStream"]>>;
  readonly landed: LandedPartition[];
  snapshot(): TableSnapshot;
}

/** Appends and lands as told: `waits` events per step stay in the log. */
async function play(
  steps: readonly (typeof step extends fc.Arbitrary<infer S> ? S : never)[],
): Promise<World> {
  const clock = new ManualClock(5 * HOUR_MS);
  const log = createMemoryLog({ clock, randomness: seededRandomness(1) });
  const stream = await log.createStream("T", { partitions: 3, cleanup: "delete", retentionMs: 1e12 });
  const landed = [0, 1, 2].map((partition) => freshPartition(log.id, stream.topicId, partition));
  const waiting = [0, 0, 0];
  for (const { partition, fates, waits } of steps) {
    const count = fates.length + waits;
    if (count > 0)
      await log.append(
        "T",
        partition,
        packRecords(Array.from({ length: count }, () => ({ payload: PAYLOAD }))),
      );
    const before = landed[partition]!;
    const after: { -readonly [key in keyof LandedPartition]: LandedPartition[key] } = { ...before };
    for (const one of fates) after[one]++;
    after.cursor += fates.length;
    landed[partition] = after;
    waiting[partition]! += waits;
    clock.advance(HOUR_MS / 2);
  }
  const txns = new Map(
    landed.flatMap((one) =>
      partitionTxns(freshPartition(log.id, stream.topicId, one.partition), one).map(
        (txn) => [txn.appId, txn.version] as const,
      ),
    ),
  );
  const snapshot = { version: 1, timestampMs: 0, metadata: undefined, files: new Map(), txns };
  return { log, stream, landed, snapshot: () => snapshot };
}

const PAYLOAD = new TextEncoder().encode("{}");

describe("the books", () => {
  test("balance after any honest history, with exactly what waits in flight", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        const world = await play(steps);
        const accounts = await partitionAccounts(world.log, world.stream, world.snapshot());
        for (const account of accounts) {
          const own = steps.filter((one) => one.partition === account.partition);
          const count = (name: string): number =>
            own.reduce((sum, one) => sum + one.fates.filter((each) => each === name).length, 0);
          const waits = own.reduce((sum, one) => sum + one.waits, 0);
          expect(account).toMatchObject({
            landed: count("landed"),
            duplicates: count("duplicates"),
            deadLetters: count("dead"),
            inFlight: waits,
            accepted: count("landed") + count("duplicates") + count("dead") + waits,
            isBalanced: true,
          });
        }
        expect(totalAccount(accounts).isBalanced).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test("do not balance when any single number is off by one", async () => {
    const names = ["landed", "duplicates", "dead", "gap", "cursor"] as const;
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 10 }),
        fc.constantFrom(...names),
        fc.constantFrom(1n, -1n),
        async (steps, name, by) => {
          const world = await play(steps);
          const { txns } = world.snapshot();
          const base = `muara:land:${world.log.id}:${world.stream.topicId}:0`;
          const appId = name === "cursor" ? base : `${base}:${name}`;
          const value = (txns.get(appId) ?? 0n) + by;
          fc.pre(value >= 0n);
          const wrong = { ...world.snapshot(), txns: new Map([...txns, [appId, value] as const]) };
          const accounts = await partitionAccounts(world.log, world.stream, wrong);
          expect(accounts[0]!.isBalanced).toBe(false);
          expect(accounts[1]!.isBalanced).toBe(true);
          expect(totalAccount(accounts).isBalanced).toBe(false);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("of another log's or stream's cursors count for nothing", async () => {
    const world = await play([{ partition: 0, fates: ["landed"], waits: 1 }]);
    const other = { ...world.stream, topicId: "another" };
    const [account] = await partitionAccounts(world.log, other, world.snapshot());
    expect(account).toMatchObject({ accepted: 2, landed: 0, inFlight: 2 });
  });

  test("by hour join what the log counted with what the ledger sums up", () => {
    const accepted = [
      { partition: 0, hourMs: 0, count: 5 },
      { partition: 1, hourMs: HOUR_MS, count: 2 },
    ];
    const ledger = [
      { partition: 0, hourMs: 0, landed: 3, duplicates: 1, deadLetters: 0 },
      { partition: 2, hourMs: HOUR_MS, landed: 1, duplicates: 0, deadLetters: 0 },
    ];
    expect(
      hourAccounts(accepted, ledger).map((hour) => [hour.partition, hour.inFlight, hour.isBalanced]),
    ).toEqual([
      [0, 1, true],
      [1, 2, true],
      [2, -1, false],
    ]);
  });
});
