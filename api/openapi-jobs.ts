/** What the OpenAPI document says of jobs. */
import { z } from "zod";
import { EXPORT_TARGETS, jobExportRequestSchema } from "../core/job-export.ts";
import { jobPlanRequestSchema, jobRequestSchema, jobRollbackSchema, jobUpgradeSchema } from "../core/job.ts";
import {
  type Json,
  drop,
  flag,
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

const job = object({
  name: text,
  text,
  inputs: list(text),
  output: { ...text, description: "Its table of results; `.corrections` and `.violations` lie beside it." },
  start: {},
  limits: { type: "object" },
  by: text,
  created_at: time,
  state: {
    enum: ["starting", "running", "waiting", "failing", "stopped", "paused", "unknown"],
    description: "`stopped`: somebody has to act. `waiting`, `unknown`: no process says that it runs it.",
  },
  runs_on: {
    ...textOrNull,
    description: "Name of the process that runs it: its host's name and process id.",
  },
  problem: textOrNull,
  versions: { type: ["object", "null"], description: "Of the inputs: what the results have." },
  version: { ...whole, description: "Of the text that is declared." },
  running_version: { ...wholeOrNull, description: "Of the text that has made the newest step." },
  text_versions: list(
    object({
      version: whole,
      by: text,
      declared_at: time,
      counts_from: {
        ...time,
        description: "Results with a later release time are this text's, until the next.",
      },
      text: { ...text, description: "Where one job is shown." },
    }),
  ),
  behind_versions: wholeOrNull,
  behind_ms: {
    ...wholeOrNull,
    description: "Event time between the inputs' lowest watermark and what is released, ms.",
  },
  deliveries: list(reference("Delivery")),
  is_live: { type: "boolean", description: "Whether it is through with what was there at its start." },
  released_until: {
    type: ["string", "null"],
    format: "date-time",
    description: "Results with a release time up to then are final, and there.",
  },
});

const plan = object({
  name: text,
  output: text,
  kind: text,
  inputs: list(text),
  lateness_ms: whole,
  columns: list(object({ name: text, type: text })),
  is_stateful: { type: "boolean" },
  keeps: {
    ...list(
      object({
        source: text,
        form: { enum: ["rows", "slices"] },
        why: { ...textOrNull, description: "Why rows, where slices might have been." },
      }),
    ),
    description: "Of windows: as what each table or CTE is kept.",
  },
  deliveries: { ...list(text), description: "Names that its further sinks would have." },
  cost: object({ rows: whole, bytes: whole, history_steps: whole }),
  upgrade: {
    type: ["object", "null"],
    description: "Where a job of that name runs: what this text would be to it.",
    properties: {
      version: whole,
      state: { enum: ["kept", "rebuilt"] },
      added_columns: list(text),
      counts_from: time,
    },
  },
});

const preview = object({
  is_final: { const: false },
  columns: list(text),
  rows: list(list({})),
  released_until: { ...time, description: "Nothing that was released by then is among the rows." },
});

const graph = object({
  job: text,
  busy: {
    type: ["number", "null"],
    description:
      "Share of its time that it worked, lately, 0 to 1; null where it does not run in this process.",
  },
  activity: { type: ["object", "null"], description: "Counts since this process began with it." },
  is_live: flag,
  released_until: time,
  output_version: whole,
  nodes: {
    ...list(object({ id: text, kind: text, name: textOrNull })),
    description:
      "Kind source: version, read_version, behind_versions and watermark besides; stages: their text.",
  },
  edges: list(object({ from: text, to: text })),
  side_tables: { ...list(text), description: "Of corrections and violations." },
});

export const JOB_SCHEMAS: Json = {
  JobGraph: graph,
  JobPlanRequest: z.toJSONSchema(jobPlanRequestSchema, { io: "input" }),
  JobRequest: z.toJSONSchema(jobRequestSchema, { io: "input" }),
  JobUpgrade: z.toJSONSchema(jobUpgradeSchema, { io: "input" }),
  JobRollback: z.toJSONSchema(jobRollbackSchema, { io: "input" }),
  JobPlan: plan,
  JobExportRequest: z.toJSONSchema(jobExportRequestSchema, { io: "input" }),
  JobExport: object({ to: { enum: EXPORT_TARGETS }, text: { ...text, description: "Of the program." } }),
  JobPreview: preview,
  Job: job,
};

const one = [path("name")];
const needed = (name: string, schema: Json): Json => ({ ...query(name, schema), required: true });

export const JOB_PATHS: Json = {
  "/v1/jobs": {
    get: read("listJobs", "Jobs whose output tables the token administers", listOf("Job")),
    post: send("createJob", "Run a SELECT on what comes, with its results in a table", "JobRequest", [
      "201",
      "Declared.",
      "Job",
    ]),
  },
  "/v1/jobs/plan": {
    post: send(
      "planJob",
      "What a job's text would be, or where and why it is refused; nothing is declared",
      "JobPlanRequest",
      ["200", "It can be declared.", "JobPlan"],
    ),
  },
  "/v1/jobs/export": {
    post: send(
      "exportJobText",
      "A job's text as a program of another engine, or where and why it is refused; nothing is declared",
      "JobExportRequest",
      ["200", "It can be exported.", "JobExport"],
    ),
  },
  "/v1/jobs/{name}/export": {
    get: read("exportJob", "A job as a program of another engine", reference("JobExport"), [
      path("name"),
      needed("to", { enum: EXPORT_TARGETS }),
      needed("source", text),
      needed("sink", text),
    ]),
  },
  "/v1/jobs/{name}": {
    get: read("showJob", "How far a job is", reference("Job"), one),
    put: send(
      "upgradeJob",
      "Go on by another text where it is; If-Match guards it",
      "JobUpgrade",
      ["200", "Declared: the text takes over with its next step.", "Job"],
      one,
    ),
    delete: drop("deleteJob", "End a job; its tables stay", one),
  },
  "/v1/jobs/{name}/graph": {
    get: read("showJobGraph", "What a job reads, its stages, and what it writes", reference("JobGraph"), one),
  },
  "/v1/jobs/{name}/rollback": {
    post: send(
      "rollBackJob",
      "Go on by a text that it had, as a new version; If-Match guards it",
      "JobRollback",
      ["200", "Declared: the text takes over with its next step.", "Job"],
      one,
    ),
  },
  "/v1/jobs/{name}/preview": {
    get: read("previewJob", "Rows that are not final, as they would be now", reference("JobPreview"), [
      ...one,
      query("limit", { ...whole, minimum: 1, maximum: 1_000, default: 100 }),
    ]),
  },
  "/v1/jobs/{name}/pause": { post: read("pauseJob", "Rest until it is resumed", reference("Job"), one) },
  "/v1/jobs/{name}/resume": { post: read("resumeJob", "Go on where it was", reference("Job"), one) },
};
