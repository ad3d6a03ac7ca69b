import { expect, test } from "vitest";
import { systemClock } from "../../../core/clock.ts";
import { resolveConfig } from "../../../core/config.ts";
import { TableLanding } from "../../../workers/land/table-landing.ts";
import { createLandWorker, type LandWorker } from "../../../workers/land/worker.ts";
import type { MemoryFault } from "../../../adapters/memory/object-store.ts";
import { eventually } from "../../services/muara.ts";
import { counter, declare, event, eventType, install, type Installation, OPTIONS, send } from "./setup.ts";

const TYPES = ["order.created", "order.paid"].map((name) => eventType({ name }));

/** The worker lands until `isDone`, as it runs in a process: with the real clock. */
async function runUntil(at: Installation, worker: LandWorker, isDone: () => Promise<boolean>): Promise<void> {
  const abort = new AbortController();
  const running = worker.run(abort.signal);
  for (let looks = 0; !(await isDone()); looks++) {
    expect(looks, `still waiting: ${JSON.stringify(worker.status())}`).toBeLessThan(500);
    await systemClock.sleep(10);
  }
  abort.abort();
  await running;
  await worker.drain();
  expect(at.log.appendCount).toBeGreaterThan(0);
}

async function started(faults?: Parameters<typeof install>[0]) {
  const at = await install(faults, systemClock);
  const ports = { ...at.ports, clock: systemClock };
  return { at, ports, options: { ...OPTIONS, commitMs: 5 } };
}

test("types declared while it runs are adopted, their stream may follow later", async () => {
  const { at, ports, options } = await started();
  await declare(at, TYPES[0]!);
  await send(at, [event(1)]);
  const worker = createLandWorker(ports, options);
  let isDeclared = false;
  await runUntil(at, worker, async () => {
    if (!isDeclared && (await counter(at, "landed")) === 1) {
      isDeclared = true;
      await at.registry.put("event-type", "order.paid", 0, TYPES[1]!);
      await systemClock.sleep(50); // the worker meets a declaration without a stream
      await at.log.createStream("order.paid", { partitions: 1, cleanup: "delete", retentionMs: 1e12 });
      await send(at, [event(2)], 0, "order.paid");
    }
    return isDeclared && (await counter(at, "landed", "order.paid")) === 1;
  });
  expect(worker.status().map(({ state }) => state)).toEqual(["landing", "landing"]);
  expect(at.lines.filter(({ level }) => level === "error")).toEqual([]);
});

test("a table that cannot go on stops, says why, gives its memory back; the others land on", async () => {
  const { at, ports, options } = await started();
  for (const type of TYPES) await declare(at, type);
  await send(at, [event(1), event(2)]);
  await runUntil(at, createLandWorker(ports, options), async () => (await counter(at, "landed")) === 2);

  // Another log behind the same lake.
  const other = await install();
  for (const type of TYPES) await declare(other, type);
  await send(other, [event(3)], 0, "order.paid");
  const moved = { ...ports, log: other.log, registry: other.registry };
  const usedBytes = at.kernel.usedBytes;
  const worker = createLandWorker(moved, options);
  await runUntil(other, worker, async () => (await counter(at, "landed", "order.paid")) === 1);
  const stopped = worker.status().find(({ table }) => table === "order.created")!;
  expect(stopped).toMatchObject({ state: "stopped", code: "log.identity" });
  expect(stopped.problem).toMatch(/another one/);
  expect(worker.status().find(({ table }) => table === "order.paid")!.state).toBe("landing");
  expect(await counter(at, "landed")).toBe(2);
  const errors = at.lines.filter(({ level }) => level === "error");
  expect(errors).toEqual([expect.objectContaining({ code: "log.identity", table: "order.created" })]);
  expect(at.kernel.usedBytes).toBeLessThanOrEqual(usedBytes);
});

test("failing again and again takes no memory", async () => {
  let isBroken = false;
  const { at, ports, options } = await started((operation, path) =>
    isBroken && operation === "get" && path.includes("ingest_date") ? "lost" : undefined,
  );
  await declare(at, TYPES[0]!);
  await send(at, [event(1)]);
  await runUntil(at, createLandWorker(ports, options), async () => (await counter(at, "landed")) === 1);
  isBroken = true;
  const used: number[] = [];
  for (let i = 0; i < 5; i++) {
    const worker = createLandWorker(ports, options);
    await runUntil(at, worker, async () => worker.status()[0]?.state === "retrying");
    used.push(at.kernel.usedBytes);
  }
  expect(new Set(used).size).toBe(1);
});

test("a stop while the outcome of a commit is unknown loses nothing and lands nothing twice", async () => {
  for (const fault of ["lost", "answer_lost", { kind: "late", afterCalls: 30 }] satisfies MemoryFault[]) {
    let commits = 0;
    let isDown = false;
    const { at, ports, options } = await started((operation, path) => {
      if (operation !== "putIfAbsent" || !path.endsWith("1.json")) return undefined;
      if (++commits === 1) isDown = true;
      return isDown ? fault : undefined;
    });
    await declare(at, TYPES[0]!);
    await send(at, [event(1), event(2), event(3)]);
    const worker = createLandWorker(ports, options);
    const abort = new AbortController();
    const running = worker.run(abort.signal);
    const triedTwice = async (): Promise<boolean> => commits > 1;
    while (!(await triedTwice())) await systemClock.sleep(5);
    abort.abort();
    await running;
    isDown = false;
    await worker.drain();
    const fates = ["landed", "duplicates", "dead"].map((name) => counter(at, name));
    expect([fault, ...(await Promise.all(fates))]).toEqual([fault, 3, 0, 0]);
  }
});

test("a table that somebody else owns is left to them, until it is this worker's again", async () => {
  const { at, ports, options } = await started();
  await declare(at, TYPES[0]!);
  await send(at, [event(1)]);
  let isOurs = false;
  const worker = createLandWorker({ ...ports, ownership: { owns: () => isOurs } }, options);
  let rounds = 0;
  let landedByOthers = -1;
  await runUntil(at, worker, async () => {
    if (rounds++ === 10) {
      landedByOthers = await counter(at, "landed");
      isOurs = true;
      await send(at, [event(2)]);
    }
    return (await counter(at, "landed")) === 2;
  });
  expect(landedByOthers).toBe(0);
});

test("a table that stopped here and comes back from another owner is tried again", async () => {
  const { at, ports, options } = await started();
  await declare(at, TYPES[0]!);
  await send(at, [event(1)]);
  await runUntil(at, createLandWorker(ports, options), async () => (await counter(at, "landed")) === 1);
  // Another log behind the same lake.
  const other = await install();
  await declare(other, TYPES[0]!);
  let isOurs = true;
  const moved = { ...ports, log: other.log, registry: other.registry, ownership: { owns: () => isOurs } };
  const worker = createLandWorker(moved, options);
  const state = (): string | undefined => worker.status()[0]?.state;
  const abort = new AbortController();
  const running = worker.run(abort.signal);
  for (const wanted of ["stopped", "landing", "stopped"]) {
    isOurs = wanted === "stopped";
    await eventually(`it is ${wanted}`, 30_000, async () => state() === wanted);
  }
  abort.abort();
  await running;
  await worker.drain();
});

test("two owners that open a new table at once get one and the same", async () => {
  const { at, ports, options } = await started(async () => {
    await systemClock.sleep(1);
    return undefined;
  });
  await declare(at, TYPES[0]!, 2);
  for (const partition of [0, 1]) await send(at, [event(partition), event(7)], partition);
  const workers = [createLandWorker(ports, options), createLandWorker(ports, options)];
  await Promise.all(
    workers.map((worker) => runUntil(at, worker, async () => (await counter(at, "landed")) === 3)),
  );
  expect(await counter(at, "duplicates")).toBe(1);
  for (const worker of workers) expect(worker.status()[0]!.state).toBe("landing");
});

test("a clock that runs ahead of the log's makes nothing late", async () => {
  const { at, options } = await started();
  await declare(at, TYPES[0]!);
  await send(at, [event(1)]);
  const clock = {
    nowMs: () => at.clock.nowMs() + 86_400_000 * 365,
    monotonicMs: () => at.clock.monotonicMs(),
    sleep: (ms: number) => at.clock.sleep(ms),
  };
  const landing = await TableLanding.open({ ...at.ports, clock }, options, TYPES[0]!);
  for (let minutes = 0; minutes < 5; minutes++) {
    await landing.step(new AbortController().signal);
    at.clock.advance(61_000);
  }
  const watermark = (await at.openTable("order.created").snapshot()).txns.get("muara:watermark")!;
  expect(Number(watermark)).toBeLessThanOrEqual(at.clock.nowMs() - options.idleAfterMs - options.disorderMs);
  expect(Number(watermark)).toBeGreaterThan(at.clock.nowMs() - 5 * 60_000);
});

const withParallel = (parallelCommits: number) =>
  resolveConfig({ environment: {}, flags: { land: { parallelCommits } } });

test("how many tables land at once has bounds", () => {
  expect([1, 32].map((n) => withParallel(n).config.land.parallelCommits)).toEqual([1, 32]);
  for (const n of [0, 33, 2.5]) expect(() => withParallel(n), String(n)).toThrow(/land\.parallelCommits/);
  expect(resolveConfig({ environment: {} }).config.land.parallelCommits).toBe(2);
});

test.each([1, 3])("as many tables land at once as it is told: %i", async (parallelCommits) => {
  const { at, ports, options } = await started();
  const names = Array.from({ length: 5 }, (_, i) => `order.n${i}`);
  for (const [i, name] of names.entries()) {
    await declare(at, eventType({ name }));
    await send(at, [event(i)], 0, name);
  }
  let underWay = 0;
  let most = 0;
  const gate = Promise.withResolvers<void>();
  const openTable: typeof ports.openTable = (name) => {
    const table = ports.openTable(name);
    return {
      ...table,
      commit: async (request) => {
        most = Math.max(most, ++underWay);
        await gate.promise;
        return table.commit(request).finally(() => underWay--);
      },
    };
  };
  const worker = createLandWorker({ ...ports, openTable }, { ...options, parallelCommits });
  let waits = 0;
  await runUntil(at, worker, async () => {
    if (underWay === parallelCommits && waits++ === 10) gate.resolve(); // any further one would have come by now
    return (await Promise.all(names.map((name) => counter(at, "landed", name)))).every((n) => n === 1);
  });
  expect(most).toBe(parallelCommits);
});
