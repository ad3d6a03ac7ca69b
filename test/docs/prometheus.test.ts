/**
 * The metrics' page, the board and the alert rules: generated ones are current, each PromQL speaks of metrics that
 * exist, each rule has its entry in the runbook, and Prometheus's own tool checks the rules and sees each fire and keep
 * still.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { METRIC_GROUPS, METRICS } from "../../core/metric-catalogue.ts";
import type { Metric } from "../../core/metric.ts";
import { sampleName } from "../../core/open-metrics.ts";
import { metricsPage } from "../../docs/generate-metrics.ts";
import { boardText } from "../../docs/grafana/generate-board.ts";
import { PANELS } from "../../docs/grafana/panels.ts";
import { ALERT_RULES } from "../../docs/prometheus/alert-rules.ts";
import { rulesText, runbookOf } from "../../docs/prometheus/generate-rules.ts";
import { promtool } from "../services/promtool.ts";
import { FIRING, QUIET } from "./alert-examples.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");
const RULES = Object.values(ALERT_RULES).flat();
const folder = mkdtempSync(join(tmpdir(), "muara-rules-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Every name that a sample can have. */
const SAMPLE_NAMES = new Set(
  Object.entries<Metric>(METRICS).flatMap(([name, metric]) =>
    metric.type === "histogram"
      ? ["_bucket", "_sum", "_count"].map((suffix) => name + suffix)
      : [sampleName(name, metric)],
  ),
);
const namesIn = (expr: string): string[] =>
  [...expr.matchAll(/\b(?:muara|process)_[a-z_]+\b/g)].map(([name]) => name);

function tool(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(promtool(), args, { cwd: folder, encoding: "utf8" });
  expect(status, `${stdout}\n${stderr}`).toBe(0);
  return stdout;
}

describe("what is generated is current", () => {
  test("docs/METRICS.md", () => {
    expect(read("docs/METRICS.md"), "run: npx node docs/generate-metrics.ts").toBe(metricsPage());
  });
  test("docs/grafana/muara.json", () => {
    const text = read("docs/grafana/muara.json");
    expect(text, "run: npx node docs/grafana/generate-board.ts").toBe(boardText());
    const { panels } = JSON.parse(text) as { panels: { id: number; type: string; title: string }[] };
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    expect(panels.filter(({ type }) => type === "row").map(({ title }) => title)).toEqual(
      Object.keys(METRIC_GROUPS),
    );
  });
  test("docs/prometheus/muara.rules.yml", () => {
    const text = read("docs/prometheus/muara.rules.yml");
    expect(text, "run: npx node docs/prometheus/generate-rules.ts").toBe(rulesText());
  });
});

describe("the board", () => {
  const queries = Object.values(PANELS).flatMap((row) => row.flatMap((panel) => panel.queries));
  test("speaks of metrics that exist, and leaves none out", () => {
    const named = new Set(queries.flatMap(([expr]) => namesIn(expr)));
    expect([...named].filter((name) => !SAMPLE_NAMES.has(name))).toEqual([]);
    const shown = (name: string): boolean =>
      [...named].some((one) => one.replace(/_(total|info|bucket|sum|count)$/, "") === name);
    expect(Object.keys(METRICS).filter((name) => !shown(name))).toEqual([]);
  });
});

describe("the alert rules", () => {
  test("speak of metrics that exist, each once, with an entry in the runbook", () => {
    expect(RULES.flatMap(({ expr }) => namesIn(expr)).filter((name) => !SAMPLE_NAMES.has(name))).toEqual([]);
    expect(new Set(RULES.map(({ alert }) => alert)).size).toBe(RULES.length);
    const headings = new Set(
      [...read("docs/OPERATE.md").matchAll(/^### (\w+)$/gm)].map(([, title]) => title!),
    );
    expect(RULES.filter(({ alert }) => !headings.has(alert)).map(runbookOf)).toEqual([]);
    const known = new Set(RULES.map(({ alert }) => alert));
    expect([...headings].filter((title) => title.startsWith("Muara") && !known.has(title))).toEqual([]);
  });

  test("promtool takes them", () => {
    expect(tool("check", "rules", join(ROOT, "docs/prometheus/muara.rules.yml"))).toContain(
      `${RULES.length} rules found`,
    );
  });

  test("each fires where it should and keeps still where it should not", { timeout: 60_000 }, () => {
    expect(Object.keys(FIRING).toSorted()).toEqual(RULES.map(({ alert }) => alert).toSorted());
    const tests = RULES.flatMap(({ alert }) => [
      exampleOf(alert, FIRING[alert]!, 1),
      exampleOf(alert, QUIET[alert] ?? {}, 0),
    ]);
    const file = join(folder, "rules.test.json");
    const rule_files = [join(ROOT, "docs/prometheus/muara.rules.yml")];
    writeFileSync(file, JSON.stringify({ rule_files, evaluation_interval: "1m", tests }));
    tool("test", "rules", file);
    // The example must be able to fail.
    const wrong = exampleOf("MuaraLogFull", FIRING["MuaraLogFull"]!, 0);
    writeFileSync(file, JSON.stringify({ rule_files, evaluation_interval: "1m", tests: [wrong] }));
    expect(spawnSync(promtool(), ["test", "rules", file]).status).not.toBe(0);
  });
});

/** @param firing how many alerts of the name fire after an hour */
function exampleOf(alert: string, series: Readonly<Record<string, string>>, firing: number): object {
  return {
    interval: "1m",
    input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
    promql_expr_test: [
      {
        expr: `count(ALERTS{alertname="${alert}",alertstate="firing"})`,
        eval_time: "60m",
        exp_samples: firing === 0 ? [] : [{ labels: "{}", value: firing }],
      },
    ],
  };
}
