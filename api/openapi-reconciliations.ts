/** What the OpenAPI document says of reconciliations. */
import { z } from "zod";
import {
  flag,
  json,
  type Json,
  list,
  listOf,
  object,
  path,
  problem,
  read,
  text,
  textOrNull,
  time,
  whole,
} from "./openapi-parts.ts";
import { reconciliationRequestSchema } from "./routes/reconciliations.ts";

const sums = object({ rows: whole, checksum: text });
const values = { type: "object", additionalProperties: textOrNull };

const reconciliation = object({
  capture: text,
  shard: text,
  incarnation: whole,
  lsn: { ...text, description: "Place in the source's log at which both were compared." },
  is_equal: flag,
  started_at: time,
  ended_at: time,
  by: text,
  tables: list(
    object({
      table: text,
      event_type: text,
      is_equal: flag,
      source: sums,
      lake: sums,
      slices: whole,
      differing_slices: whole,
      differing_rows: whole,
      is_cut: { ...flag, description: "Whether there may be more differences than are named." },
      differences: list(
        object({
          kind: { enum: ["missing", "extra", "different"] },
          key: values,
          columns: {
            type: "object",
            additionalProperties: object({ source: textOrNull, lake: textOrNull }),
          },
        }),
      ),
    }),
  ),
});

export const RECONCILIATION_SCHEMAS: Json = {
  ReconciliationRequest: z.toJSONSchema(reconciliationRequestSchema, { io: "input" }),
  Reconciliation: reconciliation,
};

const one = [path("name")];

export const RECONCILIATION_PATHS: Json = {
  "/v1/captures/{name}/reconciliations": {
    get: read("listReconciliations", "The last ones, without values of rows", listOf("Reconciliation"), one),
    post: {
      operationId: "reconcileCapture",
      summary: "Prove that source and lake have the same rows at one place of the source's log",
      parameters: one,
      requestBody: { required: true, content: json("ReconciliationRequest") },
      responses: {
        "200": {
          description:
            "Lines of JSON, by `at`: what is done; the last one is the report (`report`), or a problem (`failed`).",
          content: { "application/x-ndjson": { schema: { type: "string" } } },
        },
        default: problem(),
      },
    },
  },
};
