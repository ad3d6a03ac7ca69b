/** Who is told of what: generated incidents, crashes between sending and noting it, silences. */
import { expect, test } from "vitest";
import { alertRuleSchema, evaluateAlerts, NO_ALERTS, RESOLVED_KEPT_MS } from "../../core/alert.ts";
import {
  bounded,
  due,
  firesUntilMs,
  offer,
  type Outbox,
  prune,
  refresh,
  sent,
} from "../../core/alert-outbox.ts";
import { seededRandomness } from "../../core/clock.ts";

const SEED = Number(process.env["SEED"] ?? 20_261_121);
const rule = alertRuleSchema.parse({ name: "Orders" });
const result = (key: string, value = 1) => ({ labels: { key }, annotations: { saw: String(value) }, value });
const AGAIN = { resendMs: 10 };
const ONCE = { resendMs: null };

/** @returns what the transitions of these evaluations put into an outbox */
function outboxOf(...keysByTime: readonly (readonly string[])[]): Outbox {
  let [state, outbox] = [NO_ALERTS, [] as Outbox];
  for (const [atMs, keys] of keysByTime.entries()) {
    const next = evaluateAlerts(rule, state, { atMs, results: keys.map((key) => result(key)) });
    ({ state } = next);
    outbox = offer(outbox, next.transitions);
  }
  return outbox;
}

const ids = (entries: Outbox): string[] =>
  entries.map(({ alert }) => `${alert.labels["key"]} ${alert.status}`);

test("a firing alert is sent at once and again when its time has come, until it is resolved", () => {
  let outbox = outboxOf(["a"]);
  const seen: [number, string[]][] = [];
  for (const atMs of [0, 9, 10, 19, 20]) {
    const entries = due(outbox, atMs, AGAIN);
    seen.push([atMs, ids(entries)]);
    outbox = sent(
      outbox,
      entries.map(({ id }) => id),
      atMs,
    );
  }
  const told = ["a firing"];
  expect(seen).toEqual([
    [0, told],
    [9, []],
    [10, told],
    [19, []],
    [20, told],
  ]);
  expect(firesUntilMs(0, 10)).toBe(40);
});

test("once is enough for a webhook: of each incident that it fires and that it is resolved, in that order", () => {
  const outbox = outboxOf(["a", "b"], ["b"], ["a", "b"]);
  expect(ids(due(outbox, 5, ONCE)).toSorted()).toEqual(["a firing", "a firing", "b firing"]);
  const told = sent(
    outbox,
    due(outbox, 5, ONCE).map(({ id }) => id),
    5,
  );
  expect(ids(due(told, 6, ONCE))).toEqual(["a resolved"]);
  expect(ids(due(told, 1_000, ONCE))).toEqual(["a resolved"]);
});

test("what is offered again stays as it is", () => {
  const { transitions } = evaluateAlerts(rule, NO_ALERTS, { atMs: 0, results: [result("a")] });
  const told = sent(offer([], transitions), [due(offer([], transitions), 0, ONCE)[0]!.id], 3);
  expect(offer(told, transitions)).toEqual(told);
  expect(due(offer(told, transitions), 9, ONCE)).toEqual([]);
});

test("told again, it says what is so now", () => {
  const first = evaluateAlerts(rule, NO_ALERTS, { atMs: 0, results: [result("a", 1)] });
  const then = evaluateAlerts(rule, first.state, { atMs: 1, results: [result("a", 2)] });
  const [entry] = refresh(offer([], first.transitions), then.state.alerts);
  expect(entry!.alert).toMatchObject({ annotations: { saw: "2" }, startsAtMs: 0 });
});

const isSilenced = ({ key }: Readonly<Record<string, string>>): boolean => key === "a";

test("a silence hides what fires; who was told of it before is told of its end", () => {
  const over = outboxOf(["a", "b"], []);
  expect(ids(due(over, 5, ONCE, isSilenced))).toEqual(["b firing"]);
  const a = over.find(({ alert }) => alert.labels["key"] === "a")!;
  expect(ids(due(sent(over, [a.id], 4), 5, ONCE, isSilenced))).toEqual(["b firing", "a resolved"]);
});

test("what is over is forgotten a quarter of an hour later, unless somebody is still to be told", () => {
  const over = outboxOf(["a"], []); // resolved at 1
  const all = over.map(({ id }) => id);
  const edge = 1 + RESOLVED_KEPT_MS;
  expect(prune(sent(over, all, 2), edge)).toHaveLength(2);
  expect(prune(sent(over, all, 2), edge + 1)).toHaveLength(0);
  expect(prune(over, edge + 1)).toHaveLength(2);
  expect(prune(over, edge + 1, () => true)).toHaveLength(0);
});

test("with crashes anywhere every incident is told of, and under no id but its two", () => {
  const randomness = seededRandomness(SEED);
  let kept = { state: NO_ALERTS, outbox: [] as Outbox };
  const received: string[] = [];
  const incidents = new Set<string>();
  for (let atMs = 0; atMs < 600; atMs++) {
    const results = ["a", "b", "c"].filter(() => randomness.fraction() < 0.7).map((key) => result(key));
    let isDone = false;
    while (!isDone) {
      const next = evaluateAlerts(rule, kept.state, { atMs, results });
      for (const { id, to } of next.transitions) if (to === "firing") incidents.add(id);
      const offered = offer(kept.outbox, next.transitions);
      const entries = due(offered, atMs, ONCE);
      received.push(...entries.map(({ id }) => id));
      if (randomness.fraction() < 0.3) continue; // a crash: nothing of it was kept
      const ids_ = entries.map(({ id }) => id);
      kept = { state: next.state, outbox: prune(sent(offered, ids_, atMs), atMs) };
      isDone = true;
    }
  }
  expect(incidents.size).toBeGreaterThan(100);
  for (const id of incidents) expect([id, received.includes(id)]).toEqual([id, true]);
  const firing = received.filter((id) => id.endsWith("firing"));
  expect(new Set(firing)).toEqual(incidents);
  for (const id of new Set(received.filter((one) => one.endsWith("resolved"))))
    expect(received.indexOf(id)).toBeGreaterThan(received.indexOf(id.replace("resolved", "firing")));
});

test("of what nobody takes the oldest incidents that are over are given up; what fires, or was told, never", () => {
  const outbox = outboxOf(["a", "told"], ["b", "told"], ["c"], ["d", "e"]);
  const told = sent(
    outbox,
    outbox.filter(({ alert }) => alert.labels["key"] === "told").map(({ id }) => id),
    1,
  ).map((entry) => (entry.alert.status === "resolved" ? { ...entry, sentMs: null } : entry));
  expect(told).toHaveLength(10);
  expect(bounded(told, 10)).toBe(told);
  expect(ids(bounded(told, 9))).toEqual(ids(told).filter((id) => !id.startsWith("a ")));
  expect(ids(bounded(told, 8))).toEqual(ids(bounded(told, 9)));
  expect(ids(bounded(told, 7))).toEqual(ids(told).filter((id) => !/^[ab] /.test(id)));
  expect(ids(bounded(told, 0)).toSorted()).toEqual(["d firing", "e firing", "told firing", "told resolved"]);
});
