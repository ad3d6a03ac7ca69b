/** The catalogue of metrics, what counts them, and the two formats in which they are told. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { ManualClock } from "../../core/clock.ts";
import { Measures, SERIES_MAX } from "../../core/measures.ts";
import { faceOf, measuredFetch } from "../../core/measured-fetch.ts";
import type { Metric } from "../../core/metric.ts";
import { METRIC_GROUPS, METRICS } from "../../core/metric-catalogue.ts";
import { type AnySample, metricsFormat, renderMetrics } from "../../core/open-metrics.ts";
import { listSourceFiles } from "../tidy/source-file.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const ALL = Object.entries<Metric>(METRICS);

describe("the catalogue", () => {
  test("names follow OpenMetrics: units last and only base ones, suffixes of samples nowhere", () => {
    expect(ALL.length).toBeGreaterThan(80);
    for (const [name, { unit, help, type, bounds }] of ALL) {
      expect(name).toMatch(/^(muara|process)_[a-z]+(_[a-z]+)*$/);
      expect(name).not.toMatch(/_(total|info|bucket|count|sum|created|ms|millis|kb|mb|percent)$/);
      const last = /_(seconds|bytes)$/.exec(name)?.[1];
      expect([name, unit]).toEqual([name, last]);
      expect(help, name).toMatch(/^[A-Z1].*[.]$/);
      expect([name, type === "histogram"]).toEqual([name, bounds !== undefined]);
      expect(bounds ?? []).toEqual((bounds ?? []).toSorted((a, b) => a - b));
    }
  });

  test("each is in one group", () => {
    expect(Object.values(METRIC_GROUPS).flatMap((group) => Object.keys(group))).toEqual(Object.keys(METRICS));
  });

  test("what is exposed is in it, and what is in it is exposed", () => {
    const sources = listSourceFiles(ROOT).filter(
      ({ path }) =>
        /^(core|workers|lake|api|adapters)\/.*\.ts$|^muara.*\.ts$/.test(path) &&
        !/^core\/(metrics\/|metric)/.test(path),
    );
    expect(sources.length).toBeGreaterThan(300);
    const text = sources.map(({ path }) => readFileSync(join(ROOT, path), "utf8")).join("\n");
    const named = new Set([...text.matchAll(/"((?:muara|process)_[a-z_]+)"/g)].map(([, name]) => name!));
    expect(ALL.map(([name]) => name).filter((name) => !named.has(name))).toEqual([]);
    // Names of samples are given to `Sample` and `Measures` alone, whose types take none that is not in the catalogue.
    const strangers = [...text.matchAll(/name: "(muara_[a-z_]+)"/g)].map(([, name]) => name!);
    expect(strangers.filter((name) => !Object.hasOwn(METRICS, name))).toEqual([]);
  });
});

const SAMPLES: readonly AnySample[] = [
  { name: "muara_pull_events", labels: { pull: "a" }, value: 3 },
  { name: "muara_build", labels: { version: "1", runtime: 'n"1' }, value: 1 },
  { name: "muara_query_seconds", labels: {}, histogram: { counts: [0, 2, ...Array(15).fill(1)], sum: 4.5 } },
];

describe("formats", () => {
  test("OpenMetrics", () => {
    const text = renderMetrics(SAMPLES);
    expect(text).toContain("# TYPE muara_pull_events counter\n# HELP muara_pull_events Events of another");
    expect(text).toContain('\nmuara_pull_events_total{pull="a"} 3\n');
    expect(text).toContain("# TYPE muara_build info\n");
    expect(text).toContain('muara_build_info{version="1",runtime="n\\"1"} 1\n');
    expect(text).toContain("# UNIT muara_query_seconds seconds\n");
    expect(text).toContain(
      'muara_query_seconds_bucket{le="0.001"} 0\nmuara_query_seconds_bucket{le="0.005"} 2\n',
    );
    expect(text).toContain('muara_query_seconds_bucket{le="1.0"} ');
    expect(text).toContain('muara_query_seconds_bucket{le="+Inf"} 17\n');
    expect(text).toContain("muara_query_seconds_sum 4.5\nmuara_query_seconds_count 17\n");
    expect(text.endsWith("\n# EOF\n")).toBe(true);
    expect(renderMetrics([])).toBe("# EOF\n");
  });

  test("whatever a label holds stays within its quotation marks", () => {
    const labels = { event_type: 'a\\b\n"c\\"' };
    const text = renderMetrics([{ name: "muara_landed_events", labels, value: 1 }]);
    const line = text.split("\n").find((one) => one.startsWith("muara_"));
    expect(line).toBe('muara_landed_events_total{event_type="a\\\\b\\n\\"c\\\\\\""} 1');
  });

  test("a number is told as what it is, also where it is none", () => {
    const values = [0.1, -0, 1e21, Infinity, -Infinity, Number.NaN];
    const samples = values.map((value) => ({ name: "muara_lineage_waiting" as const, labels: {}, value }));
    const lines = renderMetrics(samples)
      .split("\n")
      .filter((line) => line.startsWith("muara_"));
    expect(lines.map((line) => line.split(" ")[1])).toEqual(["0.1", "0", "1e+21", "+Inf", "-Inf", "NaN"]);
  });

  test("the older text calls families what samples are called, and knows no units", () => {
    const text = renderMetrics(SAMPLES, "text");
    expect(text).toContain("# TYPE muara_pull_events_total counter\n");
    expect(text).toContain("# TYPE muara_build_info gauge\n");
    expect(text).not.toMatch(/# (UNIT|EOF)/);
    expect(renderMetrics([], "text")).toBe("");
  });

  test.each([
    [null, "openmetrics"],
    ["*/*", "openmetrics"],
    ["application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", "openmetrics"],
    ["application/openmetrics-text; version=0.0.1, text/plain;q=0.5", "text"],
    ["text/plain", "text"],
    ["text/plain; version=0.0.4", "text"],
    ["text/plain;version=1.0.0", "openmetrics"],
    ["text/*;q=0.9, application/openmetrics-text;q=0.2", "text"],
    ["application/openmetrics-text;q=0.3,text/plain;q=0.3", "openmetrics"],
    ["text/html", "openmetrics"],
    ["application/openmetrics-text;q=none, text/plain;q=0.1", "text"],
  ] as const)("%s gives %s", (accept, format) => {
    expect(metricsFormat(accept)).toBe(format);
  });
});

describe("measures", () => {
  test("what is at a bound of a histogram is within it", () => {
    const measures = new Measures();
    for (const value of [0, 0.001, 0.0010001, 300, 301]) measures.observe("muara_query_seconds", value, {});
    const [sample] = measures.samples();
    expect(sample).toMatchObject({ histogram: { sum: 601.0020001 } });
    const { counts } = (sample as Extract<AnySample, { histogram: unknown }>).histogram;
    expect([counts[0], counts[1], counts.at(-2), counts.at(-1)]).toEqual([2, 1, 1, 1]);
  });

  test("series are bounded, and what is left out is told", () => {
    const measures = new Measures();
    const left = (): unknown => measures.samples().find(({ name }) => name === "muara_metrics_left_out");
    for (let i = 0; i < SERIES_MAX; i++) measures.count("muara_log_records", { stream: `s${i}` });
    expect(left()).toMatchObject({ value: 0 });
    measures.count("muara_log_records", { stream: "one more" });
    measures.count("muara_log_records", { stream: "s0" }, 4);
    expect(left()).toMatchObject({ value: 1 });
    expect(measures.samples().length).toBe(SERIES_MAX + 1);
    expect(measures.samples()[0]).toMatchObject({ labels: { stream: "s0" }, value: 5 });
  });

  test("series of the same letters are not one, and what was told does not change afterwards", async () => {
    const measures = new Measures();
    measures.count("muara_http_requests", { face: "door1", status: "2" });
    measures.count("muara_http_requests", { face: "door", status: "12" });
    measures.observe("muara_query_seconds", 1, {});
    const before = measures.samples();
    expect(before.slice(0, 2).map((one) => (one as { value: number }).value)).toEqual([1, 1]);
    const told = structuredClone(before);
    measures.observe("muara_query_seconds", 1, {});
    measures.count("muara_http_requests", { face: "door", status: "12" });
    expect(before).toEqual(told);
  });

  test("work that fails is timed, too", async () => {
    const measures = new Measures();
    const clock = new ManualClock(0);
    const work = (): Promise<never> => {
      clock.advance(1_500);
      return Promise.reject(new Error("no"));
    };
    await expect(measures.timed("muara_query_seconds", {}, clock, work)).rejects.toThrow("no");
    expect(measures.samples()[0]).toMatchObject({ histogram: { sum: 1.5 } });
  });

  test("requests are counted by face, never by path", async () => {
    const measures = new Measures();
    const clock = new ManualClock(0);
    const fetch = measuredFetch(
      () => {
        clock.advance(250);
        return new Response(null, { status: 204 });
      },
      (path) => path.startsWith("/event-types"),
      measures,
      clock,
    );
    for (const path of ["/event-types/secret/events", "/v1/sql", "/v1/tables/x"])
      await fetch(new Request(`http://localhost${path}`));
    expect(measures.samples()).toMatchObject([
      { labels: { face: "door", status: "204" }, value: 1 },
      { labels: { face: "api", status: "204" }, value: 2 },
      { labels: { face: "door" }, histogram: { sum: 0.25 } },
      { labels: { face: "api" }, histogram: { sum: 0.5 } },
      {},
    ]);
    const faces = ["/metrics", "/health/ready", "/delta-sharing/shares", "/", "/v1/x"].map((path) =>
      faceOf(path, undefined),
    );
    expect(faces).toEqual(["operations", "operations", "sharing", "pages", "api"]);
  });
});
