/**
 * Traces of a real process, as a collector gets them: requests, appends, landings that link to the requests whose
 * events they land, queries, extracts, jobs; flow ids and trace ids lead to each other.
 */
import { writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually, type MuaraProcess, startMuara, temporaryFolder } from "../services/muara.ts";
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from "../services/otlp-receiver.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT = "00f067aa0ba902b7";
const TRACEPARENT = `00-${TRACE}-${PARENT}-01`;

let receiver: OtlpReceiver;
let muara: MuaraProcess;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
/** Takes deliveries. */
let hook: Server;
const delivered: (string | undefined)[] = [];

const JOB = `CREATE JOB totals AS
SELECT window_start, window_end, count(*) AS orders FROM TUMBLE(shop_order, event_time, INTERVAL '1 minute')
GROUP BY window_start, window_end
EMIT ON WINDOW CLOSE INTO lake order_totals
`;
const FEED = {
  sql: `SELECT event_id, event_time FROM "shop.order"`,
  window: "hour",
  time: "event_time",
  key: ["event_id"],
};

beforeAll(async () => {
  receiver = await startOtlpReceiver();
  folder = await temporaryFolder("traces");
  hook = createServer((request, response) => {
    delivered.push(request.headers["traceparent"] as string | undefined);
    request.resume().on("end", () => response.end());
  });
  await new Promise<void>((done) => hook.listen(0, "127.0.0.1", done));
  const allow = [`127.0.0.1:${(hook.address() as AddressInfo).port}`];
  const config = join(folder.path, "muara.config.ts");
  const declaredConfig = { extracts: { orders: FEED }, outgoing: { allow } };
  await writeFile(config, `export default ${JSON.stringify(declaredConfig)};`);
  muara = await startMuara(join(folder.path, "data"), {
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_BSP_SCHEDULE_DELAY: "200",
    OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test%20one",
    MUARA_LAND_COMMIT_MS: "100",
    MUARA_LAND_DISORDER_MS: "0",
    MUARA_LAND_IDLE_AFTER_MS: "500",
    MUARA_EXTRACT_EVERY_MS: "500",
    MUARA_CONFIG: config,
  });
  const declared = await muara.fetch("/event-types", {
    method: "POST",
    body: JSON.stringify({
      name: "shop.order",
      category: "business",
      owning_application: "shop",
      schema: { type: "json_schema", schema: '{"properties":{"total":{"type":"number"}}}' },
    }),
  });
  expect(declared.status).toBe(201);
}, 120_000);

afterAll(async () => {
  await muara?.kill();
  await receiver?.close();
  hook?.close();
  await folder?.remove();
});

function event(total: number, occurredMs: number): { readonly id: string; readonly body: object } {
  const id = crypto.randomUUID();
  return { id, body: { metadata: { eid: id, occurred_at: new Date(occurredMs).toISOString() }, total } };
}

async function publish(
  count: number,
  headers: Record<string, string>,
  occurredMs: number = Date.now(),
): Promise<Response & { ids: string[] }> {
  const events = Array.from({ length: count }, (_, i) => event(i, occurredMs));
  const response = await muara.fetch("/event-types/shop.order/events", {
    method: "POST",
    headers,
    body: JSON.stringify(events.map(({ body }) => body)),
  });
  expect(response.status).toBe(200);
  return Object.assign(response, { ids: events.map(({ id }) => id) });
}

/** Once a span like that has come. */
async function spanOf(name: string, isIt: (span: ReceivedSpan) => boolean): Promise<ReceivedSpan> {
  let found: ReceivedSpan | undefined;
  await eventually(`a span ${name}`, 20_000, async () => {
    found = receiver.spans.find((span) => span.name === name && isIt(span));
    return found !== undefined;
  });
  return found!;
}

async function make(path: string, body: object): Promise<void> {
  const made = await muara.fetch(path, { method: "POST", body: JSON.stringify(body) });
  expect([path, made.status, await made.text()]).toEqual([path, 201, expect.any(String)]);
}

const PUBLISH = "POST /event-types/:name/events";

async function flowIdsOf(ids: readonly string[]): Promise<unknown[]> {
  const list = ids.map((id) => `'${id}'`).join();
  let rows: unknown[][] = [];
  await eventually("landed", 20_000, async () => {
    rows = await muara.sql(`SELECT DISTINCT flow_id FROM "shop.order" WHERE event_id IN (${list})`);
    return rows.length > 0;
  });
  return rows.flat();
}

test("a request's span is below its sender's, and the landing links to it", async () => {
  const response = await publish(50, { traceparent: TRACEPARENT });
  expect(response.headers.get("x-flow-id")).toBe(TRACE);
  const request = await spanOf(PUBLISH, (span) => span.traceId === TRACE);
  expect(request).toMatchObject({ parentSpanId: PARENT, kind: 2, service: "muara" });
  expect(request.attributes).toMatchObject({
    flow_id: TRACE,
    "http.route": "/event-types/:name/events",
    "http.response.status_code": 200,
    "muara.event_type": "shop.order",
    "muara.events": 50,
  });
  const append = await spanOf("log append", (span) => span.traceId === TRACE);
  expect(append.parentSpanId).toBe(request.spanId);
  expect(append.attributes).toMatchObject({ "messaging.destination.name": "shop.order" });

  const landing = await spanOf("landing commit", ({ links }) =>
    links.some(({ spanId }) => spanId === request.spanId),
  );
  expect(landing.traceId).not.toBe(TRACE);
  expect(landing.parentSpanId).toBe("");
  expect(landing.links.filter(({ traceId }) => traceId === TRACE)).toHaveLength(1); // a request, not an event
  expect(landing.attributes).toMatchObject({ "muara.table": "shop.order", "muara.committed": true });
  expect(await flowIdsOf(response.ids)).toEqual([TRACE]);
  // One span per request and per batch of a partition, however many events.
  expect(receiver.spans.filter(({ traceId }) => traceId === TRACE).length).toBeLessThanOrEqual(9);
});

test("a flow id is kept as it was given, beside the trace", async () => {
  const given = "shop/checkout+42_A=-";
  const traceId = "ffffffffffffffffffffffffffffffff";
  const response = await publish(1, {
    "x-flow-id": given,
    traceparent: `00-${traceId}-00f067aa0ba902b8-01`,
  });
  expect(response.headers.get("x-flow-id")).toBe(given);
  const span = await spanOf(PUBLISH, (one) => one.traceId === traceId);
  expect(span.attributes["flow_id"]).toBe(given);
  expect(await flowIdsOf(response.ids)).toEqual([given]);
});

test("without either the span's own trace is the flow id; what is malformed begins a trace of its own", async () => {
  for (const headers of [
    {},
    { traceparent: "00-zz-1-01" },
    { traceparent: `00-${"0".repeat(32)}-${PARENT}-01` },
  ]) {
    const response = await publish(1, headers);
    const flowId = response.headers.get("x-flow-id")!;
    expect(flowId).toMatch(/^[0-9a-f]{32}$/);
    const span = await spanOf(PUBLISH, (one) => one.traceId === flowId);
    expect([span.parentSpanId, span.attributes["flow_id"]]).toEqual(["", flowId]);
    expect(await flowIdsOf(response.ids)).toEqual([flowId]);
  }
});

test("who is not sampled makes no spans, and keeps the trace as the flow id", async () => {
  const traceId = "0123456789abcdef0123456789abcdef";
  const response = await publish(1, { traceparent: `00-${traceId}-00f067aa0ba902b9-00` });
  expect(response.headers.get("x-flow-id")).toBe(traceId);
  const after = await publish(1, {});
  await spanOf(PUBLISH, (span) => span.traceId === after.headers.get("x-flow-id"));
  expect(receiver.spans.filter((span) => span.traceId === traceId)).toEqual([]);
});

test("a CloudEvent's own trace is linked to, and its extension is kept", async () => {
  const made = await muara.fetch("/event-types", {
    method: "POST",
    body: JSON.stringify({
      name: "shop.cloud",
      category: "cloudevent",
      owning_application: "shop",
      schema: { type: "json_schema", schema: "{}" },
    }),
  });
  expect(made.status).toBe(201);
  const traceId = "abcdefabcdefabcdefabcdefabcdefab";
  const traceparent = `00-${traceId}-00f067aa0ba902b7-01`;
  const attributes = { specversion: "1.0", id: "c1", source: "/till", type: "shop.cloud", traceparent };
  const headers = Object.entries(attributes).map(([name, value]) => [`ce-${name}`, value]);
  const response = await muara.fetch("/cloudevents", {
    method: "POST",
    headers: Object.fromEntries(headers) as Record<string, string>,
    body: "{}",
  });
  expect([response.status, response.headers.get("x-flow-id")]).toEqual([200, traceId]);
  const span = await spanOf("POST /cloudevents", ({ links }) => links.some((one) => one.traceId === traceId));
  expect([span.parentSpanId, span.attributes["flow_id"]]).toEqual(["", traceId]);
  let rows: unknown[][] = [];
  await eventually("landed", 20_000, async () => {
    rows = await muara.sql(`SELECT extra FROM "shop.cloud"`);
    return rows.length === 1;
  });
  expect(JSON.parse(String(rows[0]![0]))).toMatchObject({ traceparent });
});

test("a query is a span until its last row, without its text; its refusal is an error", async () => {
  await muara.sql(`SELECT 41 + 1 AS secret_of_the_asker, count(*) FROM "shop.order"`);
  const query = await spanOf("SQL query", ({ attributes }) => attributes["db.response.returned_rows"] === 1);
  const request = await spanOf("POST /v1/sql", ({ spanId }) => spanId === query.parentSpanId);
  expect(request.attributes["flow_id"]).toBeDefined();
  await muara.fetch("/v1/sql", {
    method: "POST",
    body: JSON.stringify({ sql: "SELECT * FROM nothing_here" }),
  });
  const refused = await spanOf("SQL query", ({ statusCode }) => statusCode === 2);
  expect(refused.attributes["error.type"]).toBe("table.not_found");
  expect(JSON.stringify(receiver.spans)).not.toContain("secret_of_the_asker");
});

test("jobs, deliveries and extracts are spans; whom a delivery tells, it tells its span", async () => {
  const { port } = hook.address() as AddressInfo;
  const asked = { name: "hook", table: "shop.order", url: `http://127.0.0.1:${port}/` };
  await make("/v1/deliveries", asked);
  await make("/v1/jobs", { text: JOB });
  await publish(3, {}, Date.now() - 3 * 3_600_000);
  await publish(3, {});
  const delivery = await spanOf(
    "delivery batch",
    ({ attributes }) => attributes["muara.delivery"] === "hook",
  );
  expect(Number(delivery.attributes["muara.rows"])).toBeGreaterThan(0);
  await eventually("told", 20_000, async () => delivered.length > 0);
  const ofBatches = receiver.spans.filter(({ name }) => name === "delivery batch");
  expect(ofBatches.map(({ traceId, spanId }) => `00-${traceId}-${spanId}-01`)).toContain(delivered[0]);
  const job = await spanOf("job step", ({ attributes }) => attributes["muara.job"] === "totals");
  expect(job.attributes).toMatchObject({ "muara.table": "order_totals" });
  await eventually("an extract", 40_000, async () => {
    const made = await muara.fetch("/v1/extracts/orders/make", { method: "POST" });
    return made.status < 300 && receiver.spans.some(({ name }) => name === "extract build");
  });
  const built = await spanOf("extract build", ({ attributes }) => attributes["muara.feed"] === "orders");
  await spanOf("SQL query", ({ traceId }) => traceId === built.traceId);
}, 90_000);

test("what looks after the process makes no spans, and a stop sends what is left", async () => {
  await muara.fetch("/health/ready");
  await muara.fetch("/metrics");
  const response = await publish(1, {});
  expect(await muara.stop()).toBe(0);
  const flowId = response.headers.get("x-flow-id");
  expect(receiver.spans.some(({ name, traceId }) => name === PUBLISH && traceId === flowId)).toBe(true);
  expect(receiver.spans.filter(({ name }) => /health|metrics/.test(name))).toEqual([]);
  expect(receiver.faults).toEqual([]);
});
