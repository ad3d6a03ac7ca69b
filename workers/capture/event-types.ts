/**
 * The event types of captured tables, declared and declared anew as the door would: of category `data`, with a schema
 * from the catalog of the source. A type promises nothing (compatibility `none`): what it has to be, the source says.
 */
import { CAPTURED_ANNOTATION } from "../../core/change.ts";
import { hasCode, MuaraError } from "../../core/errors.ts";
import { type EventType, payloadSchema } from "../../core/event-type.ts";
import {
  MATERIALISE_ANNOTATION,
  NAKADI_RETENTION_ANNOTATION,
  RETENTION_REASON_ANNOTATION,
} from "../../core/event-type-annotations.ts";
import { FIRST_SCHEMA_VERSION } from "../../core/schema-version.ts";
import { isOn } from "../../core/settings.ts";
import { declareEventType, type DeclarePorts, findEventType } from "../ingest/declaration.ts";
import { redeclareEventType } from "../ingest/redeclare.ts";
import { repartition } from "../ingest/repartition.ts";
import { mergeProperties, type Properties, type TypedColumn } from "./property-merge.ts";

const ATTEMPTS_MAX = 16;

export interface CapturedType {
  readonly eventType: string;
  /** `schema.table`, for people. */
  readonly table: string;
  readonly columns: readonly TypedColumn[];
  readonly owningApplication: string;
  /** Principal who declared the capture. */
  readonly by: string;
}

export interface DeclaredColumns {
  /** Of the schema that has them. */
  readonly version: string;
  /** Per column: its property. */
  readonly names: readonly string[];
}

/**
 * Sees to it that the event type is there with all the columns.
 * @throws capture.conflict where a type of the name is none of a capture; event_type.*
 */
export async function ensureCapturedType(
  ports: DeclarePorts,
  wanted: CapturedType,
): Promise<DeclaredColumns> {
  let mayWiden = true;
  for (let attempt = 1; ; attempt++) {
    await ports.registry.refresh();
    const declared = await findEventType(ports.registry, wanted.eventType);
    try {
      if (!declared?.value) return await declare(ports, wanted);
      checkCaptured(declared.value, wanted);
      return await evolve(ports, wanted, declared.value, declared.revision, mayWiden);
    } catch (error) {
      if (attempt >= ATTEMPTS_MAX) throw error;
      if (hasCode(error, "event_type.incompatible") && mayWiden) mayWiden = false;
      else if (!hasCode(error, "declaration.conflict") && !hasCode(error, "event_type.exists")) throw error;
      else if (hasCode(error, "event_type.exists") && attempt > 2) throw error;
    }
  }
}

/** Sees to it that the event type has so many partitions at least. @returns how many it has */
export async function ensurePartitions(
  ports: DeclarePorts,
  eventType: string,
  wanted: number,
  by: string,
): Promise<number> {
  const present = (await ports.log.stream(eventType))?.partitions ?? 1;
  if (present >= wanted) return present;
  await repartition(ports, eventType, wanted, { by });
  return wanted;
}

/** @throws capture.conflict */
export function checkCaptured(
  type: EventType,
  { eventType, table }: Pick<CapturedType, "eventType" | "table">,
): void {
  if (type.category === "data" && type.annotations[CAPTURED_ANNOTATION] === "on") return;
  throw new MuaraError(
    "capture.conflict",
    `The event type "${eventType}" exists and is none of a capture. Give ${table} another name.`,
    { details: { event_type: eventType, table } },
  );
}

async function declare(ports: DeclarePorts, wanted: CapturedType): Promise<DeclaredColumns> {
  const { properties, names } = mergeProperties({}, wanted.columns, false);
  const { registry } = ports;
  const owner = wanted.by.includes(":") ? wanted.by.split(/:(.*)/s) : ["user", wanted.by];
  const type = await declareEventType(
    ports,
    {
      name: wanted.eventType,
      owning_application: wanted.owningApplication,
      category: "data",
      partition_strategy: "user_defined",
      compatibility_mode: "none",
      schema: { type: "json_schema", schema: schemaText(properties) },
      annotations: {
        [CAPTURED_ANNOTATION]: "on",
        ...(isOn(registry, "force_data_lake_annotations") ? LAKE_ANNOTATIONS : {}),
      },
      ...(isOn(registry, "force_event_type_authz")
        ? { authorization: { admins: [{ data_type: owner[0], value: owner[1] }], readers: [], writers: [] } }
        : {}),
    },
    { by: wanted.by },
  );
  return { version: type.schema.version ?? FIRST_SCHEMA_VERSION, names };
}

async function evolve(
  ports: DeclarePorts,
  wanted: CapturedType,
  type: EventType,
  revision: number,
  mayWiden: boolean,
): Promise<DeclaredColumns> {
  const declared = (payloadSchema(type).properties ?? {}) as Properties;
  const { properties, names, isChanged } = mergeProperties(declared, wanted.columns, mayWiden);
  if (!isChanged) return { version: type.schema.version ?? FIRST_SCHEMA_VERSION, names };
  const input = { schema: { type: "json_schema", schema: schemaText(properties) } };
  const changed = await redeclareEventType(ports, wanted.eventType, input, { revision, by: wanted.by });
  return { version: changed.type.schema.version ?? FIRST_SCHEMA_VERSION, names };
}

function schemaText(properties: Properties): string {
  return JSON.stringify({ type: "object", properties });
}

const LAKE_ANNOTATIONS: Readonly<Record<string, string>> = {
  [MATERIALISE_ANNOTATION]: "on",
  [NAKADI_RETENTION_ANNOTATION]: "unlimited",
  [RETENTION_REASON_ANNOTATION]: "captured",
};
