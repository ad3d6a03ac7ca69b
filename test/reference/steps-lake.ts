/** Examples of the read side: SQL, tables, books, fates, dead letters. */
import type { Step } from "./step.ts";
import { pick, some } from "./pick.ts";

const TABLE = { table: "order.created" };
const FIRST_EVENT = "0b7a5d4e-6c1b-4f0e-9a53-2f1d0c9be001";

export const LAKE_STEPS: readonly Step[] = [
  {
    id: "sql",
    body: {
      sql:
        "SELECT country, count(*) AS orders, sum(total) AS revenue " +
        'FROM "order.created" GROUP BY country ORDER BY country',
      limit: 100,
    },
    before: (world) => world.settled("order.created"),
  },
  { id: "listTables", until: some },
  { id: "sqlSchema" },
  { id: "tablePartitions", path: TABLE },
  { id: "tableLineage", path: TABLE },
  { id: "showTable", path: TABLE },
  { id: "tableHistory", path: TABLE, query: { limit: "2" } },
  { id: "verifyTable", path: TABLE, query: { deep: "true" } },
  { id: "diffTable", path: TABLE },
  { id: "books", query: { by: "event_type", event_type: "order.created" } },
  {
    id: "traceEvent",
    path: { event_id: FIRST_EVENT },
    until: (answer) => pick(answer, "fates.1") !== undefined,
  },
  {
    id: "listDuplicates",
    query: { event_type: "order.created" },
    until: some,
    keep: { DUPLICATE: "items.0.duplicate_id" },
  },
  { id: "showDuplicate", path: { id: "{{DUPLICATE}}" } },
  {
    id: "listDeadLetters",
    query: { event_type: "order.created", state: "open" },
    until: some,
    keep: { LETTER: "items.0.dead_letter_id" },
  },
  { id: "groupDeadLetters", query: { event_type: "order.created" }, until: some },
  { id: "showDeadLetter", path: { id: "{{LETTER}}" } },
  {
    id: "replayDeadLetters",
    body: { ids: ["{{LETTER}}"], correction: { set: { "/total": "4.96" } }, dry_run: true },
  },
  { id: "metrics" },
  { id: "watchLive", query: { topics: "now,tail:order.created", seconds: "1" } },
  { id: "recentLogs", query: { limit: "2", level: "info" }, until: some },
  { id: "exportIceberg", path: TABLE },
  { id: "dropIceberg", path: TABLE },
  { id: "compactTable", path: TABLE },
  { id: "pauseTable", path: TABLE, body: { for_ms: 1_800_000 } },
  { id: "resumeTable", path: TABLE },
  { id: "expireTable", path: TABLE, body: { before: "2026-01-01T00:00:00Z", dry_run: true } },
  { id: "rollBackTable", path: TABLE, body: { to: 1, dry_run: true } },
  { id: "sweepTable", path: TABLE, body: { dry_run: true } },
  {
    id: "erase",
    body: {
      event_types: ["order.created"],
      where: { column: "email", value: "buyer2@example.org" },
      reason: "asked for by the customer, case 4711",
    },
  },
  { id: "listErasures", until: some },
];
