/**
 * Lineage of a real process, as a file and as requests, held against OpenLineage's own Python classes: what they do
 * not know, or miss, is an error there.
 */
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually, type MuaraProcess, startMuara, temporaryFolder } from "../services/muara.ts";
import { runPython } from "../services/python.ts";

interface LineageDataset {
  readonly namespace: string;
  readonly name: string;
  readonly facets: Record<string, Record<string, unknown>>;
  readonly inputFacets?: Record<string, Record<string, unknown>>;
  readonly outputFacets?: Record<string, Record<string, unknown>>;
}

interface LineageEvent {
  readonly eventType: string;
  readonly eventTime: string;
  readonly run: { readonly runId: string; readonly facets: Record<string, Record<string, unknown>> };
  readonly job: { readonly namespace: string; readonly name: string };
  readonly inputs: readonly LineageDataset[];
  readonly outputs: readonly LineageDataset[];
}

/** Every event as OpenLineage's classes, each facet under the schema that it names. */
const VALIDATE = `
import importlib, json, pkgutil, re, sys, typing, uuid
import attr
import openlineage.client.generated as generated
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState

known = {}
for module in pkgutil.iter_modules(generated.__path__):
    loaded = importlib.import_module("openlineage.client.generated." + module.name)
    for item in vars(loaded).values():
        if isinstance(item, type) and attr.has(item) and hasattr(item, "_get_schema"):
            known[item._get_schema()] = item

def build(kind, value):
    if value is None: return None
    origin = typing.get_origin(kind)
    args = [one for one in typing.get_args(kind) if one is not type(None)]
    if origin is list: return [build(args[0], one) for one in value]
    if origin is dict: return {key: build(args[1], one) for key, one in value.items()}
    if origin is not None and args: return build(args[0], value)
    if isinstance(kind, type) and attr.has(kind):
        attr.resolve_types(kind)
        fields = {one.name: one for one in attr.fields(kind)}
        unknown = set(value) - set(fields)
        if unknown: raise TypeError(f"{kind.__name__} has no {sorted(unknown)}")
        return kind(**{key: build(fields[key].type, one) for key, one in value.items()})
    if isinstance(kind, type) and kind in (str, int, bool) and type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value

def facets(of):
    made = {}
    for name, facet in (of or {}).items():
        plain = dict(facet)
        producer = plain.pop("_producer")
        kind = known[plain.pop("_schemaURL")]
        made[name] = build(kind, plain)
        assert re.match(r"^[a-z][a-z0-9+.-]*:.+", producer), producer
    return made

count = 0
for line in open(sys.argv[1]):
    event = json.loads(line)
    assert event.pop("schemaURL") == RunEvent._get_schema(), "schemaURL"
    run, job = event.pop("run"), event.pop("job")
    inputs, outputs = event.pop("inputs"), event.pop("outputs")
    uuid.UUID(run["runId"])
    RunEvent(
        eventTime=event.pop("eventTime"), producer=event.pop("producer"),
        eventType=RunState[event.pop("eventType")],
        run=Run(runId=run.pop("runId"), facets=facets(run.pop("facets"))),
        job=Job(namespace=job.pop("namespace"), name=job.pop("name"), facets=facets(job.pop("facets"))),
        inputs=[InputDataset(namespace=one.pop("namespace"), name=one.pop("name"),
            facets=facets(one.pop("facets")), inputFacets=facets(one.pop("inputFacets")), **one) for one in inputs],
        outputs=[OutputDataset(namespace=one.pop("namespace"), name=one.pop("name"),
            facets=facets(one.pop("facets")), outputFacets=facets(one.pop("outputFacets")), **one) for one in outputs],
    )
    assert not event and not run and not job, (event, run, job)
    count += 1
print(json.dumps(count))
`;

const HOUR_MS = 3_600_000;
/** Ten minutes into an hour that is long over. */
const BEGIN_MS = Math.floor(Date.now() / HOUR_MS) * HOUR_MS - 3 * HOUR_MS + 600_000;

let muara: MuaraProcess;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let file: string;

const FEED = {
  sql: `SELECT event_id, event_time FROM "shop.order"`,
  window: "hour",
  time: "event_time",
  key: ["event_id"],
  checks: [{ unique: ["event_id"] }, { rows: { min: 100 }, severity: "warning" }],
};
const JOB = `CREATE JOB totals AS
SELECT window_start, window_end, count(*) AS orders FROM TUMBLE(shop_order, event_time, INTERVAL '1 minute')
GROUP BY window_start, window_end
EMIT ON WINDOW CLOSE INTO lake order_totals
`;
const ENVIRONMENT = {
  MUARA_LAND_COMMIT_MS: "100",
  MUARA_LAND_DISORDER_MS: "0",
  MUARA_LAND_IDLE_AFTER_MS: "500",
  MUARA_EXTRACT_EVERY_MS: "500",
};

beforeAll(async () => {
  folder = await temporaryFolder("lineage");
  file = join(folder.path, "lineage", "events.ndjson");
  const config = join(folder.path, "muara.config.ts");
  await writeFile(config, `export default ${JSON.stringify({ extracts: { orders: FEED } })};`);
  const environment = { ...ENVIRONMENT, MUARA_CONFIG: config, MUARA_LINEAGE_FILE: file };
  muara = await startMuara(join(folder.path, "data"), environment);
  await declare(muara);
}, 120_000);

afterAll(async () => {
  await muara?.kill();
  await folder?.remove();
});

async function declare(process: MuaraProcess): Promise<void> {
  const properties = { total: { type: "number", format: "decimal(10,2)" }, watermark: { type: "string" } };
  await make(process, "/event-types", {
    name: "shop.order",
    category: "business",
    owning_application: "shop",
    schema: { type: "json_schema", schema: JSON.stringify({ type: "object", properties }) },
  });
}

async function make(process: MuaraProcess, path: string, body: object): Promise<void> {
  const made = await process.fetch(path, { method: "POST", body: JSON.stringify(body) });
  expect([path, made.status, await made.text()]).toEqual([path, 201, expect.any(String)]);
}

async function publish(
  process: MuaraProcess,
  totals: readonly number[],
  occurredMs: number = Date.now(),
): Promise<void> {
  const occurred_at = new Date(occurredMs).toISOString();
  const events = totals.map((total) => ({ metadata: { eid: crypto.randomUUID(), occurred_at }, total }));
  const body = JSON.stringify(events);
  expect((await process.fetch("/event-types/shop.order/events", { method: "POST", body })).status).toBe(200);
}

async function told(): Promise<LineageEvent[]> {
  const text = await readFile(file, "utf8").catch(() => "");
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as LineageEvent);
}

async function completed(job: string): Promise<LineageEvent> {
  let found: LineageEvent | undefined;
  await eventually(`${job} is told`, 40_000, async () => {
    found = (await told()).find((one) => one.job.name === job && one.eventType === "COMPLETE");
    return found !== undefined;
  });
  return found!;
}

test("a landed batch says what it was made of, how much it is, and what did not land", async () => {
  await publish(muara, [1, 2.5, 3.999], BEGIN_MS); // the last has more decimals than its column
  const { inputs, outputs, run } = await completed("land.shop.order");
  const data = join(folder.path, "data");
  const [input] = inputs;
  expect([input!.namespace, input!.name]).toEqual(["file", `${data}/log/shop.order`]);
  expect(input!.inputFacets!["dataQualityAssertions"]!["assertions"]).toEqual([
    { assertion: "lands", success: false, expected: "0 dead letters", actual: "1" },
  ]);
  const [output] = outputs;
  expect([output!.namespace, output!.name]).toEqual(["file", `${data}/lake/shop.order`]);
  const { rowCount, fileCount, size } = output!.outputFacets!["outputStatistics"]! as Record<string, number>;
  expect([rowCount, fileCount]).toEqual([2, 1]);
  expect(size).toBeGreaterThan(500);
  const version = Number(output!.facets["version"]!["datasetVersion"]);
  const sql = `SELECT count(*) FROM "shop.order"`;
  const asOf = await muara.fetch("/v1/sql", { method: "POST", body: JSON.stringify({ sql, at: version }) });
  expect(((await asOf.json()) as { rows: unknown[][] }).rows).toEqual([["2"]]);
  const fields = output!.facets["schema"]!["fields"] as { name: string; type: string }[];
  expect(fields.find(({ name }) => name === "total")).toEqual({ name: "total", type: "decimal(10,2)" });
  const columns = output!.facets["columnLineage"]!["fields"] as Record<string, { inputFields: object[] }>;
  expect(Object.keys(columns).sort()).toEqual(["data_watermark", "total"]);
  expect(columns["data_watermark"]!.inputFields[0]).toMatchObject({ field: "watermark", name: input!.name });
  const ofRun = (await told()).filter((one) => one.run.runId === run.runId);
  expect(ofRun.map(({ eventType }) => eventType)).toEqual(["START", "COMPLETE"]);
});

test("jobs and extracts tell their inputs, and nothing is told while nothing happens", async () => {
  await make(muara, "/v1/jobs", { text: JOB });
  await publish(muara, [1, 2, 3], BEGIN_MS + 60_000);
  await publish(muara, [4]);
  const job = await completed("job.totals");
  const data = join(folder.path, "data");
  expect(job.inputs.map(({ name }) => name)).toEqual([`${data}/lake/shop.order`]);
  expect(job.outputs[0]!.name).toBe(`${data}/lake/order_totals`);
  await eventually("an extract", 40_000, async () => {
    await muara.fetch("/v1/extracts/orders/make", { method: "POST" });
    return (await told()).some(({ job: { name } }) => name === "extract.orders");
  });
  const extract = await completed("extract.orders");
  expect(extract.outputs[0]).toMatchObject({
    name: `${data}/lake/_extracts/orders`,
    facets: { version: { datasetVersion: "1" } },
    outputFacets: { outputStatistics: { rowCount: 5 } },
  });
  const assertions = extract.inputs[0]!.inputFacets!["dataQualityAssertions"]!["assertions"] as {
    success: boolean;
    severity: string;
  }[];
  expect(assertions.map(({ success, severity }) => [success, severity])).toEqual([
    [true, "error"],
    [false, "warn"],
  ]);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  const before = (await told()).length;
  await new Promise((resolve) => setTimeout(resolve, 2_500)); // watermarks, empty passes and idle jobs go on
  expect((await told()).length).toBe(before);
});

test(
  "OpenLineage's own classes take every event, and none that is changed",
  { timeout: 900_000 },
  async () => {
    const options = { set: "lineage" } as const;
    const count = (await told()).length;
    expect(count).toBeGreaterThan(5);
    expect(await runPython(VALIDATE, [file], options)).toBe(count);
    const broken = join(folder.path, "broken.ndjson");
    const [line = ""] = (await readFile(file, "utf8")).split("\n");
    for (const [from, to] of [
      ['"jobType":"LANDING"', '"jobTyp":"LANDING"'],
      ['"eventType":"START"', '"eventType":"BEGIN"'],
      ["facets/2-0-4/", "facets/9-0-4/"],
    ] as const) {
      expect(line).toContain(from);
      await writeFile(broken, `${line.replace(from, to)}\n`);
      await expect(runPython(VALIDATE, [broken], options)).rejects.toThrow();
    }
  },
);

test("a receiver that refuses costs events, counted, and no landing", async () => {
  let isRefusing = true;
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      response.statusCode = isRefusing ? 503 : 201;
      if (!isRefusing) bodies.push(body);
      response.end();
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  const own = await temporaryFolder("lineage-http");
  const config = join(own.path, "muara.config.ts");
  const declared = {
    outgoing: { allow: [`127.0.0.1:${port}`] },
    lineage: { url: `http://127.0.0.1:${port}/api/v1/lineage`, queue: 2 },
  };
  await writeFile(config, `export default ${JSON.stringify(declared)};`);
  const one = await startMuara(join(own.path, "data"), { ...ENVIRONMENT, MUARA_CONFIG: config });
  try {
    await declare(one);
    const metric = async (name: string): Promise<number> => {
      const text = await (await one.fetch("/metrics")).text();
      return Number(new RegExp(`^${name} (\\d+)`, "m").exec(text)?.[1] ?? Number.NaN);
    };
    for (let round = 1; round <= 4; round++) {
      await publish(one, [round]);
      await eventually("landed", 20_000, async () => {
        const [[rows]] = (await one.sql(`SELECT count(*) FROM "shop.order"`)) as [[string]];
        return Number(rows) === round;
      });
    }
    await eventually("dropped", 20_000, async () => (await metric("muara_lineage_dropped_total")) > 0);
    expect(await metric("muara_lineage_waiting")).toBeLessThanOrEqual(2);
    isRefusing = false;
    await eventually("taken", 20_000, async () => (await metric("muara_lineage_waiting")) === 0);
    await publish(one, [5]);
    await eventually("sent", 20_000, async () => bodies.some((body) => body.includes('"COMPLETE"')));
    for (const body of bodies) expect(JSON.parse(body)).toMatchObject({ job: { name: "land.shop.order" } });
    expect(await one.stop()).toBe(0);
  } finally {
    await one.kill();
    server.close();
    await own.remove();
  }
});
