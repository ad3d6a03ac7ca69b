import assert from "node:assert/strict";
import { describe, it } from "vitest";
import { createMemoryObjectStore } from "../../../adapters/memory/object-store.ts";
import { ManualClock, systemRandomness } from "../../../core/clock.ts";
import { createLogger, silentLogger } from "../../../core/logger.ts";
import type { ObjectStore } from "../../../core/ports/object-store.ts";
import type { TableLog, TableSnapshot } from "../../../core/ports/table-log.ts";
import { writeCheckpoint } from "../../../lake/table/table-checkpoint.ts";
import { openTableLog } from "../../../lake/table/table-log.ts";
import { stateOf } from "../../../lake/table/table-state.ts";
import {
  change,
  committed,
  creation,
  logOver,
  randomHistory,
  removal,
  TABLE,
} from "../../conformance/table-changes.ts";
import { logPath } from "../../conformance/table-model.ts";

const HOUR_MS = 3_600_000;
const HINT = `${TABLE}/_delta_log/_last_checkpoint`;

const all = (snapshot: TableSnapshot): unknown => {
  const { files, txns, tombstones, ...rest } = stateOf(snapshot);
  return { ...rest, files: [...files], txns: [...txns], tombstones: [...tombstones] };
};

/** A store that counts what is asked of it. */
function counting(store: ObjectStore): { readonly store: ObjectStore; readonly calls: string[] } {
  const calls: string[] = [];
  const get: ObjectStore["get"] = (path) => (calls.push(`get ${path.split("/").at(-1)}`), store.get(path));
  const list: ObjectStore["list"] = (prefix) => (calls.push("list"), store.list(prefix));
  return { store: { ...store, get, list }, calls };
}

describe("table checkpoint", () => {
  it("holds the whole state, tombstones included: equal to a full replay in every field", async () => {
    const store = createMemoryObjectStore();
    await randomHistory(store, 11, 40, { "delta.checkpointInterval": "8" });
    const direct = await logOver(store).snapshot();
    const hidden: ObjectStore = {
      ...store,
      get: async (path) => (path.includes("checkpoint") ? undefined : store.get(path)),
      list: async (prefix) => (await store.list(prefix)).filter(({ path }) => !path.includes("checkpoint")),
    };
    const replayed = await logOver(hidden).snapshot();
    assert.deepEqual(all(direct), all(replayed));
    assert.ok(stateOf(direct).tombstones.size > 0);
  });

  it("forgets a tombstone once its time is over, and keeps it before", async () => {
    const store = createMemoryObjectStore();
    const clock = new ManualClock(1_800_000_000_000);
    const log = logOver(store, clock);
    let base = await log.snapshot();
    const commit = async (wanted: Parameters<TableLog["commit"]>[0]["change"]): Promise<void> => {
      base = await committed(log.commit({ base, change: wanted, check: () => "abandon" }));
    };
    await commit(creation({ "delta.checkpointInterval": "2" }));
    await commit(change(["a", "b"]));
    await commit(change([], { remove: [removal("a", clock.nowMs())] }));
    clock.advance(1.5 * HOUR_MS);
    await commit(change([], { remove: [removal("b", clock.nowMs())] }));
    await commit(change(["c"]));
    assert.deepEqual([...stateOf(await logOver(store).snapshot()).tombstones.keys()], ["a", "b"]);
    clock.advance(HOUR_MS);
    await commit(change(["d"]));
    assert.deepEqual([...stateOf(base).tombstones.keys()], ["a", "b"], "only where a checkpoint is due");
    await commit(change(["e"]));
    assert.equal(base.version, 6);
    for (const snapshot of [base, await logOver(store, clock).snapshot()]) {
      assert.deepEqual([...stateOf(snapshot).tombstones.keys()], ["b"]);
    }
  });

  it("a path that was added again is live, and no tombstone", async () => {
    const store = createMemoryObjectStore();
    const log = logOver(store);
    let base = await log.snapshot();
    const changes = [creation({ "delta.checkpointInterval": "3" }), change(["a", "b"])];
    changes.push(change([], { remove: [removal("a", Date.now()), removal("b", Date.now())] }), change(["a"]));
    for (const wanted of changes) {
      base = await committed(log.commit({ base, change: wanted, check: () => "abandon" }));
    }
    for (let version = 0; version < 3; version++) await store.delete(logPath(TABLE, version));
    for (const snapshot of [base, await logOver(store).snapshot()]) {
      assert.deepEqual([...snapshot.files.keys()], ["a"]);
      assert.deepEqual([...stateOf(snapshot).tombstones.keys()], ["b"]);
    }
  });

  it("is where reading begins: one hint, one checkpoint, the tail, no listing", async () => {
    const store = createMemoryObjectStore();
    await randomHistory(store, 12, 43, { "delta.checkpointInterval": "20" });
    const { store: counted, calls } = counting(store);
    await logOver(counted).snapshot();
    assert.deepEqual(calls.slice(0, 2), [
      "get _last_checkpoint",
      "get 00000000000000000040.checkpoint.parquet",
    ]);
    const commits = calls.slice(2);
    assert.ok(commits.length <= 10 && commits.every((call) => call.endsWith(".json")), commits.join());
  });

  it("an older one never takes the place of a newer one", async () => {
    const store = createMemoryObjectStore();
    await randomHistory(store, 13, 25, { "delta.checkpointInterval": "10" });
    await writeCheckpoint(store, TABLE, await logOver(store).snapshot({ version: 15 }));
    const hint: { version: number } = JSON.parse(new TextDecoder().decode(await store.get(HINT)));
    assert.equal(hint.version, 20);
    assert.equal((await logOver(store).snapshot({ version: 17 })).version, 17);
  });

  it("a store that refuses it costs a warning, not the commit", async () => {
    const lines: string[] = [];
    const store = createMemoryObjectStore({
      faults: (operation, path) => (operation === "put" && path.includes("checkpoint") ? "lost" : undefined),
    });
    const log = openTableLog(store, TABLE, {
      clock: new ManualClock(1_800_000_000_000),
      randomness: systemRandomness,
      logger: createLogger(
        (line) => lines.push(line),
        "warn",
        () => 0,
      ),
    });
    let base = await log.snapshot();
    base = await committed(
      log.commit({ base, change: creation({ "delta.checkpointInterval": "1" }), check: () => "abandon" }),
    );
    base = await committed(log.commit({ base, change: change(["a"]), check: () => "abandon" }));
    assert.equal(base.version, 1);
    assert.equal(lines.length, 1);
    assert.match(lines[0]!, /table checkpoint failed.*store\.unavailable/);
    assert.equal((await logOver(store).snapshot()).files.size, 1);
  });

  it("a refresh after one commit asks for two commits only and is quick with 1,000 files", async () => {
    const store = createMemoryObjectStore();
    const log = logOver(store, new ManualClock(1_800_000_000_000));
    let base = await log.snapshot();
    base = await committed(log.commit({ base, change: creation(), check: () => "abandon" }));
    const paths = Array.from({ length: 1000 }, (_, index) => `f${index}`);
    base = await committed(log.commit({ base, change: change(paths), check: () => "abandon" }));
    await committed(log.commit({ base, change: change(["one more"]), check: () => "abandon" }));
    const { store: counted, calls } = counting(store);
    const reader = logOver(counted, new ManualClock(1_800_000_000_000));
    await reader.snapshot({ from: base });
    calls.length = 0;
    await reader.snapshot({ from: base });
    const names = new Set([2, 3, 4].map((version) => `get ${logPath("", version).split("/").at(-1)}`));
    assert.ok(calls.length <= 4, calls.join());
    assert.ok(
      calls.every((call) => names.has(call) || call === "get _last_checkpoint"),
      calls.join(),
    );
    const tookMs: number[] = [];
    for (let round = 0; round < 101; round++) {
      const startMs = performance.now();
      const { files } = await reader.snapshot({ from: base });
      tookMs.push(performance.now() - startMs);
      assert.equal(files.size, 1001);
    }
    const medianMs = tookMs.sort((a, b) => a - b)[50]!;
    assert.ok(medianMs < 1, `median ${medianMs} ms`);
  });
});

describe("the committer and its store", () => {
  it("passes on what the store threw before anything was written, and settles what came after", async () => {
    const store = createMemoryObjectStore();
    const base = await committed(
      logOver(store).commit({
        base: await logOver(store).snapshot(),
        change: creation(),
        check: () => "abandon",
      }),
    );
    const { MuaraError, hasCode } = await import("../../../core/errors.ts");
    const full = new MuaraError("store.unavailable", "disk full");
    const script: ("throw" | "unknown" | "real" | "apply")[] = [];
    const putIfAbsent: ObjectStore["putIfAbsent"] = async (path, bytes) => {
      const step = script.shift() ?? "real";
      if (step === "throw") throw full;
      if (step === "apply") await store.putIfAbsent(path, bytes);
      return step === "real" ? store.putIfAbsent(path, bytes) : { outcome: "unknown", cause: full };
    };
    const clock = { ...systemClockWithoutWaiting };
    const log = openTableLog({ ...store, putIfAbsent }, TABLE, {
      clock,
      randomness: systemRandomness,
      logger: silentLogger,
    });
    script.push("throw");
    const failing = log.commit({ base, change: change(["a"]), check: () => "abandon" });
    await assert.rejects(failing, (error) => error === full);
    assert.equal((await log.snapshot()).version, 0);
    // Applied without an answer, then the disk is full: the commit is still settled, as done.
    script.push("apply", "throw", "unknown");
    const one = await committed(log.commit({ base, change: change(["a"]), check: () => "abandon" }));
    assert.deepEqual([one.version, [...one.files.keys()]], [1, ["a"]]);
    // Never written, and cut off: unknown it is.
    script.push("unknown", "throw", "unknown");
    const cutOff = log.commit({
      base: one,
      change: change(["b"]),
      check: () => "abandon",
      signal: AbortSignal.abort(),
    });
    await assert.rejects(cutOff, (error) => hasCode(error, "table.commit_unknown"));
  });

  it("a refusal that cannot be read back yet is no winner: the same put is repeated", async () => {
    const store = createMemoryObjectStore();
    const base = await committed(
      logOver(store).commit({
        base: await logOver(store).snapshot(),
        change: creation(),
        check: () => "abandon",
      }),
    );
    let hidden = 3;
    const puts: string[] = [];
    const lagging: ObjectStore = {
      ...store,
      get: async (path) => (path === logPath(TABLE, 1) && hidden-- > 0 ? undefined : store.get(path)),
      putIfAbsent: (path, bytes) => (
        puts.push(new TextDecoder().decode(bytes)),
        store.putIfAbsent(path, bytes)
      ),
    };
    await committed(logOver(store).commit({ base, change: change(["winner"]), check: () => "abandon" }));
    const log = openTableLog(lagging, TABLE, {
      clock: systemClockWithoutWaiting,
      randomness: systemRandomness,
      logger: silentLogger,
    });
    const outcome = await log.commit({ base, change: change(["loser"]), check: () => "abandon" });
    assert.equal(outcome.outcome, "abandoned");
    assert.deepEqual([...outcome.snapshot.files.keys()], ["winner"]);
    assert.equal(puts.length, 4);
    assert.equal(new Set(puts).size, 1, "the same bytes each time");
  });

  it("times grow though the clock stands still or goes back", async () => {
    const store = createMemoryObjectStore();
    let nowMs = 1_800_000_000_000.75;
    const clock = { ...systemClockWithoutWaiting, nowMs: () => (nowMs -= 5000) };
    const log = openTableLog(store, TABLE, { clock, randomness: systemRandomness, logger: silentLogger });
    let base = await committed(
      log.commit({ base: await log.snapshot(), change: creation(), check: () => "abandon" }),
    );
    const times = [base.timestampMs];
    for (const path of ["a", "b", "c"]) {
      base = await committed(log.commit({ base, change: change([path]), check: () => "abandon" }));
      times.push(base.timestampMs);
    }
    const first = times[0]!;
    assert.deepEqual(times, [first, first + 1, first + 2, first + 3]);
    assert.ok(Number.isInteger(first));
  });
});

const systemClockWithoutWaiting = {
  nowMs: () => 1_800_000_000_000,
  monotonicMs: () => 0,
  sleep: async () => undefined,
};
