/** The live stream, as the OpenAPI document has it. */
import { problem, query, text, whole, type Json } from "./openapi-parts.ts";

const STREAM =
  "Server-sent events. `now`: the last value, once a second. `tail`: `{tail, frames}`, which tail, and samples, " +
  "each `{event_type, at, came, matched, events, fates}`. `resync`: frames were missed, read the state anew. " +
  "`bye`: why the stream ends. A comment comes every 15 s. With Last-Event-ID a stream goes on where it was, if " +
  "that is not long ago.";

export const LIVE_PATHS: Json = {
  "/v1/live": {
    get: {
      operationId: "watchLive",
      summary: "How things go and what comes, of the event types that the token may read as a whole",
      parameters: [
        { ...query("topics", text), required: true, description: "now, tail:EVENT_TYPE; by commas" },
        {
          ...query("contains", text),
          description: "tails: only events with this text in them; once for all, or once for each",
        },
        {
          ...query("fate", { type: "string", enum: ["", "landed", "duplicate", "dead_letter"] }),
          description:
            "tails: only events with this fate; once for all, or once for each, where an empty one is any",
        },
        { ...query("seconds", whole), description: "ends by itself after so long; absent: never" },
      ],
      responses: {
        "200": { description: STREAM, content: { "text/event-stream": { schema: text } } },
        default: problem(),
      },
    },
  },
};
