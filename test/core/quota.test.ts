/** Quotas against plain arithmetic: who has which, when one is open again to the millisecond, and the long-run rate. */
import { describe, expect, test } from "vitest";
import { ManualClock, seededRandomness } from "../../core/clock.ts";
import { resolveConfig, type ConfigInput } from "../../core/config.ts";
import { type Meter, type Quota, Quotas } from "../../core/quota.ts";

type Given = NonNullable<ConfigInput["quotas"]>;

const quotasOf = (quotas: Given, clock = new ManualClock(0)): Quotas =>
  new Quotas(resolveConfig({ environment: {}, file: { quotas } }).config.quotas, clock);
const person = (id: string, roles: string[] = []) => ({ id, grants: [], roles });
const meterOf = (quota: Quota): Meter | undefined => {
  try {
    return quota.admit(0);
  } catch {
    return undefined;
  }
};
const left = (quota: Quota): string => quota.headers()["ratelimit"]!;
const isOpen = (quota: Quota): boolean => meterOf(quota) !== undefined;
const refusalOf = (quota: Quota): unknown => {
  try {
    quota.admit(0);
    return undefined;
  } catch (error) {
    return error;
  }
};

test("nobody is limited unless somebody says so", () => {
  const quotas = quotasOf({});
  expect([quotas.of(person("a")), quotas.streamsOf(person("a"))]).toEqual([undefined, undefined]);
});

test("one's own limit counts, then the largest of one's roles', then everybody's; each by itself", () => {
  const quotas = quotasOf({
    eventsPerSecond: 10,
    burstMs: 1_000,
    roles: {
      bulk: { eventsPerSecond: 100 },
      huge: { eventsPerSecond: 1_000, streams: 7 },
      few: { streams: 2 },
    },
    principals: { "token:x": { eventsPerSecond: 5 }, "service:s": { bytesPerSecond: 50, streams: 0 } },
  });
  const policy = (id: string, ...roles: string[]): string | undefined =>
    quotas.of(person(id, roles))?.headers()["ratelimit-policy"];
  expect(policy("a")).toBe('"events";q=10;w=1');
  expect(policy("a", "bulk", "huge", "unknown", "constructor")).toBe('"events";q=1000;w=1');
  expect(policy("token:x", "huge")).toBe('"events";q=5;w=1');
  expect(policy("service:s")).toBe('"events";q=10;w=1, "bytes";q=50;w=1');
  expect(policy("constructor")).toBe('"events";q=10;w=1');
  const streams = [
    person("a", ["huge", "few"]),
    person("a", ["few"]),
    person("service:s", ["huge"]),
    person("b"),
  ];
  expect(streams.map((one) => quotas.streamsOf(one))).toEqual([7, 2, 0, undefined]);
});

describe("an allowance", () => {
  test("holds a burst, is overdrawn by one request, and opens when the debt is paid, to the millisecond", () => {
    const clock = new ManualClock(0);
    const quota = quotasOf({ eventsPerSecond: 100, burstMs: 2_000 }, clock).of(person("a"))!;
    quota.admit(0).events(200); // exactly the burst
    expect(refusalOf(quota)).toMatchObject({
      code: "quota.exceeded",
      details: { quota: "events", limit: 100, wait_ms: 10, left: '"events";r=0;t=1' },
    });
    clock.advance(9);
    expect(isOpen(quota)).toBe(false);
    clock.advance(1);
    quota.admit(0).events(1_001); // has one, owes a thousand
    clock.advance(10_009);
    expect(refusalOf(quota)).toMatchObject({ details: { wait_ms: 1 } });
    clock.advance(1);
    expect(isOpen(quota)).toBe(true);
    clock.advance(3_600_000); // a quiet hour is worth no more than a burst
    expect(quota.headers()).toEqual({
      "ratelimit-policy": '"events";q=200;w=2',
      ratelimit: '"events";r=200;t=1',
    });
  });

  test("one slower than one a second lets one in", () => {
    const clock = new ManualClock(0);
    const quota = quotasOf({ bytesPerSecond: 1, burstMs: 1 }, clock).of(person("a"))!;
    quota.admit(10).bytes(5); // fewer than announced: the announcement stands
    clock.advance(9_999);
    expect(isOpen(quota)).toBe(false);
    clock.advance(1);
    expect(isOpen(quota)).toBe(true);
  });

  test("what a request turns out to be is charged once, in as many parts as it has", () => {
    const clock = new ManualClock(0);
    const quota = quotasOf({ eventsPerSecond: 10, bytesPerSecond: 1_000, burstMs: 1_000 }, clock).of(
      person("a"),
    )!;
    const meter = quota.admit(100);
    expect(left(quota)).toContain('"events";r=9;');
    meter.bytes(300);
    meter.events(2);
    meter.events(3);
    expect(left(quota)).toBe('"events";r=5;t=1, "bytes";r=700;t=1');
    quota.admit(0).events(0); // the one that was charged at once stays
    expect(left(quota)).toContain('"events";r=4;');
  });

  test("over a long time the rate holds exactly, whatever the sizes", () => {
    const seed = Number(process.env["MUARA_SEED"] ?? 3);
    const randomness = seededRandomness(seed);
    const clock = new ManualClock(0);
    const quota = quotasOf({ eventsPerSecond: 1_000, burstMs: 500 }, clock).of(person("a"))!;
    let sent = 0;
    while (clock.nowMs() < 600_000) {
      clock.advance(Math.floor(randomness.fraction() * 20));
      const meter = meterOf(quota);
      const count = 1 + Math.floor(randomness.fraction() * 3_000);
      meter?.events(count);
      if (meter) sent += count;
    }
    const allowed = 500 + clock.nowMs();
    expect({ seed, sent, isWithin: sent <= allowed + 3_000 && sent >= allowed - 500 - 3_000 }).toEqual({
      seed,
      sent,
      isWithin: true,
    });
  });
});

test("ten thousand strangers take no more memory than that, and the one who comes often is kept", () => {
  const quotas = quotasOf({ eventsPerSecond: 1, burstMs: 1_000 });
  quotas.of(person("often"))!.admit(0);
  for (let i = 0; i < 30_000; i++) {
    quotas.of(person(`p${i}`));
    if (i % 5_000 === 0) quotas.of(person("often"));
  }
  expect(isOpen(quotas.of(person("often"))!)).toBe(false);
  expect(isOpen(quotas.of(person("p1"))!)).toBe(true);
});
