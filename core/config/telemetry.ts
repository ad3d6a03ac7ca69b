/** The configuration of what Muara tells others about its own work: traces and lineage. */
import { z } from "zod";
import { count } from "./scalars.ts";

const address = z.url({ protocol: /^https?$/ });

export const tracesSchema = z
  .strictObject({
    endpoint: address
      .optional()
      .describe(
        "collector that takes OTLP over HTTP; `/v1/traces` is added; default: the variables " +
          "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT and OTEL_EXPORTER_OTLP_ENDPOINT; without any no spans are made",
      ),
  })
  .prefault({});

export const lineageSchema = z
  .strictObject({
    url: address.optional().describe("address that takes OpenLineage events by POST; absent: none are sent"),
    file: z.string().min(1).optional().describe("file to which they are appended, one a line"),
    namespace: z.string().min(1).max(200).default("muara").describe("namespace of the jobs in them"),
    queue: count(10_000).describe(
      "events that wait for the receiver; what comes beyond is counted and dropped",
    ),
  })
  .prefault({});
