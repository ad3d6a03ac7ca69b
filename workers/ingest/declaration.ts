/**
 * Declaring event types: the checks, the revision in the registry, and the stream in the log. A crash between the
 * last two heals, because whoever needs the stream creates it where it is missing.
 */
import type { Clock } from "../../core/clock.ts";
import { planColumns } from "../../core/columns.ts";
import { hasCode, MuaraError } from "../../core/errors.ts";
import {
  CURRENT_SUFFIX,
  type EventType,
  EVENT_TYPE_NAME_LENGTH_MAX,
  invalidEventType,
  type JsonSchema,
  parseEventType,
  partitionCount,
  payloadSchema,
  RETENTION_MS_DEFAULT,
  sqlAlias,
} from "../../core/event-type.ts";
import { isCaptured, isMaterialised } from "../../core/event-type-annotations.ts";
import { removalOf } from "../../core/event-type-removal.ts";
import { type Job, jobTables } from "../../core/job.ts";
import { landConsumer } from "../../core/landed.ts";
import type { Log, StreamInfo, StreamOptions } from "../../core/ports/log.ts";
import type { Declaration, Registry } from "../../core/registry.ts";
import { FIRST_SCHEMA_VERSION, nextSchemaVersion } from "../../core/schema-version.ts";
import { compareColumns } from "./column-changes.ts";
import { declaredName } from "./declared-name.ts";
import { checkRules, type EventTypeRules } from "./event-type-rules.ts";
import { fieldSchema, isObject } from "./json-schema.ts";
import { compilePayloadSchema } from "./payload-schema.ts";
import { isSameValue } from "./same-schema.ts";
import { archivedSchemas } from "./schema-archive.ts";
import { checkSchemaRules } from "./schema-rules.ts";

export const KIND = "event-type";

export interface DeclarePorts {
  readonly log: Log;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly rules?: EventTypeRules | undefined;
}

/** Reads and checks a declaration completely. @throws event_type.invalid naming the field */
export function checkEventType(input: unknown): EventType {
  const type = parseEventType(input);
  const schema = payloadSchema(type);
  checkSchemaRules(type, schema);
  compilePayloadSchema(type);
  checkColumns(type);
  for (const field of type.partition_key_fields)
    checkField(type, schema, field, "partition_key_fields", true);
  for (const list of ["ordering_key_fields", "ordering_instance_ids"] as const)
    for (const field of type[list] ?? []) checkField(type, schema, field, list, false);
  const owner = type.event_owner_selector;
  if (owner?.type === "path") checkField(type, schema, owner.value, "event_owner_selector", false);
  return type;
}

export interface Declarer {
  /** Of the system: what the configuration allows others is no bound. Muara itself is one. */
  readonly isAdmin?: boolean;
  /** Principal's id, for the registry; absent: Muara itself. */
  readonly by?: string | undefined;
}

/**
 * Declares a new event type and creates its stream.
 * @throws event_type.invalid, event_type.exists (ignoring case, and for a name that SQL could not tell from another),
 *   event_type.removing, event_type.incompatible where a type of this name left a table that cannot take its rows
 */
export async function declareEventType(
  ports: DeclarePorts,
  input: unknown,
  { isAdmin = true, by }: Declarer = {},
): Promise<EventType> {
  const checked = checkEventType(input);
  checkRules(ports, checked, isAdmin);
  const name = declaredName(checked.name);
  const nowIso = new Date(ports.clock.nowMs()).toISOString();
  if (ports.registry.get(KIND, name)) throw exists(checked.name);
  leaveRoomForCurrent(checked);
  const type: EventType = {
    ...checked,
    schema: firstSchema(ports.registry, checked, nowIso),
    created_at: nowIso,
    updated_at: nowIso,
  };
  refuseSharedAlias(ports.registry, type.name);
  refuseJobTable(ports.registry, type.name);
  try {
    await ports.registry.put<EventType>(KIND, name, 0, type, by);
  } catch (error) {
    if (error instanceof MuaraError && error.code === "declaration.conflict") throw exists(type.name);
    throw error;
  }
  await ensureStream(ports.log, type);
  return type;
}

/**
 * The stream of an event type. An existing one is taken as it is: its partitions are fixed for life. It is held from
 * its start in landing's name, so that retention waits for landing even where none runs yet; an existing one, too,
 * where whoever created it ended before it was held.
 */
export async function ensureStream(log: Log, type: EventType): Promise<StreamInfo> {
  const existing = await knownStream(log, type);
  const consumer = landConsumer(type.name);
  const isHeld = isMaterialised(type);
  if (existing && (await log.isHolding(consumer)) === isHeld) return existing;
  const stream = existing ?? (await log.createStream(type.name, streamOptions(type)));
  if (!isHeld) {
    await log.hold(consumer, []);
    return stream;
  }
  const partitions = Array.from({ length: stream.partitions }, (_, partition) => partition);
  const start = partitions.map((partition) => ({ stream: type.name, partition, offset: 0 }));
  await log.hold(consumer, start);
  return stream;
}

/** What is declared of the stream. One that exists may have others, where somebody else made it. */
export function streamOptions(type: EventType): StreamOptions {
  return {
    partitions: partitionCount(type),
    cleanup: type.cleanup_policy,
    retentionMs: type.options.retention_time ?? RETENTION_MS_DEFAULT,
  };
}

/** Where another process has added partitions, this one may have to look for them first. */
async function knownStream(log: Log, type: EventType): Promise<StreamInfo | undefined> {
  const known = await log.stream(type.name);
  const last = partitionCount(type) - 1;
  if (!known || known.partitions > last) return known;
  await log.bounds(type.name, last).catch((error: unknown) => {
    if (!hasCode(error, "log.partition_not_found")) throw error;
  });
  return log.stream(type.name);
}

/**
 * Of a name that had a type before: the table has the columns of all its schemas, and the newest version, so the new
 * type goes on from there.
 * @throws event_type.removing, event_type.incompatible
 */
function firstSchema(registry: Registry, type: EventType, nowIso: string): EventType["schema"] {
  const removed = removalOf(registry, declaredName(type.name));
  const first = { ...type.schema, version: FIRST_SCHEMA_VERSION, created_at: nowIso };
  if (!removed) return first;
  if (!removed.isDone)
    throw new MuaraError("event_type.removing", `"${type.name}" was deleted, and its last events land.`);
  const { category, name } = removed.type;
  const earlier = archivedSchemas(registry, name).map((schema): EventType => ({ ...removed.type, schema }));
  const isOther = type.category !== category || type.name !== name;
  const { impossible } = isOther ? { impossible: [] } : compareColumns([...earlier, removed.type], type);
  if (isOther || impossible.length > 0) {
    const what = isOther
      ? `is "${name}", of category ${category}`
      : `${impossible[0]!.field}: ${impossible[0]!.reason}`;
    throw new MuaraError(
      "event_type.incompatible",
      `The table of the deleted "${type.name}" stays, and it ${what}. Choose another name.`,
      { details: { field: isOther ? "category" : impossible[0]!.field, changes: impossible } },
    );
  }
  const newest = removed.type.schema;
  const isSame = isSameValue(payloadSchema(removed.type), payloadSchema(type));
  return isSame ? newest : { ...first, version: nextSchemaVersion(newest.version, "major") };
}

/**
 * The event type of exactly this name. One that this process does not know is looked for once more, since another
 * process may have declared it.
 */
export async function findEventType(
  registry: Registry,
  name: string,
): Promise<Declaration<EventType> | undefined> {
  const known = (): Declaration<EventType> | undefined => {
    const found = registry.get<EventType>(KIND, declaredName(name));
    return found?.value?.name === name ? found : undefined;
  };
  const found = known();
  if (found) return found;
  await registry.refresh();
  return known();
}

export function notFound(name: string): never {
  // A name that is none is not repeated in the answer.
  const shown = /^[\w.-]{1,255}$/.test(name) ? `"${name}"` : "of this name";
  throw new MuaraError("event_type.not_found", `No event type ${shown} is declared.`);
}

/** The lake must be able to hold it. */
function checkColumns(type: EventType): void {
  try {
    planColumns(type);
  } catch (error) {
    if (!(error instanceof MuaraError)) throw error;
    throw new MuaraError(error.code, `schema.schema: ${error.message}`, { details: error.details });
  }
}

function checkField(
  type: EventType,
  schema: JsonSchema,
  field: string,
  list: string,
  mustBeScalar: boolean,
): void {
  const path = field.split(".");
  const isEnvelope = type.category === "business" && path[0] === "metadata" && path.length === 2;
  const found = isEnvelope ? {} : fieldSchema(schema, path);
  if (found === undefined || found === false)
    throw invalidEventType(list, `the schema does not declare the field "${field}"`);
  if (!mustBeScalar || !isObject(found)) return;
  if (found.type === "object" || found.type === "array")
    throw invalidEventType(list, `"${field}" is an ${found.type}; a key is a string, number or boolean`);
}

/** Two tables of one alias would both lose it, and the queries that use it. */
function refuseSharedAlias(registry: Registry, name: string): void {
  const alias = sqlAlias(name).toLowerCase();
  const other = registry
    .list<EventType>(KIND)
    .find(({ value }) => value && sqlAlias(value.name).toLowerCase() === alias)?.value;
  if (!other) return;
  throw new MuaraError(
    "event_type.exists",
    `"${name}" would be called ${alias} in SQL, as the event type "${other.name}" is already.`,
    { details: { field: "name", other: other.name } },
  );
}

/** Where the results of a job lie, no events land. */
function refuseJobTable(registry: Registry, name: string): void {
  const alias = sqlAlias(name).toLowerCase();
  const owner = registry
    .list<Job>("job")
    .find(
      ({ value }) => value && jobTables(value).some((table) => sqlAlias(table).toLowerCase() === alias),
    )?.value;
  if (!owner) return;
  throw new MuaraError(
    "event_type.exists",
    `"${name}" is a table of the job "${owner.name}", of ${owner.by}.`,
    {
      details: { field: "name", job: owner.name },
    },
  );
}

/** The name of a captured type and the suffix name a table together, which is nobody else's. */
function leaveRoomForCurrent(type: EventType): void {
  if (type.name.toLowerCase().endsWith(CURRENT_SUFFIX))
    throw invalidEventType(
      "name",
      `the ending ${CURRENT_SUFFIX} is of the current states of captured tables`,
    );
  const lengthMax = EVENT_TYPE_NAME_LENGTH_MAX - CURRENT_SUFFIX.length;
  if (isCaptured(type) && type.name.length > lengthMax)
    throw invalidEventType("name", `of a captured type has at most ${lengthMax} characters`);
}

function exists(name: string): MuaraError {
  return new MuaraError(
    "event_type.exists",
    `An event type named "${name}" (ignoring case) exists already.`,
    {
      details: { field: "name" },
    },
  );
}
