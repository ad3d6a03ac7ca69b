/**
 * Schemathesis (PyPI) sends whatever the OpenAPI document allows, and what it does not, to a running Muara: no answer
 * may be a 5xx (but for 501, which is an answer), and each must be one that the document declares. A short form is a
 * test; this is the long one: `npm run proof:schemathesis`.
 */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { FEATURES } from "../../core/settings.ts";
import { eventually, type MuaraProcess, startMuara, temporaryFolder } from "../services/muara.ts";
import { pythonEnvironment } from "../services/python.ts";
import { orderEvent, orderType } from "../api/stack.ts";

const SETTINGS = fileURLToPath(new URL("schemathesis", import.meta.url));
const TYPES = ["st.order", "st.return"] as const;
const IN_A_DAY = new Date(Date.now() + 86_400_000).toISOString();
const TOO_LARGE = "92233720368547758080";
const FEED = {
  sql: `SELECT event_id, event_time FROM "${TYPES[0]}"`,
  time: "event_time",
  key: ["event_id"],
};
const CURSOR = { partition: "0", offset: "BEGIN" };
const CLOUDEVENT = { specversion: "1.0", id: "a", source: "/st", type: "st.cloud", data: { number: 1 } };
const SCHEMA = '{"type":"object","properties":{"number":{"type":"integer"}}}';
const jobText = (name: string): string =>
  `CREATE JOB ${name} AS SELECT window_end, count(*) AS orders
    FROM TUMBLE(st_order, event_time, INTERVAL '1 minute') GROUP BY window_end
    EMIT ON WINDOW CLOSE INTO lake ${name}`;
const RULE = {
  name: "StOrders",
  sql: { query: "SELECT count(*) AS value FROM st_order WHERE event_time <= $now HAVING count(*) > 1000" },
};
/** By operation, bodies that are taken. */
const BODIES: Readonly<Record<string, readonly unknown[]>> = {
  "POST /event-types": [orderType("st.new", 1)],
  "PUT /event-types/{name}": [orderType(TYPES[0], 2), orderType(TYPES[1], 2)],
  "POST /subscriptions": [
    { owning_application: "shop", event_types: [TYPES[1]] },
    { owning_application: "shop", event_types: ["*"], read_from: "begin", consumer_group: "all" },
  ],
  "POST /subscriptions/{id}/events": [
    { batch_limit: 10, max_uncommitted_events: 100 },
    { partitions: [{ event_type: TYPES[0], partition: "1" }] },
  ],
  "PATCH /subscriptions/{id}/cursors": [
    { items: [{ event_type: TYPES[0], ...CURSOR }] },
    { items: [{ timestamp: "2026-01-01T00:00:00Z" }] },
  ],
  "POST /cloudevents": [CLOUDEVENT],
  "POST /v1/jobs": [{ text: jobText("st_new") }],
  "POST /v1/jobs/plan": [{ text: jobText("st_plan") }],
  "PUT /v1/jobs/{name}": [{ text: jobText("st_job") }],
  "POST /v1/rules": [RULE, { ...RULE, name: "StMore" }],
  "POST /v1/silences": [{ matchers: 'alertname="StOrders"', comment: "known", for_ms: 60_000 }],
  "POST /v1/sql": [
    { sql: "SELECT 1" },
    { sql: `SELECT * FROM "${TYPES[0]}"`, limit: 1 },
    { sql: "SELECT count(*) FROM books" },
  ],
  "POST /event-types/{name}/cursor-distances": [[{ initial_cursor: CURSOR, final_cursor: CURSOR }]],
  "POST /event-types/{name}/cursors-lag": [[CURSOR], [{ partition: "1", offset: "BEGIN" }]],
  "POST /event-types/{name}/shifted-cursors": [[{ ...CURSOR, shift: 0 }]],
  "POST /event-types/{name}/events": [[JSON.parse(orderEvent(9, "9"))]],
  "POST /event-types/{name}/schemas/{version}/compatibility-check": [{ schema: SCHEMA }],
  "PUT /event-types/{name}/partition-count": [{ partition_count: 2 }, { partition_count: 3 }],
  "POST /v1/shares/{share}/recipients": [{ recipient: "st", expires_at: IN_A_DAY }],
};
const CHECKS = [
  "not_a_server_error",
  "status_code_conformance",
  "content_type_conformance",
  "response_schema_conformance",
  "response_headers_conformance",
];

export interface SchemathesisOptions {
  /** How long requests are made, s. */
  readonly seconds: number;
  /** Requests of an operation and phase, at most. */
  readonly examples: number;
  readonly seed: number;
}

export interface SchemathesisReport {
  readonly hasPassed: boolean;
  readonly requests: number;
  /** What the tool said. */
  readonly output: string;
  /** By operation and status how many answers. */
  readonly answers: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** What Muara logged as a bug. */
  readonly bugs: readonly string[];
}

export async function runSchemathesis(options: SchemathesisOptions): Promise<SchemathesisReport> {
  const folder = await temporaryFolder("schemathesis");
  const config = join(folder.path, "muara.config.mjs");
  await writeFile(config, `export default ${JSON.stringify({ extracts: { st_feed: FEED } })};`);
  const muara = await startMuara(join(folder.path, "data"), { MUARA_CONFIG: config });
  try {
    const known = await prepare(muara);
    const answers = join(folder.path, "answers.json");
    const environment = {
      KNOWN: JSON.stringify(known),
      BODIES: JSON.stringify(BODIES),
      OWN_TOKEN: muara.token.split("_")[1]!,
      FEATURES: JSON.stringify(FEATURES),
      ANSWERS: answers,
      SCHEMATHESIS_HOOKS: "hooks",
      PYTHONPATH: SETTINGS,
    };
    const args = [
      "--config-file",
      join(SETTINGS, "schemathesis.toml"),
      "run",
      `${muara.url}/openapi.json`,
      "--header",
      `authorization: Bearer ${muara.token}`,
      "--phases",
      "coverage,fuzzing",
      "--checks",
      CHECKS.join(","),
      "--continue-on-failure",
      "--no-shrink",
      "--no-color",
      "--request-timeout",
      "60",
      "--generation-database",
      "none",
      "--warnings",
      "off",
      // One: with two of them, the tool's own caches are read while they are written.
      "--workers",
      "1",
      "--seed",
      String(options.seed),
      "--max-examples",
      String(options.examples),
      "--max-time",
      String(options.seconds),
    ];
    const { code, output } = await schemathesis(args, environment, folder.path);
    return {
      hasPassed: code === 0,
      requests: Number(/(\d+) generated/.exec(output)?.[1] ?? 0),
      output,
      answers: JSON.parse(await readFile(answers, "utf8")) as SchemathesisReport["answers"],
      bugs: muara
        .log()
        .split("\n")
        .filter((line) => line.includes('"request failed"')),
    };
  } finally {
    await muara.stop();
    await folder.remove();
  }
}

/** Something of every kind. @returns by parameter of a path what exists, or by path and parameter */
async function prepare(muara: MuaraProcess): Promise<Record<string, unknown>> {
  const post = async (path: string, body: unknown): Promise<Record<string, unknown>> => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const response = await muara.fetch(path, { method: "POST", body: text });
    const answer = await response.text();
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${answer}`);
    return (answer === "" ? {} : JSON.parse(answer)) as Record<string, unknown>;
  };
  for (const type of TYPES) {
    await post("/event-types", orderType(type, 2));
    const events = [orderEvent(1, "1"), orderEvent(2, "2"), orderEvent(1, "1"), orderEvent(3, TOO_LARGE)];
    await post(`/event-types/${type}/events`, `[${events.join(",")}]`);
  }
  await post("/event-types", { ...orderType("st.cloud", 1), category: "cloudevent" });
  const subscribed = { owning_application: "shop", event_types: [TYPES[0]], read_from: "begin" };
  const { id: subscription } = await post("/subscriptions", subscribed);
  await post("/v1/shares", { name: "st", tables: { [TYPES[0]]: { as: "a.t" } } });
  const idsOf = async (path: string, key: string): Promise<unknown[]> => {
    const { items } = (await (await muara.fetch(path)).json()) as { items: Record<string, unknown>[] };
    return items.map((item) => item[key]);
  };
  await eventually("dead letters and duplicates are booked", 120_000, async () => {
    return (await idsOf("/v1/dead-letters", "dead_letter_id")).length >= 2;
  });
  await post("/v1/jobs", { text: jobText("st_job") });
  await post("/v1/rules", RULE);
  await post("/v1/deliveries", { name: "st", table: TYPES[0], url: "https://example.org/in" });
  const letters = await idsOf("/v1/dead-letters", "dead_letter_id");
  const duplicates = await idsOf("/v1/duplicates", "duplicate_id");
  return {
    name: TYPES,
    table: [...TYPES, "books"],
    partition: ["0", "1"],
    version: ["1.0.0", "latest"],
    share: ["st"],
    feed: ["st_feed"],
    ...Object.fromEntries(
      ["", "/version", "/metadata", "/query", "/changes"].map((part) => [
        `/delta-sharing/shares/{share}/schemas/{schema}/tables/{table}${part}`,
        { schema: ["a"], table: ["t"] },
      ]),
    ),
    ...underEach("/v1/jobs", "st_job", ["", "/pause", "/resume", "/rollback", "/export", "/preview"]),
    ...underEach("/v1/rules", RULE.name, ["", "/pause", "/resume"]),
    ...underEach("/v1/deliveries", "st", ["", "/pause", "/resume", "/dead-letters", "/kibana"]),
    "/delta-sharing/shares/{share}/schemas/{schema}/tables": { schema: ["a"] },
    "/v1/dead-letters/{id}": { id: letters },
    "/v1/duplicates/{id}": { id: duplicates },
    ...Object.fromEntries(
      ["", "/cursors", "/events", "/stats"].map((part) => [
        `/subscriptions/{id}${part}`,
        { id: [subscription] },
      ]),
    ),
  };
}

function underEach(path: string, name: string, parts: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(parts.map((part) => [`${path}/{name}${part}`, { name: [name] }]));
}

/** The tool ends by itself; a minute more is for what is under way then. */
async function schemathesis(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  folder: string,
): Promise<{ readonly code: number; readonly output: string }> {
  const { python } = await pythonEnvironment("schemathesis");
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: "1", ...environment };
  return new Promise((resolve) => {
    const settings = { env, cwd: folder, maxBuffer: 64 * 1_024 * 1_024 };
    execFile(join(dirname(python), "st"), [...args], settings, (error, out, err) =>
      resolve({ code: error ? Number(error.code ?? 1) : 0, output: `${out}${err}` }),
    );
  });
}

/** Operations that gave at least one answer below 300. */
export function reached({ answers }: SchemathesisReport): readonly string[] {
  return Object.entries(answers)
    .filter(([, statuses]) => Object.keys(statuses).some((status) => Number(status) < 300))
    .map(([operation]) => operation)
    .toSorted();
}

if (process.argv[1] === import.meta.filename) {
  const [minutes = "10", seed = String(Date.now() % 1_000_000)] = process.argv.slice(2);
  const seconds = Number(minutes) * 60;
  const report = await runSchemathesis({ seconds, examples: 1_000, seed: Number(seed) });
  const { requests, answers, output, bugs } = report;
  const operations = Object.keys(answers).length;
  if (!report.hasPassed) console.log(output);
  for (const bug of bugs) console.log(bug);
  console.log(JSON.stringify(answers, null, 1));
  console.log(
    `seed ${seed}: ${requests} requests, ${operations} operations, ${reached(report).length} of them answered 2xx`,
  );
  process.exitCode = report.hasPassed && bugs.length === 0 ? 0 : 1;
}
