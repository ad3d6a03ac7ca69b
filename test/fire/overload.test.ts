/**
 * Ten times what the log takes, offered over HTTP by producers that do not slow down: nearly all of the capacity is
 * used, the rest is refused at once, nothing acknowledged is lost, and memory stays bounded. Longer, with figures:
 * `npm run proof:overload`.
 */
import { expect, test } from "vitest";
import { temporary } from "./crash-points.ts";
import { type Overload, overload } from "./overload.ts";

const PLAN = { capacity: 1_000, offered: 10_000, seconds: 6, events: 50, bytes: 400 };
const REFUSED_MS_MAX = 50;
/** Above the idle process, MiB: the bodies of some seconds of the capacity, and what V8 has not collected yet. */
const GROWTH_MIB_MAX = 128;
/** A busy machine stops a process for longer than 50 ms now and then; a queue before the refusal would each time. */
const ATTEMPTS = 3;

/** What holds however slow the machine is. */
function check(result: Overload): void {
  expect(result.faults).toEqual([]);
  // 0: a connection that the server closed as idle while the next request was on its way. Unknown, stored at most once.
  expect(result.others.filter((status) => status !== 0)).toEqual([]);
  expect(result.others.length).toBeLessThan(result.refused / 100);
  expect(result.withoutRetryAfter).toBe(0);
  expect(result.refused).toBeGreaterThan(result.acknowledged);
  expect(result.peakMib).toBeLessThanOrEqual(result.idleMib + GROWTH_MIB_MAX);
}

/** The figures that a machine with something else to do cannot keep. */
function isKept({ served, refusedMs, acknowledgedMs }: Overload): boolean {
  // The queue is as long as `limits.queueMs` says, once the first overshoot is through.
  return served >= 0.9 && refusedMs.p99 <= REFUSED_MS_MAX && acknowledgedMs.p50 < 4_000;
}

test("90 % of the capacity is served, the rest gets 429 within 50 ms, nothing is lost", async () => {
  const tries: string[] = [];
  let kept = false;
  while (!kept && tries.length < ATTEMPTS) {
    const result = await temporary((directory) => overload({ directory, ...PLAN }));
    const { faults: _faults, others: _others, ...figures } = result;
    tries.push(JSON.stringify(figures));
    check(result);
    kept = isKept(result);
  }
  console.log(tries.join("\n"));
  expect(kept, tries.join("\n")).toBe(true);
}, 120_000);
