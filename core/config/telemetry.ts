/** The configuration of how a process is looked after: traces, lineage, and its end. */
import { z } from "zod";
import { count, ms } from "./scalars.ts";

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

export const stopSchema = z
  .strictObject({
    leaveMs: ms(0).describe(
      "after SIGTERM, requests are answered for so long while /health/ready says 503, so that balancers turn away, ms",
    ),
    answerMs: ms(2_000).describe("how long answers under way may take once requests are refused, ms"),
    maxMs: z
      .int()
      .positive()
      .default(9_000)
      .describe(
        "after leaveMs, a stop that takes longer is cut off; the rest lands after the next start, ms",
      ),
  })
  .prefault({});
