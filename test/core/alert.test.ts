/**
 * The states of alerts. What `for` and `keep_firing_for` mean is Prometheus's to say: the same generated series go to
 * `promtool test rules`, which compares every state at every evaluation with ours.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  alertRuleSchema,
  ALERTS_MAX,
  evaluateAlerts,
  NO_ALERTS,
  RESOLVED_KEPT_MS,
  type AlertEvaluation,
  type AlertRule,
  type AlertState,
  type AlertTransition,
} from "../../core/alert.ts";
import { fingerprintOf } from "../../core/alert-labels.ts";
import { seededRandomness } from "../../core/clock.ts";
import { promtool } from "../services/promtool.ts";

const MINUTE_MS = 60_000;
const SEED = Number(process.env["SEED"] ?? 20_261_121);

const rule = (more: Partial<AlertRule> = {}): AlertRule => alertRuleSchema.parse({ name: "Orders", ...more });
const result = (labels: Record<string, string>, value = 1) => ({ labels, annotations: {}, value });

function run(
  of: AlertRule,
  evaluations: readonly AlertEvaluation[],
): { state: AlertState; states: AlertState[]; transitions: AlertTransition[] } {
  let state = NO_ALERTS;
  const [states, transitions]: [AlertState[], AlertTransition[]] = [[], []];
  for (const evaluation of evaluations) {
    const next = evaluateAlerts(of, state, evaluation);
    ({ state } = next);
    states.push(state);
    transitions.push(...next.transitions);
  }
  return { state, states, transitions };
}

/** One alert; 1 for a result, 0 for none, - for no data; a minute from one to the next. */
function runText(of: AlertRule, text: string): string[] {
  const results = { "1": [result({})], "0": [], "-": null };
  const evaluations = Array.from(text, (letter, i) => ({
    atMs: i * MINUTE_MS,
    results: results[letter as "0" | "1" | "-"],
  }));
  return run(of, evaluations).transitions.map(
    ({ atMs, alert, to }) => `${atMs / MINUTE_MS} ${alert.labels["alertname"]} ${to}`,
  );
}

const labelled = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels)
    .map(([label, value]) => `${label}="${value}"`)
    .join(",");

function stickyBits(chance: () => number, length: number): number[] {
  const bits: number[] = [];
  let bit = 0;
  for (let i = 0; i < length; i++) {
    if (chance() < 0.3) bit = 1 - bit;
    bits.push(bit);
  }
  return bits;
}

function promtoolCase(
  chance: () => number,
  folder: string,
  i: number,
): { file: string; test: unknown; seen: string[]; hasKept: boolean } {
  const [name, length] = [`Rule${i}`, 30];
  const [forMinutes, keepMinutes] = [Math.floor(chance() * 5), Math.floor(chance() * 5)];
  const of = rule({
    name,
    forMs: forMinutes * MINUTE_MS,
    keepFiringForMs: keepMinutes * MINUTE_MS,
    labels: { severity: "page" },
  });
  const series = ["a", "b", "c"].map((key) => ({ key, bits: stickyBits(chance, length) }));
  const { states } = run(
    of,
    Array.from({ length }, (_, at) => ({
      atMs: at * MINUTE_MS,
      results: series.filter(({ bits }) => bits[at] === 1).map(({ key }) => result({ key })),
    })),
  );
  const file = `rule${i}.yml`;
  const alert = {
    alert: name,
    expr: `metric${i} > 0`,
    for: `${forMinutes}m`,
    keep_firing_for: `${keepMinutes}m`,
    labels: { severity: "page" },
  };
  writeFileSync(join(folder, file), JSON.stringify({ groups: [{ name, rules: [alert] }] }));
  const promqlTests = states.flatMap((state, at) => {
    const live = state.alerts.filter(({ status }) => status !== "resolved");
    return [
      {
        expr: `ALERTS{alertname="${name}"}`,
        eval_time: `${at}m`,
        exp_samples: live.map(({ labels, status }) => ({
          labels: `ALERTS{${labelled({ ...labels, alertstate: status })}}`,
          value: 1,
        })),
      },
      {
        expr: `ALERTS_FOR_STATE{alertname="${name}"}`,
        eval_time: `${at}m`,
        exp_samples: live.map(({ labels, activeAtMs }) => ({
          labels: `ALERTS_FOR_STATE{${labelled(labels)}}`,
          value: activeAtMs / 1_000,
        })),
      },
    ];
  });
  const promtoolTest = {
    interval: "1m",
    input_series: series.map(({ key, bits }) => ({
      series: `metric${i}{key="${key}"}`,
      values: bits.join(" "),
    })),
    promql_expr_test: promqlTests,
  };
  const alerts = states.flatMap((state) => state.alerts);
  return {
    file,
    test: promtoolTest,
    seen: alerts.map(({ status }) => status),
    hasKept: alerts.some(({ status, goneAtMs }) => status === "firing" && goneAtMs !== null),
  };
}

describe("as promtool has it", () => {
  test("every state at every evaluation of 60 generated series", () => {
    const randomness = seededRandomness(SEED);
    const folder = mkdtempSync(join(tmpdir(), "muara-promtool-"));
    try {
      const cases = Array.from({ length: 60 }, (_, i) =>
        promtoolCase(() => randomness.fraction(), folder, i),
      );
      writeFileSync(
        join(folder, "tests.yml"),
        JSON.stringify({
          rule_files: cases.map(({ file }) => file),
          evaluation_interval: "1m",
          tests: cases.map((one) => one.test),
        }),
      );
      const { status, stdout, stderr } = spawnSync(promtool(), ["test", "rules", "tests.yml"], {
        cwd: folder,
      });
      expect([status, `${stdout.toString()}${stderr.toString()}`.slice(0, 3_000)]).toEqual([
        0,
        expect.stringContaining("SUCCESS"),
      ]);
      const states = new Set(cases.flatMap((one) => one.seen));
      expect(states).toEqual(new Set(["pending", "firing", "resolved"]));
      expect(cases.some((one) => one.hasKept)).toBe(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

const kept = (afterMs: number): number =>
  run(rule(), [
    { atMs: 0, results: [result({})] },
    { atMs: 1, results: [] },
    { atMs: 1 + afterMs, results: [] },
  ]).state.alerts.length;

describe("edges", () => {
  test("for and keep_firing_for end exactly at their time", () => {
    const of = rule({ forMs: 2 * MINUTE_MS, keepFiringForMs: 2 * MINUTE_MS });
    expect(runText(of, "1110000")).toEqual(["0 Orders pending", "2 Orders firing", "5 Orders resolved"]);
    expect(runText(of, "1100")).toEqual(["0 Orders pending", "2 Orders inactive"]);
    expect(runText(of, "11100110")).toEqual(["0 Orders pending", "2 Orders firing"]);
  });

  test("without them an alert fires at once and is resolved at once, each time anew", () => {
    const moves = ["0 Orders firing", "1 Orders resolved", "2 Orders firing", "3 Orders resolved"];
    expect(runText(rule(), "1010")).toEqual(moves);
  });

  test("no data holds what is there, and begins nothing", () => {
    const of = rule({ forMs: 2 * MINUTE_MS });
    expect(runText(of, "11---1")).toEqual(["0 Orders pending", "5 Orders firing"]);
    expect(runText(of, "11---0")).toEqual(["0 Orders pending", "5 Orders inactive"]);
    expect(runText(of, "111--10")).toEqual(["0 Orders pending", "2 Orders firing", "6 Orders resolved"]);
    expect(runText(of, "---")).toEqual([]);
  });

  test("where the rule wants it no data is an alert of its own, with the same `for`", () => {
    const of = rule({ forMs: MINUTE_MS, noData: "alert", keepFiringForMs: 9 * MINUTE_MS });
    const moves = ["0 Orders pending", "1 Orders firing", "2 NoData pending", "3 NoData firing"];
    expect(runText(of, "11---1")).toEqual([...moves, "5 NoData resolved"]);
  });

  test("a resolved alert is kept for a quarter of an hour", () => {
    expect([kept(RESOLVED_KEPT_MS), kept(RESOLVED_KEPT_MS + 1)]).toEqual([1, 0]);
  });

  test("an evaluation that is not newer changes nothing", () => {
    const { state } = run(rule(), [{ atMs: 5, results: [result({})] }]);
    for (const atMs of [4, 5])
      expect(evaluateAlerts(rule(), state, { atMs, results: [] })).toEqual({ state, transitions: [] });
  });

  test("the rule's labels win, empty ones are none, and two of the same are refused by name", () => {
    const of = rule({ labels: { team: "shop" } });
    const one = [result({ team: "x", alertname: "y", gone: "" })];
    const { state } = evaluateAlerts(of, NO_ALERTS, { atMs: 1, results: one });
    expect(state.alerts[0]!.labels).toEqual({ alertname: "Orders", team: "shop" });
    const both = [result({ team: "a" }), result({ team: "b" })];
    expect(() => evaluateAlerts(of, NO_ALERTS, { atMs: 1, results: both })).toThrow(
      expect.objectContaining({ code: "alert.labels_twice" }),
    );
  });

  test(`${ALERTS_MAX} results are taken, one more is refused`, () => {
    const results = Array.from({ length: ALERTS_MAX }, (_, i) => result({ i: String(i) }));
    expect(evaluateAlerts(rule(), NO_ALERTS, { atMs: 1, results }).transitions).toHaveLength(ALERTS_MAX);
    expect(() =>
      evaluateAlerts(rule(), NO_ALERTS, { atMs: 1, results: [...results, result({ i: "more" })] }),
    ).toThrow(expect.objectContaining({ code: "alert.too_many" }));
  });
});

test("whoever begins again from any state that was kept makes the same transitions, each id once", () => {
  const randomness = seededRandomness(SEED);
  const of = rule({ forMs: 2, keepFiringForMs: 3, noData: "alert" });
  const evaluations = Array.from({ length: 400 }, (_, i) => ({
    atMs: i,
    results:
      randomness.fraction() < 0.1
        ? null
        : ["a", "b"].filter(() => randomness.fraction() < 0.6).map((key) => result({ key })),
  }));
  const { states, transitions } = run(of, evaluations);
  expect(new Set(transitions.map(({ id }) => id)).size).toBe(transitions.length);
  expect(transitions.length).toBeGreaterThan(100);
  for (const from of [0, 17, 133, 398]) {
    let state = JSON.parse(JSON.stringify(states[from])) as AlertState;
    const again: AlertTransition[] = [];
    // From the first, as after a crash: those that the state has seen change nothing.
    for (const evaluation of evaluations) {
      const next = evaluateAlerts(of, state, evaluation);
      ({ state } = next);
      again.push(...next.transitions);
    }
    expect(state).toEqual(states.at(-1));
    expect(again).toEqual(transitions.filter(({ atMs }) => atMs > from));
  }
});

test("fingerprints are FNV-1a over sorted names and values", () => {
  // The hash of nothing is the offset of FNV-1a; prometheus/common has the same for no labels.
  expect(fingerprintOf({})).toBe("cbf29ce484222325");
  expect(fingerprintOf({ b: "2", a: "1" })).toBe(fingerprintOf({ a: "1", b: "2", c: "" }));
  expect(fingerprintOf({ a: "12" })).not.toBe(fingerprintOf({ a: "1", b: "2" }));
});
