/** What the OpenAPI document says of business processes and their cases. */
import { z } from "zod";
import {
  type Json,
  drop,
  flag,
  full,
  list,
  listOf,
  object,
  path,
  query,
  read,
  reference,
  send,
  text,
  textOrNull,
  time,
  whole,
  wholeOrNull,
} from "./openapi-parts.ts";
import { processDeploySchema, processPlanSchema } from "./routes/processes.ts";

const rule = object({
  rule: text,
  kind: { enum: ["deadline", "completion", "velocity"] },
  job: text,
  table: { ...text, description: "With its results." },
  state: { ...text, description: "Of the job; `missing`: somebody has removed it." },
  problem: textOrNull,
  is_live: flag,
  released_until: time,
});

const plannedRule = object({
  rule: text,
  kind: text,
  job: text,
  table: text,
  job_kind: text,
  columns: list(object({ name: text, type: text })),
  text: { ...text, description: "The job's file." },
});

const event = object({
  activity: text,
  event_type: text,
  event_id: text,
  event_time: { ...time, description: "null of a duplicate: the ledger keeps none." },
  ingest_time: time,
  watermark: time,
  late: flag,
  partition: whole,
  offset: whole,
  fate: { enum: ["landed", "late", "duplicate"] },
  verdict: { ...text, description: "Of a duplicate: whether its bytes were the same." },
  cases: list(text),
  fields: { type: "object" },
});

const state = object({
  rule: text,
  kind: { enum: ["deadline", "completion"] },
  event_id: { ...text, description: "Which has begun it." },
  started_at: time,
  due_at: time,
  state: { enum: ["open", "met", "breached", "complete", "exceeded", "resolved_late"] },
  at: { ...time, description: "When it was met or complete; of what was not, the deadline." },
  resolved_at: time,
  is_counted: { ...flag, description: "false: the event landed when the deadline was over." },
  event: { ...text, description: "Of a completion: the name of its complex event." },
  got: whole,
  got_late: whole,
  needed: wholeOrNull,
});

export const PROCESS_SCHEMAS: Json = {
  ProcessPlanRequest: z.toJSONSchema(processPlanSchema, { io: "input" }),
  ProcessRequest: z.toJSONSchema(processDeploySchema, { io: "input" }),
  ProcessPlan: object({ name: text, tables: list(text), rules: list(plannedRule) }),
  Process: object({
    name: text,
    description: text,
    by: text,
    created_at: time,
    tables: list(text),
    activities: list(text),
    rules: list(rule),
    declaration: { type: "object" },
  }),
  Funnel: object({
    process: text,
    complete_through: time,
    versions: { type: "object" },
    activities: list(
      full({
        activity: text,
        cases: whole,
        events: whole,
        after_previous: {
          ...wholeOrNull,
          description: "Cases that came here at or after the activity before.",
        },
        median_ms: wholeOrNull,
        p90_ms: wholeOrNull,
      }),
    ),
  }),
  Case: object({
    process: text,
    case_id: text,
    complete_through: time,
    events: list(event),
    is_truncated: { ...flag, description: "It has more than 1,000 events." },
    deadlines: list(state),
    related: list(object({ case_id: text, events: list(text) })),
  }),
};

const one = [path("name")];

export const PROCESS_PATHS: Json = {
  "/v1/processes": {
    get: read("listProcesses", "Processes all of whose tables the token may read", listOf("Process")),
    post: send(
      "createProcess",
      "Watch a business process, with a job for each of its rules",
      "ProcessRequest",
      ["201", "Declared.", "Process"],
    ),
  },
  "/v1/processes/plan": {
    post: send(
      "planProcess",
      "The jobs that a declaration becomes, or which field is refused and why; nothing is declared",
      "ProcessPlanRequest",
      ["200", "It can be declared.", "ProcessPlan"],
    ),
  },
  "/v1/processes/{name}": {
    get: read("showProcess", "A process, and how far its rules are", reference("Process"), one),
    delete: drop("deleteProcess", "End a process and its jobs; their tables stay", one),
  },
  "/v1/processes/{name}/pause": {
    post: read("pauseProcess", "Its jobs rest until it is resumed", reference("Process"), one),
  },
  "/v1/processes/{name}/resume": {
    post: read("resumeProcess", "Its jobs go on where they were", reference("Process"), one),
  },
  "/v1/processes/{name}/funnel": {
    get: read(
      "showFunnel",
      "How many cases came to which activity, and how long it took",
      reference("Funnel"),
      [
        ...one,
        query("since", { type: "string", format: "date-time" }),
        query("until", { type: "string", format: "date-time" }),
      ],
    ),
  },
  "/v1/cases/{case_id}": {
    get: read("showCase", "One case of a process: events, deadlines, related cases", reference("Case"), [
      path("case_id"),
      query("process", text),
    ]),
  },
};
