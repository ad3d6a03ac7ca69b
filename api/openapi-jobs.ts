/** What the OpenAPI document says of jobs. */
import { z } from "zod";
import { EXPORT_TARGETS, jobExportRequestSchema } from "../core/job-export.ts";
import { jobPlanRequestSchema, jobRequestSchema } from "../core/job.ts";
import {
  type Json,
  list,
  listOf,
  object,
  path,
  query,
  problem,
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
    description: "`stopped`: somebody has to act. `unknown`: it runs in another process, if anywhere.",
  },
  problem: textOrNull,
  versions: { type: ["object", "null"], description: "Of the inputs: what the results have." },
  behind_versions: wholeOrNull,
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
});

export const JOB_SCHEMAS: Json = {
  JobPlanRequest: z.toJSONSchema(jobPlanRequestSchema, { io: "input" }),
  JobRequest: z.toJSONSchema(jobRequestSchema, { io: "input" }),
  JobPlan: plan,
  JobExportRequest: z.toJSONSchema(jobExportRequestSchema, { io: "input" }),
  JobExport: object({ to: { enum: EXPORT_TARGETS }, text: { ...text, description: "Of the program." } }),
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
    delete: {
      operationId: "deleteJob",
      summary: "End a job; its tables stay",
      parameters: one,
      responses: { "204": { description: "Done." }, default: problem() },
    },
  },
  "/v1/jobs/{name}/pause": { post: read("pauseJob", "Rest until it is resumed", reference("Job"), one) },
  "/v1/jobs/{name}/resume": { post: read("resumeJob", "Go on where it was", reference("Job"), one) },
};
