/** Examples of what runs on what lands: jobs, processes, rules, deliveries, captures. */
import type { Step } from "./step.ts";
import { pick, some } from "./pick.ts";

const JOB = { name: "orders_hourly" };
const jobText = (more: string): string =>
  `CREATE JOB orders_hourly AS SELECT window_start, window_end, country, count(*) AS orders${more} ` +
  `FROM TUMBLE("order.created", event_time, INTERVAL '1 hour') GROUP BY window_start, window_end, country ` +
  "EMIT ON WINDOW CLOSE INTO lake orders_hourly";
const TOTAL = ", sum(total) AS revenue";

const process = {
  name: "shop",
  description: "From the order to the parcel",
  activities: {
    ordered: { from: "order.created", case: "order_number", fields: { country: "country" } },
    shipped: { from: "shop.parcel", case: "parcel_id" },
  },
  deadlines: { shipped_in_time: { from: "ordered", to: "shipped", within: "48 hours", carry: ["country"] } },
  velocities: { orders: { activity: "ordered", window: "1 hour", by: ["country"] } },
};

const rule = {
  name: "LargeOrder",
  sql: {
    query:
      'SELECT country, max(total) AS value FROM "order.created" GROUP BY country HAVING max(total) > 200',
    labels: ["country"],
  },
  labels: { severity: "page" },
  annotations: { summary: "an order of {{ value }} in {{ country }}" },
};

export const FLOW_STEPS: readonly Step[] = [
  { id: "planJob", body: { text: jobText("") } },
  { id: "createJob", body: { text: jobText(""), start: "begin" } },
  { id: "listJobs", until: some },
  { id: "showJob", path: JOB, until: (answer) => pick(answer, "is_live") === true },
  { id: "showJobGraph", path: JOB },
  { id: "previewJob", path: JOB, query: { limit: "10" } },
  {
    id: "exportJobText",
    body: { text: jobText(""), to: "flink", source: "s3://lake/events", sink: "s3://lake/results" },
  },
  {
    id: "exportJob",
    path: JOB,
    query: { to: "spark", source: "s3a://lake/events", sink: "s3a://lake/results" },
  },
  { id: "upgradeJob", path: JOB, body: { text: jobText(TOTAL) } },
  { id: "rollBackJob", path: JOB, body: { to: 1 }, before: (world) => world.running("orders_hourly", 2) },
  { id: "pauseJob", path: JOB },
  { id: "resumeJob", path: JOB },
  { id: "planProcess", body: { process } },
  { id: "createProcess", body: { process } },
  { id: "listProcesses", until: some },
  { id: "showProcess", path: { name: "shop" } },
  { id: "showFunnel", path: { name: "shop" } },
  { id: "showCase", path: { case_id: "A-1" }, query: { process: "shop" } },
  { id: "showProcessMap", path: { name: "shop" } },
  { id: "listVariants", path: { name: "shop" }, query: { limit: "10" } },
  { id: "showDeadlines", path: { name: "shop" } },
  { id: "listDeadlineCases", path: { name: "shop", rule: "shipped_in_time" }, query: { limit: "10" } },
  { id: "searchCases", query: { process: "shop", q: "A-1" } },
  { id: "pauseProcess", path: { name: "shop" } },
  { id: "resumeProcess", path: { name: "shop" } },
  { id: "deployRule", body: rule, keep: { RULE_SINCE: "created_at" } },
  {
    id: "testRule",
    body: { rule, since: "{{RULE_SINCE}}", step_ms: 1_000 },
    until: (answer) => pick(answer, "changes.0") !== undefined,
  },
  { id: "listRules", until: some },
  { id: "showRule", path: { name: "LargeOrder" }, until: (answer) => pick(answer, "state") === "firing" },
  { id: "showRuleChart", path: { name: "LargeOrder" }, query: { points: "5" } },
  { id: "listAlerts", query: { state: "firing" }, until: some },
  {
    id: "addSilence",
    body: { matchers: 'country="DE"', for_ms: 1_800_000, comment: "a known large customer" },
    keep: { SILENCE: "id" },
  },
  { id: "listSilences", until: some },
  { id: "expireSilence", path: { id: "{{SILENCE}}" } },
  { id: "pauseRule", path: { name: "LargeOrder" } },
  { id: "resumeRule", path: { name: "LargeOrder" } },
  { id: "removeRule", path: { name: "LargeOrder" } },
  {
    id: "createDelivery",
    body: { name: "warehouse", table: "order.created", url: "{{HOOK}}", from: "begin" },
  },
  { id: "listDeliveries", until: some },
  { id: "showDelivery", path: { name: "warehouse" }, until: (answer) => pick(answer, "delivered") !== 0 },
  { id: "pauseDelivery", path: { name: "warehouse" } },
  { id: "resumeDelivery", path: { name: "warehouse" } },
  { id: "listDeliveryDeadLetters", path: { name: "warehouse" } },
  { id: "deleteDelivery", path: { name: "warehouse" } },
  {
    id: "kibanaObjectsOfDelivery",
    path: { name: "search" },
    before: async (world) => {
      const elasticsearch = { target: "search", index: "orders" };
      await world.call("POST", "/v1/deliveries", {
        name: "search",
        table: "order.created",
        elasticsearch,
        from: "begin",
      });
    },
  },
  { id: "checkDatabase", body: { database: "shop1", tables: ["public.accounts"] } },
  { id: "createCapture", body: { name: "shop1", database: "shop1", tables: ["public.accounts"] } },
  { id: "listCaptures", until: some },
  { id: "showCapture", path: { name: "shop1" }, until: (answer) => pick(answer, "state") === "streaming" },
  { id: "checkCapture", path: { name: "shop1" } },
  {
    id: "reconcileCapture",
    path: { name: "shop1" },
    body: { tables: ["public.accounts"] },
    before: (world) => world.current(),
  },
  { id: "listReconciliations", path: { name: "shop1" }, until: some },
  { id: "recopyCapture", path: { name: "shop1" }, query: { table: "public.accounts" } },
  { id: "pauseCapture", path: { name: "shop1" } },
  { id: "resumeCapture", path: { name: "shop1" } },
  { id: "removeCapture", path: { name: "shop1" } },
  { id: "deleteProcess", path: { name: "shop" } },
  { id: "deleteJob", path: JOB },
];
