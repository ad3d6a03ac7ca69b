/**
 * What every TableLog must do, over whatever ObjectStore. Framework-free: `open` gives a fresh, empty store.
 * Faults of the store are in table-log-faults.ts.
 */
import assert from "node:assert/strict";
import { ManualClock } from "../../core/clock.ts";
import { type ErrorCode, hasCode } from "../../core/errors.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { TableCommit, TableSnapshot, Verdict } from "../../core/ports/table-log.ts";
import {
  abandon,
  change,
  committed,
  created,
  creation,
  logOver,
  randomHistory,
  rebase,
  removal,
  TABLE,
} from "./table-changes.ts";
import { assertSameState, logPath, replay, summarize } from "./table-model.ts";

export interface TableLogHarness {
  /** A fresh, empty store. */
  readonly open: () => Promise<ObjectStore>;
}
export type TableLogCase = readonly [name: string, run: (harness: TableLogHarness) => Promise<void>];

async function rejectsWith(code: ErrorCode, call: () => Promise<unknown>): Promise<void> {
  await assert.rejects(call, (error) => hasCode(error, code), `expected ${code}`);
}

export const tableLogCases: readonly TableLogCase[] = [
  [
    "a table that does not exist is version -1, and its first commit needs metadata",
    async (harness) => {
      const log = logOver(await harness.open());
      const base = await log.snapshot();
      assert.deepEqual([base.version, base.files.size, base.txns.size, base.metadata], [-1, 0, 0, undefined]);
      assert.equal(await log.read(0), undefined);
      await rejectsWith("table.version_not_found", () => log.snapshot({ version: 0 }));
      await rejectsWith("table.version_not_found", () => log.snapshot({ timeMs: 1e15 }));
      await rejectsWith("table.not_found", () => log.commit({ base, change: change(["a"]), check: rebase }));
      assert.equal((await log.snapshot()).version, -1);
    },
  ],
  [
    "a commit reads back as it was decided, by everybody",
    async (harness) => {
      const store = await harness.open();
      const log = logOver(store);
      const base = await created(log);
      const wanted = change(["ingest_date=2026-01-01/part-1.parquet"], {
        operation: "STREAMING UPDATE",
        txns: [{ appId: 'odd "version":7 name', version: 5n }],
        info: { ledger: [{ from: "1", to: "2" }], text: "ü \n {}", none: null },
      });
      const outcome = await log.commit({ base, change: wanted, check: abandon });
      assert.equal(outcome.outcome, "committed");
      if (outcome.outcome !== "committed") return;
      const read = (await logOver(store).read(1))!;
      assert.deepEqual(read, outcome.commit);
      const { operation, add, remove, txns, info } = read;
      assert.deepEqual({ operation, add, remove, txns, info }, wanted);
      assert.equal(read.version, 1);
      assert.ok(read.commitId.length >= 32 && read.timestampMs > base.timestampMs);
      assertSameState(summarize(await logOver(store).snapshot()), summarize(outcome.snapshot));
      assert.deepEqual(outcome.snapshot.files.get(add[0]!.path), { ...add[0], dataChange: false });
      assert.deepEqual((await logOver(store).snapshot()).metadata, base.metadata);
      assert.equal(await log.read(2), undefined);
    },
  ],
  [
    "commit files follow the protocol: commitInfo first, protocol and metadata at the beginning",
    async (harness) => {
      const store = await harness.open();
      const log = logOver(store);
      let base = await created(log);
      base = await committed(log.commit({ base, change: change(["a", "b"]), check: abandon }));
      await committed(log.commit({ base, change: change([], { remove: [removal("a")] }), check: abandon }));
      const kinds: string[][] = [];
      for (const version of [0, 1, 2]) {
        const lines = new TextDecoder()
          .decode(await store.get(logPath(TABLE, version)))
          .trimEnd()
          .split("\n");
        const actions = lines.map((line): Record<string, Record<string, unknown>> => JSON.parse(line));
        kinds.push(actions.map((action) => Object.keys(action).join()));
        assert.match(String(actions[0]!["commitInfo"]!["engineInfo"]), /^muara\/\d/);
        assert.equal(actions[0]!["commitInfo"]!["isBlindAppend"], version === 1);
      }
      const removed: unknown = JSON.parse(
        new TextDecoder().decode(await store.get(logPath(TABLE, 2))).split("\n")[1]!,
      );
      const { path, dataChange } = removal("a");
      // Not before the commit that removes it, whatever was asked for.
      const { timestampMs: deletionTimestamp } = (await logOver(store).read(2))!;
      const partitionValues = { ingest_date: "2026-01-01" };
      assert.deepEqual(removed, {
        remove: { path, deletionTimestamp, dataChange, extendedFileMetadata: true, partitionValues, size: 1 },
      });
      assert.deepEqual(kinds, [
        ["commitInfo", "protocol", "metaData"],
        ["commitInfo", "add", "add"],
        ["commitInfo", "remove"],
      ]);
    },
  ],
  [
    "racing creators: one creates, the others learn of it",
    async (harness) => {
      const store = await harness.open();
      const base = await logOver(store).snapshot();
      const outcomes = await Promise.all(
        Array.from({ length: 8 }, () => logOver(store).commit({ base, change: creation(), check: abandon })),
      );
      const winners = outcomes.filter((one) => one.outcome === "committed");
      assert.equal(winners.length, 1);
      for (const one of outcomes) assert.equal(one.snapshot.metadata!.id, winners[0]!.snapshot.metadata!.id);
      assert.equal((await logOver(store).snapshot()).version, 0);
      await rejectsWith("table.commit_conflict", () =>
        logOver(store).commit({ base, change: creation(), check: rebase }),
      );
    },
  ],
  [
    "8 writers x 10 commits: dense versions, everything once, every check sees every version between",
    async (harness) => {
      const store = await harness.open();
      await created(logOver(store));
      const writer = async (name: number): Promise<void> => {
        const log = logOver(store);
        let base = await log.snapshot();
        for (let count = 0; count < 10; count++) {
          const seen: number[] = [];
          const check = (winner: TableCommit): Verdict => (seen.push(winner.version), "rebase");
          const from = base.version;
          base = await committed(log.commit({ base, change: change([`w${name}-${count}`]), check }));
          const between = Array.from({ length: base.version - from - 1 }, (_, index) => from + 1 + index);
          assert.deepEqual(seen, between);
        }
      };
      await Promise.all(Array.from({ length: 8 }, (_, name) => writer(name)));
      const states = await replay(store, TABLE);
      assert.equal(states.length, 81);
      assert.equal(states.at(-1)!.files.size, 80);
      assertSameState(summarize(await logOver(store).snapshot()), states.at(-1));
    },
  ],
  [
    "abandoned: nothing of it is visible, and the snapshot ends with the version that prevented it",
    async (harness) => {
      const store = await harness.open();
      const log = logOver(store);
      const base = await created(log);
      let head = base;
      for (const path of ["a", "b", "c"]) {
        head = await committed(log.commit({ base: head, change: change([path]), check: abandon }));
      }
      const seen: string[] = [];
      const outcome = await log.commit({
        base,
        change: change(["mine"]),
        check: (winner) => {
          seen.push(winner.add[0]!.path);
          return winner.version === 2 ? "abandon" : "rebase";
        },
      });
      assert.deepEqual(seen, ["a", "b"]);
      assert.equal(outcome.outcome, "abandoned");
      assert.equal(outcome.outcome === "abandoned" && outcome.winner.version, 2);
      assertSameState(summarize(outcome.snapshot), (await replay(store, TABLE))[2]);
      assert.equal((await log.snapshot()).version, 3);
      assert.ok(!(await log.snapshot()).files.has("mine"));
    },
  ],
  [
    "a live path is not added again, and only a live one is removed, whatever the check says",
    async (harness) => {
      const log = logOver(await harness.open());
      const base = await created(log);
      const one = await committed(log.commit({ base, change: change(["a"]), check: abandon }));
      const refused = [
        { base: one, change: change(["a"]) },
        { base, change: change(["a"]) },
        { base: one, change: change([], { remove: [removal("b")] }) },
        { base, change: change([], { remove: [removal("a")] }) },
      ];
      for (const { base: from, change: wanted } of refused) {
        await rejectsWith("table.commit_conflict", () =>
          log.commit({ base: from, change: wanted, check: rebase }),
        );
      }
      assert.equal((await log.snapshot()).version, 1);
      const gone = change([], { remove: [removal("a")] });
      const two = await committed(log.commit({ base: one, change: gone, check: abandon }));
      // Two compactors plan on the same version: the second finds its input gone.
      await rejectsWith("table.commit_conflict", () =>
        log.commit({ base: one, change: gone, check: rebase }),
      );
      await committed(log.commit({ base: two, change: change(["a"]), check: abandon }));
      assert.deepEqual([...(await log.snapshot()).files.keys()], ["a"]);
    },
  ],
  [
    "txn holds every signed 64-bit integer, through commits and checkpoints",
    async (harness) => {
      const store = await harness.open();
      const log = logOver(store);
      const values = [
        0n,
        1n,
        -1n,
        2n ** 53n + 1n,
        -(2n ** 53n) - 1n,
        2n ** 62n + 1n,
        2n ** 63n - 1n,
        -(2n ** 63n),
      ];
      const txns = values.map((version, index) => ({ appId: `muara:land:witness:${index}`, version }));
      const base = await created(log, { "delta.checkpointInterval": "2" });
      const one = await committed(log.commit({ base, change: change(["a"], { txns }), check: abandon }));
      await committed(log.commit({ base: one, change: change(["b"]), check: abandon }));
      const expected = new Map(txns.map(({ appId, version }) => [appId, version]));
      assert.deepEqual((await logOver(store).read(1))!.txns, txns);
      assert.deepEqual(new Map((await logOver(store).snapshot({ version: 1 })).txns), expected);
      await store.delete(logPath(TABLE, 0)); // now only the checkpoint of version 2 knows
      assert.deepEqual(new Map((await logOver(store).snapshot()).txns), expected);
    },
  ],
  [
    "snapshots by version, by time and onwards from an older one; old ones never change",
    async (harness) => {
      const store = await harness.open();
      const clock = new ManualClock(1_800_000_000_000);
      const log = logOver(store, clock);
      let base = await created(log);
      const kept: TableSnapshot[] = [base];
      const steps = [0, 0, 500, -10_000, 3_600_000, 1];
      for (const [index, stepMs] of steps.entries()) {
        clock.advance(stepMs);
        const remove = index >= 3 ? [removal(`f${index - 3}`)] : [];
        base = await committed(
          log.commit({ base, change: change([`f${index}`], { remove }), check: abandon }),
        );
        kept.push(base);
      }
      const states = await replay(store, TABLE);
      for (const [version, state] of states.entries()) {
        assertSameState(summarize(kept[version]!), state);
        assertSameState(summarize(await log.snapshot({ version })), state);
        for (const from of kept) assertSameState(summarize(await log.snapshot({ version, from })), state);
        assertSameState(summarize(await log.snapshot({ from: kept[version]! })), states.at(-1));
        assertSameState(summarize(await log.snapshot({ timeMs: state.timestampMs })), state);
        const next = states[version + 1];
        if (next) assertSameState(summarize(await log.snapshot({ timeMs: next.timestampMs - 1 })), state);
      }
      assertSameState(summarize(await log.snapshot({ timeMs: 9e15 })), states.at(-1));
      await rejectsWith("table.version_not_found", () =>
        log.snapshot({ timeMs: states[0]!.timestampMs - 1 }),
      );
      await rejectsWith("table.version_not_found", () => log.snapshot({ version: states.length }));
    },
  ],
  [
    "checkpoint and tail equal a full replay, with old commits there or gone",
    async (harness) => {
      for (const seed of [1, 2, 3]) {
        const store = await harness.open();
        await randomHistory(store, seed, 45, { "delta.checkpointInterval": "7" });
        const states = await replay(store, TABLE);
        assert.equal(states.length, 46, `seed ${seed}`);
        for (const version of [0, 6, 7, 8, 20, 44, 45]) {
          assertSameState(
            summarize(await logOver(store).snapshot({ version })),
            states[version],
            `seed ${seed}`,
          );
        }
        assertSameState(summarize(await logOver(store).snapshot()), states.at(-1), `seed ${seed}`);
        const checkpoint = `${TABLE}/_delta_log/00000000000000000042.checkpoint.parquet`;
        assert.ok(await store.get(checkpoint), "a checkpoint was written at version 42");
        for (let version = 0; version <= 35; version++) await store.delete(logPath(TABLE, version));
        for (const version of [35, 36, 41, 42, 45]) {
          assertSameState(
            summarize(await logOver(store).snapshot({ version })),
            states[version],
            `seed ${seed}`,
          );
        }
        await rejectsWith("table.version_not_found", () => logOver(store).read(35));
        await rejectsWith("table.version_not_found", () => logOver(store).snapshot({ version: 34 }));
        await store.delete(checkpoint);
        assertSameState(summarize(await logOver(store).snapshot()), states.at(-1), "an older checkpoint");
      }
    },
  ],
  [
    "a damaged, missing or stale checkpoint costs time only",
    async (harness) => {
      const store = await harness.open();
      await randomHistory(store, 7, 25, { "delta.checkpointInterval": "10" });
      const expected = (await replay(store, TABLE)).at(-1);
      const hint = `${TABLE}/_delta_log/_last_checkpoint`;
      const checkpoint = `${TABLE}/_delta_log/00000000000000000020.checkpoint.parquet`;
      const [hintBytes, bytes] = [(await store.get(hint))!, (await store.get(checkpoint))!];
      const flipped = Array.from({ length: 25 }, (_, part) => {
        const copy = bytes.slice();
        copy[Math.floor((bytes.length * (part + 0.5)) / 25)]! ^= 1;
        return [checkpoint, copy] as const;
      });
      const damages: readonly (readonly [string, Uint8Array])[] = [
        ...flipped,
        [checkpoint, bytes.subarray(0, bytes.length >> 1)],
        [checkpoint, new Uint8Array(0)],
        [hint, new TextEncoder().encode("{")],
        [hint, new TextEncoder().encode('{"version":9999}')],
        [hint, new TextEncoder().encode('{"version":10,"size":1}')],
      ];
      for (const [path, damage] of damages) {
        await store.put(path, damage);
        assertSameState(summarize(await logOver(store).snapshot()), expected);
        await store.put(hint, hintBytes);
        await store.put(checkpoint, bytes);
      }
      await store.delete(checkpoint);
      assertSameState(summarize(await logOver(store).snapshot()), expected);
      await store.delete(hint);
      assertSameState(summarize(await logOver(store).snapshot()), expected);
      await store.delete(logPath(TABLE, 12)); // between the older checkpoint and the head
      await rejectsWith("table.corrupt", () => logOver(store).snapshot());
    },
  ],
  [
    "after a clean-up of old commits nobody goes on from before it unnoticed",
    async (harness) => {
      const store = await harness.open();
      const clock = new ManualClock(1_800_000_000_000);
      const sleeper = logOver(store, clock);
      const early = await created(sleeper, { "delta.checkpointInterval": "5" });
      await randomHistory(store, 3, 12, undefined, clock);
      for (let version = 0; version < 10; version++) await store.delete(logPath(TABLE, version));
      clock.advance(86_400_000);
      const head = await logOver(store, clock).snapshot();
      assertSameState(summarize(await logOver(store, clock).snapshot({ from: early })), summarize(head));
      await rejectsWith("table.commit_conflict", () =>
        sleeper.commit({ base: early, change: change(["zombie"]), check: rebase }),
      );
      assert.equal(await store.get(logPath(TABLE, 1)), undefined);
      await committed(sleeper.commit({ base: head, change: change(["fresh"]), check: abandon }));
    },
  ],
  [
    "a hole in the log and an unreadable commit are table.corrupt",
    async (harness) => {
      const store = await harness.open();
      await randomHistory(store, 5, 6);
      const bytes = (await store.get(logPath(TABLE, 4)))!;
      await store.delete(logPath(TABLE, 4));
      await rejectsWith("table.corrupt", () => logOver(store).snapshot());
      const broken = ["not json\n", "[]\n", '{"add":{"path":5}}\n', '{"txn":{"appId":"a","version":1.5}}\n'];
      for (const text of broken) {
        await store.put(logPath(TABLE, 4), new TextEncoder().encode(text));
        await rejectsWith("table.corrupt", () => logOver(store).snapshot());
        await rejectsWith("table.corrupt", () => logOver(store).read(4));
      }
      await store.put(logPath(TABLE, 4), bytes);
      assert.equal((await logOver(store).snapshot()).version, 6);
    },
  ],
  [
    "a protocol beyond reader 1 / writer 2 is refused, as soon as it appears",
    async (harness) => {
      const store = await harness.open();
      const log = logOver(store);
      const base = await created(log);
      const upgrades = [
        '{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"]}}',
        '{"protocol":{"minReaderVersion":2,"minWriterVersion":5}}',
        '{"protocol":{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["appendOnly"]}}',
      ];
      for (const line of upgrades) {
        await store.put(logPath(TABLE, 1), new TextEncoder().encode(`${line}\n`));
        await rejectsWith("table.unsupported", () => log.snapshot());
        await rejectsWith("table.unsupported", () => log.snapshot({ from: base }));
        await rejectsWith("table.unsupported", () =>
          log.commit({ base, change: change(["a"]), check: rebase }),
        );
      }
    },
  ],
  [
    "times of foreign commits that are missing or go back still grow",
    async (harness) => {
      const store = await harness.open();
      const log = logOver(store);
      const base = await created(log);
      const foreign = ['{"commitInfo":{"timestamp":5}}', '{"txn":{"appId":"a","version":1}}'];
      for (const [index, line] of foreign.entries()) {
        await store.put(logPath(TABLE, index + 1), new TextEncoder().encode(line));
      }
      const head = await log.snapshot();
      assert.deepEqual([head.version, head.timestampMs], [2, base.timestampMs + 2]);
      assert.equal((await log.snapshot({ from: base })).timestampMs, head.timestampMs);
    },
  ],
  [
    "metadata changes with a commit; two changes of it at once conflict",
    async (harness) => {
      const log = logOver(await harness.open());
      const base = await created(log);
      const renamed = { ...base.metadata!, name: "other", configuration: { "muara.retention": "30d" } };
      const change_ = { ...change(["a"]), metadata: renamed };
      const after = await committed(log.commit({ base, change: change_, check: abandon }));
      assert.deepEqual(after.metadata, renamed);
      assert.deepEqual((await log.snapshot()).metadata, renamed);
      const late = { ...change(["b"]), metadata: renamed };
      await rejectsWith("table.commit_conflict", () => log.commit({ base, change: late, check: rebase }));
    },
  ],
];
