/** The configuration of what takes events: bounds of requests, event types, streams, quotas, and the embedded log. */
import { z } from "zod";
import { PARTITIONS_MAX } from "../event-type.ts";
import { ROLE_NAME } from "../role.ts";
import { bytes, count, HOUR_MS, MIB, ms } from "./scalars.ts";

/** Of one principal; what is left out is as for everybody. */
const ratesSchema = z.strictObject({
  eventsPerSecond: z.int().positive().optional(),
  bytesPerSecond: z.int().positive().optional(),
  /** At a time. */
  streams: z.int().nonnegative().optional(),
});

export const limitsSchema = z
  .strictObject({
    eventBytes: bytes(999_000).describe("one event as published, bytes"),
    bodyBytes: bytes(8 * MIB).describe("a request body after decompression, bytes"),
    batchEvents: count(10_000).describe("events in one request"),
    depth: count(64).describe("nesting of objects and arrays in one event"),
    headerBytes: bytes(16_384).describe("all request headers together, bytes"),
    requestMs: ms(30_000).describe("until a request must have arrived completely, ms"),
    connections: count(1_000).describe("open connections"),
    inFlightBytes: bytes(64 * MIB).describe(
      "bodies in memory over all requests; beyond it producers get 429, bytes",
    ),
    queueMs: ms(2_000).describe("expected wait for the log beyond which producers get 429, ms"),
  })
  .prefault({});

export const eventTypesSchema = z
  .strictObject({
    partitions: z
      .int()
      .min(1)
      .max(PARTITIONS_MAX)
      .default(PARTITIONS_MAX)
      .describe("partitions of one event type; administrators of the system may ask for 64"),
    retentionMinMs: ms(3 * HOUR_MS).describe(
      "least time that an event type may keep its events in the log, administrators of the system aside, ms",
    ),
    retentionMaxMs: ms(96 * HOUR_MS).describe("longest such time, administrators of the system aside, ms"),
  })
  .prefault({});

export const streamsSchema = z
  .strictObject({
    bufferBytes: bytes(8 * MIB).describe(
      "batches that are being made for one stream, over its partitions; beyond it they are cut, bytes",
    ),
    perPrincipal: count(100).describe("streams that one principal may have open on this process"),
    perPartition: count(5).describe("streams without a subscription of one principal on one partition"),
    partitions: count(100).describe("partitions of one subscription to event types by name"),
    nodeMs: ms(15_000).describe(
      "a process that shows no life for so long loses its streams of subscriptions to others, ms",
    ),
  })
  .prefault({});

export const quotasSchema = z
  .strictObject({
    eventsPerSecond: z
      .int()
      .positive()
      .optional()
      .describe("events that one principal may publish per second, on one process; default: no limit"),
    bytesPerSecond: z
      .int()
      .positive()
      .optional()
      .describe("bytes of bodies, decompressed, that it may; default: no limit"),
    burstMs: z
      .int()
      .min(1)
      .max(3_600_000)
      .default(2_000)
      .describe("how much of unused rate is kept for a burst, ms"),
    roles: z
      .record(z.string().regex(ROLE_NAME), ratesSchema)
      .default({})
      .describe(
        "other limits by role, of several the largest: { role: { eventsPerSecond, bytesPerSecond, streams } }",
      ),
    principals: z
      .record(z.string().min(1), ratesSchema)
      .default({})
      .describe("other limits by principal, such as token:0123456789ab or service:shop"),
  })
  .prefault({});

export const journalSchema = z
  .strictObject({
    pendingBytes: bytes(64 * MIB).describe(
      "appended but not yet durable; beyond it producers get 429, bytes",
    ),
    diskBytes: bytes(64 * 1_024 * MIB).describe("disk budget of the log; beyond it producers get 507, bytes"),
    segmentBytes: bytes(128 * MIB).describe("size at which a journal segment is sealed, bytes"),
    cacheBytes: bytes(64 * MIB).describe("newest records kept in memory for landing, bytes"),
    retainEveryMs: ms(60_000).describe("interval of log retention, ms"),
  })
  .prefault({});
