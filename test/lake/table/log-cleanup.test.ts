import assert from "node:assert/strict";
import { describe, it } from "vitest";
import { createMemoryObjectStore } from "../../../adapters/memory/object-store.ts";
import { ManualClock, seededRandomness, systemRandomness } from "../../../core/clock.ts";
import { hasCode } from "../../../core/errors.ts";
import { createLogger, silentLogger } from "../../../core/logger.ts";
import type { ObjectStore } from "../../../core/ports/object-store.ts";
import type { TableSnapshot } from "../../../core/ports/table-log.ts";
import { cleanUpLog, type CleanedUp, type CleanUpRequest } from "../../../lake/table/log-cleanup.ts";
import { readHint } from "../../../lake/table/table-checkpoint.ts";
import { openTableLog } from "../../../lake/table/table-log.ts";
import { logRetentionMs } from "../../../lake/table/table-properties.ts";
import { stateOf } from "../../../lake/table/table-state.ts";
import {
  abandon,
  change,
  committed,
  created,
  creation,
  logOver,
  TABLE,
} from "../../conformance/table-changes.ts";

const DAY_MS = 86_400_000;
const FOLDER = `${TABLE}/_delta_log`;
const EVERY: CleanUpRequest = { consumers: [], holdMs: 7 * DAY_MS };

interface Kept {
  readonly store: ObjectStore;
  readonly clock: ManualClock;
  /** [version] as committed. */
  readonly states: readonly unknown[];
}

const all = (snapshot: TableSnapshot): unknown => {
  const { files, txns, tombstones, ...rest } = stateOf(snapshot);
  return { ...rest, files: [...files], txns: [...txns], tombstones: [...tombstones] };
};

/** A table of `count` versions, one each `everyMs`, with a checkpoint each `interval`. */
async function tableOf(count: number, interval: number, everyMs = DAY_MS): Promise<Kept> {
  const clock = new ManualClock(1_800_000_000_000);
  const store = createMemoryObjectStore({ clock });
  const log = logOver(store, clock);
  const properties = {
    "delta.checkpointInterval": String(interval),
    "delta.logRetentionDuration": "interval 30 days",
  };
  let base = await created(log, properties);
  const states = [all(base)];
  for (let version = 1; version < count; version++) {
    clock.advance(everyMs);
    const txns = [{ appId: `app${version % 3}`, version: BigInt(version) }];
    const wanted = change([`f${version}`], { txns });
    base = await committed(log.commit({ base, change: wanted, check: abandon }));
    states.push(all(base));
  }
  return { store, clock, states };
}

function clean({ store, clock }: Kept, request: CleanUpRequest = EVERY): Promise<CleanedUp | undefined> {
  return cleanUpLog({ store, clock, logger: silentLogger }, TABLE, request);
}

async function namesIn(store: ObjectStore): Promise<string[]> {
  return (await store.list(FOLDER)).map(({ path }) => path.slice(FOLDER.length + 1));
}

async function versionsIn(store: ObjectStore, ending: ".json" | ".checkpoint.parquet"): Promise<number[]> {
  const names = await namesIn(store);
  return names
    .filter((name) => name.endsWith(ending) && /^\d/.test(name))
    .map((name) => Number(name.slice(0, 20)));
}

const checkpointPath = (version: number): string =>
  `${FOLDER}/${String(version).padStart(20, "0")}.checkpoint.parquet`;
const commitPath = (version: number): string => `${FOLDER}/${String(version).padStart(20, "0")}.json`;

/** Every version from `oldest` on is what it was; the others are known to be gone. */
async function checkReadable(
  { store, clock, states }: Kept,
  oldest: number,
  onlyHead = false,
): Promise<void> {
  assert.deepEqual(all(await logOver(store, clock).snapshot()), states.at(-1));
  if (onlyHead) return;
  for (let version = 0; version < states.length; version++) {
    const log = logOver(store, clock);
    if (version >= oldest) assert.deepEqual(all(await log.snapshot({ version })), states[version]);
    else
      await assert.rejects(log.snapshot({ version }), (error) => hasCode(error, "table.version_not_found"));
  }
}

describe("clean-up of a log", () => {
  it("cuts it at the newest checkpoint that all conditions allow, and keeps the rest readable", async () => {
    const kept = await tableOf(60, 5);
    const result = await clean(kept); // 59 days long, 30 kept: versions below 30 - rounded down to a checkpoint
    assert.deepEqual(result, { deleted: 25 + 4, oldestVersion: 25, overtaken: [] });
    assert.equal((await versionsIn(kept.store, ".json"))[0], 25);
    assert.equal((await versionsIn(kept.store, ".checkpoint.parquet"))[0], 25);
    assert.equal((await readHint(kept.store, TABLE))?.version, 55);
    await checkReadable(kept, 25);
    assert.equal(await clean(kept), undefined, "there is no more to do");
    kept.clock.advance(DAY_MS * 400);
    assert.equal((await clean(kept))?.oldestVersion, 50, "the second newest checkpoint stays");
    await checkReadable(kept, 50);
  });

  it("time travel by time finds the versions that are left", async () => {
    const kept = await tableOf(40, 5);
    const log = logOver(kept.store, kept.clock);
    const atVersion = (version: number): number => 1_800_000_000_000 + version * DAY_MS + 5;
    assert.equal((await log.snapshot({ timeMs: atVersion(3) })).version, 3);
    kept.clock.advance(DAY_MS * 10);
    assert.equal((await clean(kept))?.oldestVersion, 15);
    for (const version of [15, 16, 30, 39])
      assert.equal((await log.snapshot({ timeMs: atVersion(version) })).version, version);
    await assert.rejects(log.snapshot({ timeMs: atVersion(14) }), (error) =>
      hasCode(error, "table.version_not_found"),
    );
  });

  it("waits for the slowest consumer, not for ever, and says whom it overtook", async () => {
    const kept = await tableOf(60, 5);
    const lines: string[] = [];
    const logger = createLogger(
      (line) => lines.push(line),
      "error",
      () => 0,
    );
    const run = (slowest: number, holdDays: number): Promise<CleanedUp | undefined> =>
      cleanUpLog({ ...kept, logger }, TABLE, {
        consumers: [
          { name: "fast", version: 59 },
          { name: "slow", version: slowest },
        ],
        holdMs: holdDays * DAY_MS,
      });
    assert.equal(await run(3, 100), undefined, "4 is still to be consumed, 5 is the first checkpoint");
    assert.equal((await run(4, 100))?.oldestVersion, 5, "4 is consumed, 5 is kept");
    assert.equal((await run(18, 100))?.oldestVersion, 15);
    assert.deepEqual(lines, []);
    const { oldestVersion, overtaken } = (await run(18, 7))!;
    assert.deepEqual([oldestVersion, overtaken], [20, [{ name: "slow", version: 18 }]]);
    assert.equal(lines.length, 1);
    assert.match(lines[0]!, /slow/);
    await checkReadable(kept, 20);
  });

  it("follows the table's property, with two hours as the least", async () => {
    const texts = ["interval 3 days", "interval 1 minute", "what"];
    const kept = texts.map((text) =>
      logRetentionMs(creation({ "delta.logRetentionDuration": text }).metadata),
    );
    assert.deepEqual(kept, [3 * DAY_MS, 2 * 3_600_000, 30 * DAY_MS]);
    assert.equal(logRetentionMs(undefined), 30 * DAY_MS);
  });

  it("keeps what two readable checkpoints need: a damaged one does not count", async () => {
    const kept = await tableOf(42, 5);
    kept.clock.advance(DAY_MS * 100);
    const { store } = kept;
    await store.put(checkpointPath(40), new Uint8Array(100));
    await store.delete(checkpointPath(30));
    await store.put(checkpointPath(25), (await store.get(checkpointPath(20)))!);
    assert.equal((await clean(kept))?.oldestVersion, 20);
    assert.equal((await readHint(store, TABLE))?.version, 35, "readers are not sent to the damaged one");
    await checkReadable(kept, 20);
    await store.delete(checkpointPath(20));
    await store.delete(checkpointPath(35));
    assert.equal(await clean(kept), undefined, "there are no two any more");
  });

  it("touches nothing where a commit is missing", async () => {
    const kept = await tableOf(42, 5);
    kept.clock.advance(DAY_MS * 100);
    await kept.store.delete(commitPath(38));
    assert.equal(await clean(kept), undefined);
  });

  it("a commit younger than the retention stays, whatever the times of those before it", async () => {
    const kept = await tableOf(42, 5, 1);
    const { store, clock } = kept;
    clock.advance(DAY_MS * 40);
    const bytes = (await store.get(commitPath(12)))!;
    await store.put(commitPath(12), bytes); // as copied today
    assert.equal((await clean(kept))?.oldestVersion, 10);
    await checkReadable(kept, 10);
  });
});

/** A store whose deletes end with a crash after `left` of them. */
function crashing(store: ObjectStore, left: number): ObjectStore {
  let count = left;
  return {
    ...store,
    delete: async (path) => {
      if (count-- <= 0) throw new Error("crash");
      await store.delete(path);
    },
  };
}

describe("whatever happens meanwhile", () => {
  it("a crash at any delete leaves a log that is longer, and the next run ends the work", async () => {
    for (let deletes = 0; ; deletes++) {
      const kept = await tableOf(14, 3);
      kept.clock.advance(DAY_MS * 100);
      const result = await clean({ ...kept, store: crashing(kept.store, deletes) }).catch(() => "crash");
      await checkReadable(kept, 9, true);
      for (let version = 9; version < 14; version++)
        assert.deepEqual(all(await logOver(kept.store).snapshot({ version })), kept.states[version]);
      if (result !== "crash") {
        assert.ok(deletes > 10);
        return;
      }
      assert.equal((await clean(kept))?.oldestVersion, 9);
      await checkReadable(kept, 9);
    }
  });

  it("readers of all kinds, begun or continued at any step of a clean-up, see right states only", async () => {
    const answers = { right: 0, gone: 0 };
    for (let seed = 1; seed <= 20; seed++) {
      const random = seededRandomness(seed);
      const kept = await tableOf(25, 3);
      kept.clock.advance(DAY_MS * 100);
      const { states, clock } = kept;
      const yielding = async (): Promise<void> => {
        for (let turns = Math.floor(random.fraction() * 8); turns > 0; turns--) await Promise.resolve();
      };
      const store: ObjectStore = {
        ...kept.store,
        get: async (path) => (await yielding(), kept.store.get(path)),
        list: async (prefix) => (await yielding(), kept.store.list(prefix)),
        delete: async (path) => (await yielding(), kept.store.delete(path)),
      };
      const old = await logOver(kept.store, clock).snapshot({ version: Math.floor(random.fraction() * 25) });
      if (random.fraction() < 0.3) await kept.store.delete(`${FOLDER}/_last_checkpoint`);
      const read = async (): Promise<void> => {
        for (let turns = Math.floor(random.fraction() * 60); turns > 0; turns--) await Promise.resolve();
        const log = logOver(store, clock);
        const version = Math.floor(random.fraction() * 25);
        const requests = [
          {},
          { from: old },
          { version },
          { timeMs: 1_800_000_000_000 + version * DAY_MS + 1 },
        ];
        const request = requests[Math.floor(random.fraction() * 4)]!;
        try {
          const snapshot = await log.snapshot(request);
          const expected = "version" in request || "timeMs" in request ? version : 24;
          assert.equal(snapshot.version, expected, JSON.stringify(request));
          assert.deepEqual(all(snapshot), states[snapshot.version]);
          answers.right++;
        } catch (error) {
          if (!hasCode(error, "table.version_not_found")) throw error;
          assert.ok(
            version < 21 && ("version" in request || "timeMs" in request),
            `seed ${seed}: ${version}`,
          );
          answers.gone++;
        }
      };
      await Promise.all([
        cleanUpLog({ store, clock, logger: silentLogger }, TABLE, EVERY),
        cleanUpLog({ store, clock, logger: silentLogger }, TABLE, EVERY),
        ...Array.from({ length: 8 }, read),
      ]);
      await checkReadable(kept, 21, seed % 5 > 0);
    }
    assert.ok(answers.right > 40 && answers.gone > 10, JSON.stringify(answers));
  });

  it("a reader that found no checkpoint yet begins again where the commits went away before it came", async () => {
    const kept = await tableOf(3, 4);
    const { store, clock } = kept;
    let isSlow = true;
    const slow: ObjectStore = {
      ...store,
      list: async (prefix) => {
        const listed = await store.list(prefix);
        if (!isSlow) return listed;
        isSlow = false;
        const log = logOver(store, clock);
        let base = await log.snapshot();
        for (let version = 3; version < 14; version++)
          base = await committed(log.commit({ base, change: change([`f${version}`]), check: abandon }));
        clock.advance(DAY_MS * 100);
        assert.equal((await clean(kept))?.oldestVersion, 8);
        return listed;
      },
    };
    assert.equal((await logOver(slow, clock).snapshot()).version, 13);
    assert.equal(isSlow, false);
  });

  it("random logs, damage, ages and consumers: as much goes as may go, and no more", async () => {
    const cuts = { done: 0, nothing: 0 };
    for (let seed = 1; seed <= 60; seed++) {
      const random = seededRandomness(seed);
      const below = (limit: number): number => Math.floor(random.fraction() * limit);
      const kept = await tableOf(10 + below(30), 1 + below(6));
      const { store, clock, states } = kept;
      clock.advance(below(60) * DAY_MS);
      const damaged = new Set<number>();
      const present = await versionsIn(store, ".checkpoint.parquet");
      for (const version of present) {
        if (random.fraction() < 0.75) continue;
        damaged.add(version);
        if (random.fraction() < 0.5) await store.delete(checkpointPath(version));
        else
          await store.put(
            checkpointPath(version),
            (await store.get(checkpointPath(version)))!.subarray(0, 50),
          );
      }
      const consumed = below(states.length + 20) - 1;
      const holdDays = below(20);
      const ageDays = (version: number): number =>
        (clock.nowMs() - 1_800_000_000_000 - version * DAY_MS) / DAY_MS;
      const mayGo = (version: number): boolean =>
        ageDays(version) > 30 && (version <= consumed || ageDays(version) > 30 + holdDays);
      const good = present.filter((version) => !damaged.has(version));
      const cut = good
        .slice(0, -1)
        .findLast((version) => Array.from({ length: version }, (_, i) => i).every(mayGo));
      const consumers = [{ name: "one", version: consumed }];
      const result = await clean(kept, { consumers, holdMs: holdDays * DAY_MS });
      assert.equal(result?.oldestVersion, cut, `seed ${seed}`);
      if (cut === undefined) cuts.nothing++;
      else {
        cuts.done++;
        const commits = await versionsIn(store, ".json");
        assert.deepEqual(
          commits,
          Array.from({ length: states.length - cut }, (_, i) => cut + i),
          `seed ${seed}`,
        );
        assert.ok((await versionsIn(store, ".checkpoint.parquet")).every((version) => version >= cut));
        assert.equal(result!.overtaken.length, consumed + 1 < cut ? 1 : 0);
        const hint = await readHint(store, TABLE);
        assert.ok(good.includes(hint!.version) && hint!.version >= cut, `seed ${seed}: ${hint!.version}`);
        await checkReadable(kept, cut, seed % 4 > 0);
      }
    }
    assert.ok(cuts.done > 15 && cuts.nothing > 10, JSON.stringify(cuts));
  });

  it("a writer that slept through it commits nothing that nobody reads", async () => {
    const kept = await tableOf(12, 3);
    const { store, clock } = kept;
    const stale = await logOver(store, clock).snapshot({ version: 4 });
    let isAsleep = true;
    const sleepy: ObjectStore = {
      ...store,
      putIfAbsent: async (path, bytes) => {
        if (isAsleep) {
          isAsleep = false;
          clock.advance(DAY_MS * 100);
          assert.equal((await clean(kept))?.oldestVersion, 6);
        }
        return store.putIfAbsent(path, bytes);
      },
    };
    const options = { clock, randomness: systemRandomness, logger: silentLogger };
    const log = openTableLog(sleepy, TABLE, options);
    await assert.rejects(log.commit({ base: stale, change: change(["late"]), check: abandon }), (error) =>
      hasCode(error, "table.commit_unknown"),
    );
    await checkReadable(kept, 6);
    assert.equal((await log.snapshot({ from: stale })).version, 11);
    await assert.rejects(log.commit({ base: stale, change: change(["late"]), check: abandon }), (error) =>
      hasCode(error, "table.commit_conflict"),
    );
    const base = await log.snapshot();
    await committed(log.commit({ base, change: change(["good"]), check: abandon }));
  });
});
