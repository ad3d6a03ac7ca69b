import { describe, expect, test } from "vitest";
import { ManualClock } from "../../../core/clock.ts";
import { hasCode } from "../../../core/errors.ts";
import { Queue } from "../../../workers/ingest/queue.ts";

/** A log that takes `bytesPerMs`, one request after the other, in the steps of a manual clock. */
class SlowLog {
  readonly clock = new ManualClock(0);
  readonly queue: Queue;
  refused = 0;
  #waiting: { left: number; readonly done: () => void }[] = [];

  constructor(maxWaitMs: number) {
    this.queue = new Queue(this.clock, maxWaitMs);
  }

  get length(): number {
    return this.#waiting.length;
  }

  async send(bytes: number, status = 200): Promise<void> {
    try {
      await this.queue.pass(bytes, () => {
        if (status !== 200) return Promise.resolve(new Response(null, { status }));
        return new Promise((resolve) => {
          const done = (): void => resolve(new Response(null, { status }));
          this.#waiting.push({ left: bytes, done });
        });
      });
    } catch (error) {
      if (!hasCode(error, "log.overloaded")) throw error;
      this.refused++;
    }
  }

  async run(ms: number, bytesPerMs: number, eachMs: () => void = () => undefined): Promise<void> {
    for (let step = 0; step < ms; step++) {
      eachMs();
      this.clock.advance(1);
      for (let room = bytesPerMs; room > 0 && this.#waiting.length > 0;) {
        const [first] = this.#waiting;
        const taken = Math.min(room, first!.left);
        first!.left -= taken;
        room -= taken;
        if (first!.left > 0) break;
        this.#waiting.shift();
        first!.done();
      }
      for (let turn = 0; turn < 6; turn++) await Promise.resolve();
    }
  }
}

describe("the queue before the log", () => {
  test("holds about as much as the log takes in the longest wait, under ten times its capacity", async () => {
    const log = new SlowLog(2_000);
    await log.run(1_000, 10, () => void log.send(100));
    expect(log.refused).toBeGreaterThan(0);
    let longest = 0;
    await log.run(8_000, 10, () => {
      void log.send(100);
      longest = Math.max(longest, log.length * 10);
    });
    expect(longest).toBeLessThan(2_600);
    expect(log.length * 10).toBeGreaterThan(1_500); // and it never runs dry
  });

  test("after a quiet time, in which syncs alone set the pace, a burst is taken", async () => {
    const log = new SlowLog(2_000);
    for (let i = 0; i < 200; i++) {
      void log.send(100);
      await log.run(10, 10);
    }
    for (let i = 0; i < 500; i++) void log.send(100);
    expect(log.refused).toBe(0);
    await log.run(600, 100);
    expect([log.length, log.refused]).toEqual([0, 0]);
  });

  test("a pause is no queue; a log that stands still refuses after the longest wait", async () => {
    const log = new SlowLog(2_000);
    await log.run(3_000, 100, () => void log.send(90));
    void log.send(100);
    await log.run(1_500, 0);
    void log.send(100);
    expect(log.refused).toBe(0);
    await log.run(3_000, 0);
    await log.send(100);
    expect(log.refused).toBe(1);
    await log.run(10, 100);
    void log.send(100);
    expect(log.refused).toBe(1);
  });

  test("what the door itself refuses does not make the log look fast", async () => {
    const log = new SlowLog(2_000);
    await log.run(1_000, 1, () => {
      void log.send(100);
      void log.send(10_000, 422);
    });
    expect(log.refused).toBeGreaterThan(0);
    expect(log.length * 100).toBeLessThan(40_000);
  });
});
