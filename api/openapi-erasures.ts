/** Erasures in the description of the API. */
import { z } from "zod";
import {
  flag,
  type Json,
  list,
  listOf,
  object,
  read,
  send,
  text,
  textOrNull,
  time,
  whole,
  wholeOrNull,
} from "./openapi-parts.ts";
import { erasureRequestSchema } from "./routes/erasures.ts";

export const ERASURE_SCHEMAS: Json = {
  ErasureRequest: z.toJSONSchema(erasureRequestSchema, { io: "input" }),
  Erasure: object({
    id: textOrNull,
    by: text,
    reason: text,
    event_types: list(text),
    column: text,
    value_hash: { ...text, description: "HMAC-SHA-256 of the value under a secret of the lake." },
    started_at: time,
    finished_at: time,
    complete: {
      ...flag,
      description:
        "False where files wait, or it was cut off: repeat it then; or while deliveries have to erase, too.",
    },
    deliveries: {
      ...list(
        object({
          delivery: text,
          state: { enum: ["waiting", "done", "kept", "gone"] },
          rows: wholeOrNull,
          done_at: textOrNull,
        }),
      ),
      description:
        "Of the tables: waiting until they have passed the version without the subject; kept: what was sent cannot " +
        "be taken back; gone: the delivery is no more.",
    },
    log_until: {
      ...textOrNull,
      format: "date-time",
      description:
        "Until then the log's own retention removes the events there; null: they are gone from it.",
    },
    tables: list(
      object({
        table: text,
        version: wholeOrNull,
        rows: whole,
        files: list(text),
        current_rows: { ...whole, description: "Of a captured type: rows of its current state." },
        ledger_rows: whole,
        side_files: whole,
        deleted: { ...whole, description: "Files of older versions." },
        scrubbed: { ...whole, description: "Files of tables' logs that lost statistics." },
        waiting: list(text),
        log_records: {
          ...wholeOrNull,
          description: "Erased from the log; null: it keeps them until its retention.",
        },
        in_flight: { ...whole, description: "Not landed yet: repeat the erasure." },
      }),
    ),
  }),
};

export const ERASURE_PATHS: Json = {
  "/v1/erasures": {
    get: read("listErasures", "What was erased, when and by whom", listOf("Erasure")),
    post: send("erase", "Erase the events of some types in which a field has a value", "ErasureRequest", [
      "200",
      "The record.",
      "Erasure",
    ]),
  },
};
