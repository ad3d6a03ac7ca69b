/**
 * Seeded histories of a table log over a store that loses requests, loses answers and carries requests out late.
 * Every history has landers (a counter moved exactly from n to n+1, as landing does), appenders that rebase, and
 * attempts that are cut off while their outcome is unknown. What the callers were told is then compared with what
 * the log holds.
 */
import assert from "node:assert/strict";
import { createMemoryObjectStore, type MemoryFault } from "../../adapters/memory/object-store.ts";
import { type Clock, type Randomness, seededRandomness } from "../../core/clock.ts";
import { hasCode } from "../../core/errors.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type {
  TableChange,
  TableCommit,
  TableLog,
  TableSnapshot,
  Verdict,
} from "../../core/ports/table-log.ts";
import { change, creation, TABLE } from "./table-changes.ts";
import { actionsOf, assertSameState, replay, summarize } from "./table-model.ts";

const COUNTER = "muara:land";

export type OpenTableLog = (
  store: ObjectStore,
  options: { clock: Clock; randomness: Randomness },
) => TableLog;

interface Told {
  readonly path: string;
  readonly fate: "committed" | "abandoned" | "unknown";
  /** Versions the check was asked about. */
  readonly judged: readonly number[];
  readonly baseVersion: number;
  readonly version: number | undefined;
}

export interface HistoryCounts {
  committed: number;
  abandoned: number;
  unknown: number;
  faults: number;
}

/** Runs one history and checks it. @throws AssertionError naming the seed */
export async function runFaultyHistory(
  open: OpenTableLog,
  seed: number,
  counts: HistoryCounts,
): Promise<void> {
  const random = seededRandomness(seed);
  const rate = [0, 0.1, 0.3, 0.6][Math.floor(random.fraction() * 4)]!;
  let isHealed = true;
  const faults = async (operation: string): Promise<MemoryFault | undefined> => {
    for (let turns = Math.floor(random.fraction() * 4); turns > 0; turns--) await Promise.resolve();
    if (isHealed || random.fraction() >= rate) return undefined;
    counts.faults++;
    if (!operation.startsWith("put")) return "lost";
    const dice = random.fraction();
    if (dice < 0.3) return "lost";
    if (dice < 0.6) return "answer_lost";
    return { kind: "late", afterCalls: 1 + Math.floor(random.fraction() * 40) };
  };
  const store = createMemoryObjectStore({ faults });
  const clock = skippingClock();
  const logs = Array.from({ length: 4 }, (_, name) =>
    open(store, { clock, randomness: seededRandomness(seed * 31 + name) }),
  );
  const base = await logs[0]!.snapshot();
  const created = await logs[0]!.commit({
    base,
    change: creation({ "delta.checkpointInterval": "6" }),
    check: () => "abandon",
  });
  isHealed = false;
  const told: Told[] = [];
  const names = ["lander-a", "lander-b", "append-c", "append-d"];
  await Promise.all(
    names.map((name, index) => work(name, logs[index]!, created.snapshot, random, (one) => told.push(one))),
  );
  isHealed = true;
  store.applyLate();
  for (const one of told) counts[one.fate]++;
  try {
    await compare(store, told);
    assertSameState(summarize(await logs[0]!.snapshot()), (await replay(store, TABLE)).at(-1));
  } catch (error) {
    throw new Error(`table history with seed ${seed} at fault rate ${rate}`, { cause: error });
  }
}

/** Six attempts of one writer. After anything but a commit it reads the table again, as landing does. */
async function work(
  name: string,
  log: TableLog,
  start: TableSnapshot,
  random: Randomness,
  tell: (told: Told) => void,
): Promise<void> {
  let base = start;
  for (let attempt = 0; attempt < 6; attempt++) {
    const path = `${name}-${attempt}`;
    const judged: number[] = [];
    const isLander = name.startsWith("lander");
    const check = (winner: TableCommit): Verdict => {
      judged.push(winner.version);
      return isLander && winner.txns.some((txn) => txn.appId === COUNTER) ? "abandon" : "rebase";
    };
    const counter = base.txns.get(COUNTER) ?? 0n;
    const txns = isLander ? [{ appId: COUNTER, version: counter + 1n }] : [];
    const request = { base, change: change([path], { txns }) satisfies TableChange, check };
    const limit = random.fraction() < 0.3 ? cutOffSoon(random) : undefined;
    const baseVersion = base.version;
    try {
      const outcome = await log.commit(limit ? { ...request, signal: limit } : request);
      base = outcome.snapshot;
      const version = outcome.outcome === "committed" ? outcome.commit.version : undefined;
      tell({ path, fate: outcome.outcome, judged, baseVersion, version });
      if (outcome.outcome === "committed") continue;
    } catch (error) {
      if (hasCode(error, "table.commit_unknown"))
        tell({ path, fate: "unknown", judged, baseVersion, version: undefined });
      else if (hasCode(error, "store.unavailable"))
        tell({ path, fate: "abandoned", judged, baseVersion, version: undefined });
      else throw error;
    }
    base = (await log.snapshot({ from: base }).catch(() => undefined)) ?? base;
  }
}

async function compare(store: ObjectStore, told: readonly Told[]): Promise<void> {
  const states = await replay(store, TABLE);
  const versionsOf = new Map<string, number[]>();
  let counter = 0n;
  for (let version = 1; version < states.length; version++) {
    for (const { add, txn } of (await actionsOf(store, TABLE, version))!) {
      if (add) versionsOf.set(String(add["path"]), [...(versionsOf.get(String(add["path"])) ?? []), version]);
      if (txn)
        assert.equal(BigInt(String(txn["version"])), ++counter, `the counter jumps at version ${version}`);
    }
  }
  for (const { path, fate, judged, baseVersion, version } of told) {
    const found = versionsOf.get(path) ?? [];
    if (fate === "committed") {
      assert.deepEqual(found, [version], `${path} was reported as committed`);
      const between = Array.from(
        { length: version! - baseVersion - 1 },
        (_, index) => baseVersion + 1 + index,
      );
      assert.deepEqual(judged, between, `${path} was not checked against every version between`);
    } else if (fate === "abandoned") assert.deepEqual(found, [], `${path} was reported as not committed`);
    else assert.ok(found.length <= 1, `${path} is there twice`);
    versionsOf.delete(path);
  }
  assert.deepEqual([...versionsOf.keys()], [], "nobody wrote these");
}

/** Aborted after a few turns of the event loop, mostly in the middle of something. */
function cutOffSoon(random: Randomness): AbortSignal {
  const controller = new AbortController();
  let turns = Math.floor(random.fraction() * 30);
  const turn = (): void => {
    if (turns-- > 0) queueMicrotask(turn);
    else controller.abort();
  };
  turn();
  return controller.signal;
}

/** Time passes only while somebody waits, and waiting takes no time. */
function skippingClock(): Clock {
  let nowMs = 1_800_000_000_000;
  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: async (ms) => {
      nowMs += ms;
      await Promise.resolve();
    },
  };
}
