/** Declared in a registry on a log in memory; the clock is the real one, and what is waited for is seen. */
import { expect, test } from "vitest";
import { createMemoryLog } from "../../adapters/memory/log.ts";
import { assert } from "../../core/assert.ts";
import { seededRandomness, systemClock } from "../../core/clock.ts";
import { type DeclaredRun, DeclaredRuns } from "../../core/declared-runs.ts";
import { silentLogger } from "../../core/logger.ts";
import { Registry } from "../../core/registry.ts";
import { eventually } from "../services/muara.ts";

const SOON_MS = 10_000;
const randomness = seededRandomness(1);

interface Loop {
  readonly id: string;
}

async function place(run: (one: DeclaredRun, signal: AbortSignal) => Promise<void>) {
  const registry = await Registry.open(createMemoryLog({ clock: systemClock, randomness }), "w", systemClock);
  const ports = { registry, clock: systemClock, randomness, logger: silentLogger };
  const told: string[] = [];
  const runs = new DeclaredRuns<DeclaredRun, Loop>(ports, {
    kind: "capture",
    run: async (one, begun, signal) => {
      told.push(`+${one.id}`);
      begun({ id: one.id });
      try {
        await run(one, signal);
      } finally {
        told.push(`-${one.id}`);
      }
    },
  });
  const stop = new AbortController();
  const done = runs.run(stop.signal);
  done.catch(() => undefined);
  const declare = async (name: string, id: string | null, isPaused = false): Promise<void> => {
    const revision = registry.get("capture", name)?.revision ?? 0;
    await registry.put("capture", name, revision, id === null ? null : { name, id, isPaused });
  };
  const tells = (what: string): Promise<unknown> =>
    eventually(`it tells ${what}`, SOON_MS, async () => told.join(" ") === what);
  return { runs, told, stop, done, declare, tells };
}

const untilAborted = (_: DeclaredRun, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));

test("one declared again begins after the end of the former; a pause ends it, and so does a stop", async () => {
  const { runs, stop, done, declare, tells } = await place(untilAborted);
  await declare("a", "1");
  await tells("+1");
  await declare("a", "2");
  await tells("+1 -1 +2");
  expect([...runs.loops()]).toEqual([["a", { id: "2" }]]);
  await declare("a", "2", true);
  await tells("+1 -1 +2 -2");
  expect(runs.loops().size).toBe(0);
  await declare("b", "3");
  await tells("+1 -1 +2 -2 +3");
  stop.abort();
  await done;
  await tells("+1 -1 +2 -2 +3 -3");
});

test("one that fails begins again, and one that is done does not", async () => {
  let failures = 2;
  const { told, stop, done, declare, tells } = await place(async () => {
    if (failures-- > 0) throw new Error("not yet");
  });
  await declare("a", "1");
  await tells("+1 -1 +1 -1 +1 -1");
  await declare("b", "2");
  await tells("+1 -1 +1 -1 +1 -1 +2 -2");
  stop.abort();
  await done;
  expect(told).toHaveLength(8);
});

test("a bug ends all", async () => {
  const { done, declare } = await place(async () => assert(false, "a bug"));
  await declare("a", "1");
  await expect(done).rejects.toThrow("a bug");
});
