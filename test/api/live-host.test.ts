/** Who may look, how long a channel works for nobody, and how a stop ends it all, by a clock of ours. */
import { expect, test } from "vitest";
import type { ApiPorts } from "../../api/context.ts";
import { LiveHost } from "../../api/live/live-host.ts";
import type { Principal } from "../../core/authorize.ts";
import { ManualClock, seededRandomness } from "../../core/clock.ts";
import type { EventType } from "../../core/event-type.ts";
import { createLogger } from "../../core/logger.ts";

const LINGER_MS = 30_000;
const LIMITS = {
  clients: 3,
  perPrincipal: 2,
  tails: 2,
  eventsPerSecond: 40,
  bufferBytes: 1_000_000,
  slowMs: 1_000,
};

interface World {
  readonly clock: ManualClock;
  readonly host: LiveHost;
  readonly lines: string[];
  /** [look] at event types, by name. */
  readonly looks: string[];
  problem: string | undefined;
}

/** Over a log without streams, so that a look costs nothing. */
function worldOf(): World {
  const clock = new ManualClock(1_000);
  const lines: string[] = [];
  const looks: string[] = [];
  const logger = createLogger(
    (line) => lines.push((JSON.parse(line) as { problem: string }).problem),
    "info",
    () => 0,
  );
  const log = {
    stream: async (name: string) => {
      looks.push(name);
      if (world.problem !== undefined) throw new Error(world.problem);
    },
  };
  const ports = { clock, logger, log, randomness: seededRandomness(1) } as unknown as ApiPorts;
  const world: World = { clock, lines, looks, host: new LiveHost(ports, LIMITS), problem: undefined };
  return world;
}

const who = (id: string): Principal => ({ id, grants: [] });
const nothing = (): void => undefined;
const tailOf = ({ host }: World, name: string): ReturnType<LiveHost["tail"]> =>
  host.tail({ type: { name } as EventType, contains: "", fate: undefined });

async function advance(clock: ManualClock, ms: number): Promise<void> {
  for (let gone = 0; gone < ms; gone += 250) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(250);
  }
  await new Promise((resolve) => setImmediate(resolve));
}

test("places are counted for each and for all, and given back once", () => {
  const { host } = worldOf();
  const limitOf = (id: string): unknown => {
    try {
      host.enter(who(id), nothing)();
      return undefined;
    } catch (error) {
      return (error as { details: { limit: string; most: number } }).details;
    }
  };
  const leaves = [1, 2].map(() => host.enter(who("a"), () => undefined));
  expect(limitOf("a")).toEqual({ limit: "live.perPrincipal", most: 2 });
  expect(limitOf("b")).toBeUndefined();
  const other = host.enter(who("b"), () => undefined);
  expect(limitOf("c")).toEqual({ limit: "live.clients", most: 3 });
  for (let again = 0; again < 3; again++) leaves[0]!();
  expect(limitOf("a")).toBeUndefined();
  const taken = host.enter(who("a"), () => undefined);
  // It was left once, not three times.
  expect(limitOf("c")).toEqual({ limit: "live.clients", most: 3 });
  other();
  expect(limitOf("a")).toEqual({ limit: "live.perPrincipal", most: 2 });
  for (const leave of [taken, leaves[1]!]) leave();
  expect(["a", "b", "c"].map(limitOf)).toEqual([undefined, undefined, undefined]);
});

test("those who look at the same share a channel; other filters are another one", () => {
  const { host } = worldOf();
  const type = { name: "x" } as EventType;
  const all = host.tail({ type, contains: "", fate: undefined });
  expect(host.tail({ type, contains: "", fate: undefined }).channel).toBe(all.channel);
  const other = host.tail({ type, contains: "a", fate: undefined });
  expect(other.channel).not.toBe(all.channel);
  expect(() => host.tail({ type, contains: "", fate: "landed" })).toThrow(
    expect.objectContaining({ code: "stream.too_many", details: { limit: "live.tails", most: 2 } }),
  );
  host.close();
});

test("a channel works while somebody looks, then for a while for one who comes back, then no more", async () => {
  const world = worldOf();
  const { clock, looks, host } = world;
  const [one, other] = [tailOf(world, "x"), tailOf(world, "x")];
  await advance(clock, 2 * LINGER_MS);
  for (let again = 0; again < 3; again++) one.leave();
  let before = looks.length;
  await advance(clock, 2 * LINGER_MS);
  // The other one looks on.
  expect(looks.length).toBe(before + (2 * LINGER_MS) / 250);
  other.leave();
  await advance(clock, LINGER_MS - 1_000);
  before = looks.length;
  const back = tailOf(world, "x");
  expect(back.channel).toBe(one.channel);
  await advance(clock, LINGER_MS);
  expect(looks.length).toBe(before + LINGER_MS / 250);
  back.leave();
  await advance(clock, LINGER_MS + 1_000);
  before = looks.length;
  await advance(clock, 5_000);
  expect(looks.length).toBe(before);
  expect(tailOf(world, "x").channel).not.toBe(one.channel);
  host.close();
});

test("one that lingers makes room for one that is looked at", async () => {
  const world = worldOf();
  const { clock, looks, host } = world;
  const left = tailOf(world, "left");
  tailOf(world, "kept");
  left.leave();
  await advance(clock, 500);
  tailOf(world, "new");
  looks.length = 0;
  await advance(clock, 1_000);
  expect(new Set(looks)).toEqual(new Set(["kept", "new"]));
  expect(() => tailOf(world, "left")).toThrow("live.tails");
  host.close();
});

test("a look that fails is followed by others, and is told once for each trouble", async () => {
  const world = worldOf();
  const { clock, host, lines, looks } = world;
  tailOf(world, "x");
  for (const problem of ["one", undefined, "one", "other"]) {
    world.problem = problem;
    await advance(clock, 1_000);
  }
  expect(lines).toEqual(["Error: one", "Error: one", "Error: other"]);
  expect(looks.length).toBeGreaterThanOrEqual(16);
  host.close();
});

test("a stop tells everybody, ends the looks, and lets nobody in", async () => {
  const world = worldOf();
  const { clock, host, looks } = world;
  const told: string[] = [];
  const leave = host.enter(who("a"), (reason) => {
    told.push(reason);
    leave();
  });
  host.enter(who("b"), (reason) => told.push(reason));
  tailOf(world, "x");
  await advance(clock, 500);
  host.close();
  expect(told).toEqual(Array(2).fill("The service is shutting down."));
  const before = looks.length;
  await advance(clock, 2_000);
  expect(looks.length).toBe(before);
  expect(() => host.enter(who("c"), nothing)).toThrow(expect.objectContaining({ code: "log.closed" }));
});
