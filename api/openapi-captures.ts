/** What the OpenAPI document says of captures. */
import { z } from "zod";
import { ALERTS } from "../core/capture-watch.ts";
import { captureRequestSchema } from "../core/capture.ts";
import {
  flag,
  type Json,
  list,
  listOf,
  object,
  path,
  problem,
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
import { captureCheckSchema } from "./routes/captures.ts";

const capture = object({
  name: text,
  database: text,
  shard: text,
  state: { enum: ["preparing", "copying", "streaming", "failing", "stopped", "paused"] },
  problem: { ...textOrNull, description: "Why it stands still, and what to do." },
  alerts: list(object({ reason: { enum: [...ALERTS] }, problem: text })),
  tables: list(
    object({
      table: text,
      event_type: text,
      partition: wholeOrNull,
      copy: { enum: ["none", "waiting", "copying", "done", null] },
      copied_rows: whole,
      complete_at: { ...textOrNull, description: "The copy is whole once `lsn` has passed it." },
      missed: { ...textOrNull, description: "Why changes since the copy may be missing." },
    }),
  ),
  incarnation: { ...wholeOrNull, description: "Number of the slot; in every change." },
  slot: textOrNull,
  publication: textOrNull,
  lsn: { ...textOrNull, description: "Everything up to it in the source's log is durable here." },
  retained_bytes: { ...wholeOrNull, description: "Log that the source keeps for the slot." },
  confirmed_lag_bytes: wholeOrNull,
  wal_status: { enum: ["reserved", "extended", "unreserved", "lost", null] },
  safe_bytes: {
    ...wholeOrNull,
    description: "May still be written before the slot is in danger; null: no limit.",
  },
  safe_seconds: { type: ["number", "null"], description: "The same at the rate of now." },
  created_at: time,
  updated_at: time,
});

const findings = object({
  findings: list(
    object({
      severity: { enum: ["error", "warning", "note"] },
      code: text,
      table: textOrNull,
      problem: text,
      remedy: text,
    }),
  ),
});

export const CAPTURE_SCHEMAS: Json = {
  CaptureRequest: z.toJSONSchema(captureRequestSchema, { io: "input" }),
  CaptureCheck: z.toJSONSchema(captureCheckSchema, { io: "input" }),
  Capture: capture,
  CaptureFindings: findings,
};

const one = [path("name")];

export const CAPTURE_PATHS: Json = {
  "/v1/captures": {
    get: read("listCaptures", "Captures that the token may read", listOf("Capture")),
    post: send(
      "createCapture",
      "Capture the changes of tables of a database; refused where the source is not ready",
      "CaptureRequest",
      ["201", "Declared.", "Capture"],
    ),
  },
  "/v1/captures/check": {
    post: send(
      "checkDatabase",
      "Every reason why capturing would not work or would hurt the source; changes nothing",
      "CaptureCheck",
      ["200", "The reasons.", "CaptureFindings"],
    ),
  },
  "/v1/captures/{name}": {
    get: read("showCapture", "How far a capture is", reference("Capture"), one),
    delete: {
      operationId: "removeCapture",
      summary: "End a capture; its slot and publications are dropped unless they are kept",
      parameters: [...one, query("keep_slot", flag)],
      responses: {
        "202": {
          description: "It is removed; the slot is still read by somebody, and is dropped later.",
          content: { "application/json": { schema: object({ slot: text, taken_away: flag }) } },
        },
        "204": { description: "Done." },
        default: problem(),
      },
    },
  },
  "/v1/captures/{name}/check": {
    get: read("checkCapture", "The same for one that is declared", reference("CaptureFindings"), one),
  },
  "/v1/captures/{name}/pause": {
    post: read(
      "pauseCapture",
      "Rest until it is resumed; the source keeps its log",
      reference("Capture"),
      one,
    ),
  },
  "/v1/captures/{name}/resume": {
    post: read("resumeCapture", "Go on where it was", reference("Capture"), one),
  },
  "/v1/captures/{name}/recopy": {
    post: read(
      "recopyCapture",
      "Copy tables anew beside the stream; without any, begin anew with a new slot and a copy of all",
      reference("Capture"),
      [...one, query("table", list(text))],
    ),
  },
};
