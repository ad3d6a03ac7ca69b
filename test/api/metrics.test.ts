/** GET /metrics, as the client library of Prometheus reads it, beside what the table's own page says. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { IcebergLags } from "../../api/iceberg-lags.ts";
import { OPEN_METRICS_TYPE, renderMetrics } from "../../core/open-metrics.ts";
import { dropIceberg, exportIceberg } from "../../lake/iceberg/export.ts";
import { landEach, prepared, TABLE } from "../lake/removal-world.ts";
import { runPython } from "../services/python.ts";
import { orderEvent, orderType, startStack, type Stack } from "./stack.ts";

const TYPE = "shop.order";
const OTHER = "shop.other";

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
  for (const name of [TYPE, OTHER]) {
    expect((await stack.call("POST", "/event-types", orderType(name, 1))).status).toBe(201);
    await publish(name, 1);
  }
}, 120_000);
afterAll(() => stack.close());

async function publish(type: string, n: number): Promise<void> {
  const answer = await stack.call("POST", `/event-types/${type}/events`, `[${orderEvent(n, String(n))}]`);
  expect(answer.status).toBe(200);
  await stack.settled(type);
}

const PARSE = `
import sys, json
from prometheus_client.openmetrics.parser import text_string_to_metric_families
def told(f):
    return [f.name, f.type, f.unit, f.documentation, [[s.labels, s.value] for s in f.samples]]
print(json.dumps([told(f) for f in text_string_to_metric_families(sys.argv[1])]))
`;
type Family = readonly [
  name: string,
  type: string,
  unit: string,
  help: string,
  samples: readonly (readonly [Readonly<Record<string, string>>, number])[],
];
const parse = (text: string): Promise<Family[]> =>
  runPython(PARSE, [text], { set: "metrics", timeoutMs: 240_000 }) as Promise<Family[]>;

test(
  "tells how far exports as Iceberg are behind, to those who may read the table",
  { timeout: 240_000 },
  async () => {
    expect((await fetch(new URL("/metrics", stack.url))).status).toBe(401);
    expect((await stack.call("POST", `/v1/tables/${TYPE}/iceberg`)).status).toBe(200);
    for (const n of [2, 3]) await publish(TYPE, n);
    const answer = await stack.call("GET", "/metrics");
    expect(answer.headers.get("content-type")).toBe(OPEN_METRICS_TYPE);
    const families = await parse(await answer.text());
    const { iceberg } = await stack.get<{ iceberg: Readonly<Record<string, number>> }>(`/v1/tables/${TYPE}`);
    expect(iceberg["behind_versions"]).toBeGreaterThanOrEqual(2);
    const labels = { table: TYPE };
    expect(families.filter(([name]) => name.startsWith("muara_iceberg_"))).toEqual([
      [
        "muara_iceberg_behind_seconds",
        "gauge",
        "seconds",
        expect.any(String),
        [[labels, iceberg["behind_ms"]! / 1_000]],
      ],
      [
        "muara_iceberg_behind_versions",
        "gauge",
        "",
        expect.any(String),
        [[labels, iceberg["behind_versions"]]],
      ],
      ["muara_iceberg_version", "gauge", "", expect.any(String), [[labels, iceberg["version"]]]],
    ]);

    const { token } = (await (
      await stack.call("POST", "/v1/tokens", {
        description: "another table",
        grants: [{ action: "read", kind: "table", name: OTHER }],
      })
    ).json()) as { token: string };
    const headers = { authorization: `Bearer ${token}` };
    const others = await stack.call("GET", "/metrics", undefined, headers);
    expect([others.status, await others.text()]).toEqual([200, "# EOF\n"]);
  },
);

test("whatever a label holds, a scraper reads it", { timeout: 240_000 }, async () => {
  const tables = ['quo"te', "back\\slash", "two\nlines", "ümlaut 😀", "n\\n"];
  const samples = tables.map((table, value) => ({
    name: "muara_iceberg_version" as const,
    labels: { table },
    value: value / 8,
  }));
  const [family] = await parse(renderMetrics(samples));
  expect(family![4]).toEqual(tables.map((table, value) => [{ table }, value / 8]));
  expect(await parse(renderMetrics([]))).toEqual([]);
});

test("what was found is asked for again after a while, sooner where there is an export", async () => {
  const at = await prepared();
  await landEach(at, [1]);
  let looks = 0;
  const store = { ...at.store, get: (path: string) => (looks++, at.store.get(path)) };
  const catalog = { snapshot: () => at.openTable(TABLE).snapshot() };
  const lags = new IcebergLags({ ...at.ports, store, catalog } as never);
  const tables = [{ name: TABLE }] as never;
  expect(await lags.of(tables)).toEqual([]);
  await exportIceberg(at.store, TABLE, await at.openTable(TABLE).snapshot());
  const before = looks;
  expect(await lags.of(tables)).toEqual([]);
  expect(looks).toBe(before);
  at.clock.advance(300_001);
  expect(await lags.of(tables)).toMatchObject([{ table: TABLE, behindVersions: 0 }]);
  await landEach(at, [2, 3]);
  expect(await lags.of(tables)).toMatchObject([{ table: TABLE, behindVersions: 2 }]);
  await dropIceberg(at.store, TABLE);
  at.clock.advance(15_001);
  expect(await lags.of(tables)).toEqual([]);
});
