/**
 * A pull: a subscription of another Nakadi whose events come into our log (Saiki's Kafka2Kafka). Declared in the
 * configuration; every process that runs `workers/pull` opens a stream of the same subscription, and the remote
 * divides its partitions among them.
 */
import { z } from "zod";
import { secretSchema } from "./secret.ts";

const NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/;
const eventTypeName = z.string().min(1).max(255);
const MIB = 1_048_576;

export const declaredPullSchema = z
  .strictObject({
    url: z.url({ protocol: /^https?$/ }).describe("address of the other Nakadi, without a path of its API"),
    token: secretSchema.optional().describe("bearer token; read anew for every connection"),
    subscription: z.uuid().optional().describe("id of one that exists"),
    owningApplication: z
      .string()
      .min(1)
      .max(255)
      .optional()
      .describe("of a subscription to be made or found"),
    consumerGroup: z.string().min(1).max(255).default("muara"),
    eventTypes: z
      .union([z.array(eventTypeName).min(1), z.record(eventTypeName, eventTypeName)])
      .describe("names, or names there and here"),
    readFrom: z.enum(["begin", "end"]).default("begin").describe("of a subscription that is made"),
    partitions: z
      .enum(["number", "key"])
      .default("number")
      .describe("number: partition n there is n here, modulo; key: as the event type's strategy says"),
    batchEvents: z.int().min(1).max(10_000).default(500),
    maxUncommittedEvents: z.int().min(1).max(1_000_000).default(5_000),
    flushSeconds: z.int().min(1).max(300).default(1),
    commitSeconds: z.int().min(1).max(60).default(60),
    silenceMs: z
      .int()
      .min(1_000)
      .default(30_000)
      .describe("a stream that says nothing for so long is dead, ms"),
    lineBytes: z
      .int()
      .min(65_536)
      .default(64 * MIB)
      .describe("a batch as it comes, bytes"),
    bufferBytes: z
      .int()
      .min(65_536)
      .default(64 * MIB)
      .describe("batches that are not durable yet, bytes"),
  })
  .refine(
    ({ subscription, owningApplication }) =>
      (subscription === undefined) !== (owningApplication === undefined),
    "either subscription or owningApplication",
  )
  .refine(({ silenceMs, flushSeconds }) => silenceMs >= flushSeconds * 2_000, {
    message: "must be at least twice flushSeconds",
    path: ["silenceMs"],
  });

export const declaredPullsSchema = z.record(z.string().regex(NAME, "a-z, 0-9, - and _"), declaredPullSchema);

export interface Pull extends Omit<z.infer<typeof declaredPullSchema>, "eventTypes"> {
  readonly name: string;
  /** By the name there, the name here. */
  readonly eventTypes: ReadonlyMap<string, string>;
}

export function pullsOf(declared: z.infer<typeof declaredPullsSchema>): readonly Pull[] {
  return Object.entries(declared).map(([name, { eventTypes, url, ...rest }]) => ({
    ...rest,
    name,
    url: url.replace(/\/+$/, ""),
    eventTypes: new Map(
      Array.isArray(eventTypes) ? eventTypes.map((one) => [one, one] as const) : Object.entries(eventTypes),
    ),
  }));
}
