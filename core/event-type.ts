/**
 * An event type: the declared contract of one kind of event (Nakadi's object, API 0.10). One event type is one
 * log stream and one lake table. This file reads a declaration and answers what the parts need to know of it.
 */
import { z } from "zod";
import { MuaraError } from "./errors.ts";
import { CAPTURED_ANNOTATION } from "./change.ts";
import { checkAnnotations, ID_PATH_ANNOTATION, TIME_PATH_ANNOTATION } from "./event-type-annotations.ts";
import { parseJson } from "./parse-json.ts";

/** Nakadi's grammar; it also makes every name a safe folder name. */
export const EVENT_TYPE_NAME: RegExp = /^[a-zA-Z][-0-9a-zA-Z_]*(\.[0-9a-zA-Z][-0-9a-zA-Z_]*)*$/;
export const EVENT_TYPE_NAME_LENGTH_MAX = 255;
/** Names of Muara's own tables and streams, which no event type may take (compared ignoring case). */
export const RESERVED_TABLES: readonly string[] = ["books", "dead_letters", "duplicates", "replays"];
export const RESERVED_PREFIX = "muara.";

/** Of one event type. */
export const PARTITIONS_MAX = 64;
/** In one list of an authorization. */
const ATTRIBUTES_MAX = 1_000;

const name = z
  .string()
  .min(1)
  .max(EVENT_TYPE_NAME_LENGTH_MAX)
  .regex(EVENT_TYPE_NAME, "letters, digits, - and _ in parts joined by dots, starting with a letter");
const attribute = z.object({ data_type: z.string().min(1).max(255), value: z.string().min(1).max(255) });
const attributes = z.array(attribute).max(ATTRIBUTES_MAX);
/** Nakadi wants at least one of each, so that nobody locks a type for ever. */
export const grantsSchema = z.object({
  admins: attributes.min(1),
  readers: attributes,
  writers: attributes,
});

/** The declaration as clients send it and get it back. Unknown fields are dropped, as Nakadi does. */
export const eventTypeSchema = z.object({
  name,
  owning_application: z.string().min(1).max(255),
  category: z.enum(["undefined", "business", "data", "cloudevent"]),
  schema: z.object({
    type: z.literal("json_schema"),
    schema: z.string().max(1_048_576),
    version: z.string().optional(),
    created_at: z.string().optional(),
  }),
  enrichment_strategies: z.array(z.literal("metadata_enrichment")).max(1).optional(),
  partition_strategy: z.enum(["random", "hash", "user_defined"]).default("random"),
  partition_key_fields: z.array(z.string().min(1)).max(16).default([]),
  compatibility_mode: z.enum(["compatible", "forward", "none"]).default("forward"),
  cleanup_policy: z.enum(["delete", "compact", "compact_and_delete"]).default("delete"),
  default_statistic: z
    .object({
      messages_per_minute: z.int().positive().optional(),
      message_size: z.int().positive().optional(),
      read_parallelism: z.int().min(1).max(PARTITIONS_MAX),
      write_parallelism: z.int().min(1).max(PARTITIONS_MAX),
    })
    .optional(),
  options: z
    .object({ retention_time: z.int().positive().nullish() })
    .transform(({ retention_time: retention }) => (retention ? { retention_time: retention } : {}))
    .default({}),
  ordering_key_fields: z.array(z.string()).optional(),
  ordering_instance_ids: z.array(z.string()).optional(),
  audience: z
    .enum([
      "component-internal",
      "business-unit-internal",
      "company-internal",
      "external-partner",
      "external-public",
    ])
    .optional(),
  /** Who owns an event: the value of a field, or always the same. */
  event_owner_selector: z
    .object({
      type: z.enum(["path", "static"]),
      name: z.string().min(1).max(255),
      value: z.string().min(1).max(255),
    })
    .optional(),
  annotations: z.record(z.string(), z.string()).default({}),
  labels: z.record(z.string(), z.string()).default({}),
  authorization: grantsSchema.optional(),
  created_at: z.string().optional(),
  updated_at: z.string().optional(),
});

export type EventType = z.infer<typeof eventTypeSchema>;

/** What each category's `enrichment_strategies` must be; filled in where it is left out. */
const ENRICHMENT: Readonly<Record<EventType["category"], readonly "metadata_enrichment"[]>> = {
  undefined: [],
  business: ["metadata_enrichment"],
  data: ["metadata_enrichment"],
  cloudevent: [],
};

/**
 * Reads a declaration: the shape, the defaults and the rules between its fields. What the payload schema itself may
 * say is checked where schemas are compiled, in workers/ingest.
 * @throws event_type.invalid naming the field
 */
export function parseEventType(input: unknown): EventType {
  const parsed = eventTypeSchema.safeParse(withoutNulls(input));
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw invalidEventType(issue.path.map(String).join(".") || "(body)", issue.message);
  }
  const type = parsed.data;
  if (isReservedName(type.name))
    throw invalidEventType("name", `"${type.name}" is reserved for Muara itself`);
  const enrichment = ENRICHMENT[type.category];
  if ((type.enrichment_strategies ?? enrichment).join() !== enrichment.join())
    throw invalidEventType(
      "enrichment_strategies",
      `must be ${JSON.stringify(enrichment)} for category ${type.category}`,
    );
  if (type.partition_strategy === "hash" && type.partition_key_fields.length === 0)
    throw invalidEventType("partition_key_fields", "must name a field for partition_strategy hash");
  if (type.partition_strategy === "user_defined" && !hasMetadata(type))
    throw invalidEventType(
      "partition_strategy",
      `user_defined needs metadata, which ${type.category} events lack`,
    );
  if (type.ordering_instance_ids?.length && !type.ordering_key_fields?.length)
    throw invalidEventType("ordering_instance_ids", "needs ordering_key_fields");
  for (const annotation of [ID_PATH_ANNOTATION, TIME_PATH_ANNOTATION])
    if (type.annotations[annotation] !== undefined && type.category !== "undefined")
      throw invalidEventType(`annotations.${annotation}`, `is only for category undefined`);
  if (type.annotations[CAPTURED_ANNOTATION] === "on" && type.category !== "data")
    throw invalidEventType(`annotations.${CAPTURED_ANNOTATION}`, "is only for category data");
  envelopePaths(type);
  checkAnnotations(type.annotations, type.labels);
  if (type.cleanup_policy !== "delete" && !hasMetadata(type))
    throw invalidEventType(
      "cleanup_policy",
      `${type.cleanup_policy} needs metadata.partition_compaction_key, and ${type.category} events have no metadata`,
    );
  return {
    ...type,
    enrichment_strategies: [...enrichment],
    options: { ...type.options, retention_time: type.options.retention_time ?? RETENTION_MS_DEFAULT },
  };
}

/** Many clients write what they do not set as null. */
function withoutNulls(input: unknown): unknown {
  if (typeof input !== "object" || input === null || Array.isArray(input)) return input;
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== null));
}

/** Behind the name of a captured event type: the table of its current state (decision 040). */
export const CURRENT_SUFFIX = ".current";

/** Names of Muara's own tables and streams, also by their alias and ignoring case. */
export function isReservedName(eventTypeName: string): boolean {
  const alias = sqlAlias(eventTypeName).toLowerCase();
  return RESERVED_TABLES.includes(alias) || alias.startsWith(sqlAlias(RESERVED_PREFIX));
}

export function invalidEventType(field: string, reason: string): MuaraError {
  return new MuaraError("event_type.invalid", `${field}: ${reason}`, { details: { field } });
}

/** Any JSON Schema node, as far as Muara looks into it. */
export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly format?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema | readonly JsonSchema[];
  readonly required?: readonly string[];
  readonly enum?: readonly unknown[];
  readonly $ref?: string;
  readonly description?: string;
  readonly [keyword: string]: unknown;
}

/** Default retention in the log: two days, as Nakadi's. */
export const RETENTION_MS_DEFAULT = 172_800_000;

/** Whether the log keeps the newest event of each `metadata.partition_compaction_key`. */
export function isCompacted({ cleanup_policy: policy }: Pick<EventType, "cleanup_policy">): boolean {
  return policy !== "delete";
}

export function partitionCount(type: EventType): number {
  const statistic = type.default_statistic;
  return statistic ? Math.max(statistic.read_parallelism, statistic.write_parallelism) : 1;
}

/** The declared JSON Schema, parsed. @throws event_type.invalid where it is no JSON object */
export function payloadSchema(type: EventType): JsonSchema {
  let parsed: unknown;
  try {
    parsed = parseJson(type.schema.schema);
  } catch (cause) {
    throw new MuaraError("event_type.invalid", "schema.schema is not JSON", {
      details: { field: "schema.schema" },
      cause,
    });
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed))
    throw new MuaraError("event_type.invalid", "schema.schema is not a JSON object", {
      details: { field: "schema.schema" },
    });
  return parsed as JsonSchema;
}

/** Paths (object keys from the root) at which the scanner finds an event's envelope. */
export interface EnvelopePaths {
  /** Undefined: events of this type carry no id and are known by their place in the log. */
  readonly id: readonly string[] | undefined;
  /** Nakadi demands a UUID; other types take any non-empty string. */
  readonly idMustBeUuid: boolean;
  /** The id means something only together with the text there (CloudEvents: `source`). */
  readonly idScope: readonly string[] | undefined;
  /** Undefined: the event time is the ingest time. */
  readonly time: readonly string[] | undefined;
  /** Without a time the event time is the ingest time; else an event must have one. */
  readonly isTimeOptional: boolean;
  readonly eventType: readonly string[] | undefined;
  readonly flowId: readonly string[] | undefined;
  readonly partition: readonly string[] | undefined;
  /** Of types that are compacted: the text that becomes the event's key. */
  readonly compactionKey: readonly string[] | undefined;
  /** The object whose fields become columns: the event itself, or its `data`. */
  readonly body: readonly string[];
  /** Each field that decides the partition and becomes the event's key. */
  readonly key: readonly (readonly string[])[];
}

export function envelopePaths(type: EventType): EnvelopePaths {
  const body = type.category === "data" || type.category === "cloudevent" ? ["data"] : [];
  const key = type.partition_key_fields.map((field) => [...body, ...field.split(".")]);
  const compactionKey = isCompacted(type) ? ["metadata", "partition_compaction_key"] : undefined;
  return { ...pathsOf(type), body, key, compactionKey };
}

/** Nakadi's envelope. */
export function hasMetadata({ category }: Pick<EventType, "category">): boolean {
  return category === "business" || category === "data";
}

function pathsOf(type: EventType): Omit<EnvelopePaths, "body" | "key" | "compactionKey"> {
  const none = { idScope: undefined, flowId: undefined, partition: undefined };
  switch (type.category) {
    case "undefined":
      return {
        ...none,
        id: pointer(type.annotations[ID_PATH_ANNOTATION]),
        idMustBeUuid: false,
        time: pointer(type.annotations[TIME_PATH_ANNOTATION]),
        isTimeOptional: false,
        eventType: undefined,
      };
    case "cloudevent":
      return {
        ...none,
        id: ["id"],
        idMustBeUuid: false,
        idScope: ["source"],
        time: ["time"],
        isTimeOptional: true,
        eventType: ["type"],
      };
    default:
      return {
        ...none,
        id: ["metadata", "eid"],
        idMustBeUuid: true,
        time: ["metadata", "occurred_at"],
        isTimeOptional: false,
        eventType: ["metadata", "event_type"],
        flowId: ["metadata", "flow_id"],
        partition: ["metadata", "partition"],
      };
  }
}

/** Object keys of a JSON pointer (RFC 6901). */
function pointer(text: string | undefined): string[] | undefined {
  if (text === undefined || text === "") return undefined;
  if (!text.startsWith("/"))
    throw new MuaraError("event_type.invalid", `annotations: "${text}" is not a JSON pointer`, {
      details: { field: "annotations" },
    });
  return text
    .slice(1)
    .split("/")
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** The alias under which SQL also knows a table: dots and dashes become `_`. */
export function sqlAlias(tableName: string): string {
  return tableName.replace(/[.-]/g, "_");
}
