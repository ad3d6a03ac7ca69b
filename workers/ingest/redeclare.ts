/**
 * Declaring an event type anew: what differs, whether it may be, and the new version. Several processes may do so at
 * once: each judges against the newest revision, and the registry lets one of them have the next.
 *
 * The order of a change: the schema that is being replaced is stored under its version, then the type itself is
 * replaced. A crash between the two leaves a version that is listed twice, as old and as newest; it is shown once.
 */
import { hasCode, MuaraError } from "../../core/errors.ts";
import {
  type EventType,
  ID_PATH_ANNOTATION,
  invalidEventType,
  payloadSchema,
  TIME_PATH_ANNOTATION,
} from "../../core/event-type.ts";
import type { Registry } from "../../core/registry.ts";
import {
  FIRST_SCHEMA_VERSION,
  isNewerSchema,
  nextSchemaVersion,
  type SchemaStepKind,
} from "../../core/schema-version.ts";
import { compareColumns } from "./column-changes.ts";
import {
  checkEventType,
  type DeclarePorts,
  declaredName,
  findEventType,
  KIND,
  notFound,
} from "./declaration.ts";
import { isObject } from "./json-schema.ts";
import { effectiveSchema } from "./payload-schema.ts";
import { isSameValue } from "./same-schema.ts";
import { compareSchemas, type SchemaChange } from "./schema-changes.ts";

const SCHEMA_KIND = "event-schema";
/** Of several who change one type at once, each change makes the others judge again. */
const ATTEMPTS_MAX = 32;
/** In an answer; the count says how many there are. */
const CHANGES_MAX = 100;

/** What the log, the ids or older events depend on. */
const FIXED = [
  "category",
  "enrichment_strategies",
  "partition_strategy",
  "partition_key_fields",
  "cleanup_policy",
  "default_statistic",
] as const;

export type StoredSchema = EventType["schema"];

/** What declaring anew would do. JSON-ready. */
export interface Redeclaration {
  /** Of the schema. Equal: the schema stays. */
  readonly from: string;
  readonly to: string;
  readonly verdict: "unchanged" | "compatible" | "incompatible";
  readonly changes: readonly SchemaChange[];
  /** Of the lake's table. */
  readonly columns: { readonly added: readonly string[]; readonly widened: readonly string[] };
  /** The type as it would be. */
  readonly type: EventType;
}

/** @throws event_type.invalid where the declaration alone is wrong */
export function judgeRedeclaration(
  before: EventType,
  earlier: readonly StoredSchema[],
  input: unknown,
): Redeclaration {
  const after = checkEventType(filledIn(before, input));
  const fixed = fixedChanges(before, after);
  const schema = compareSchemas(effectiveSchema(before), effectiveSchema(after));
  const versions = earlier.map((one): EventType => ({ ...before, schema: one }));
  const { impossible, added, widened } = compareColumns([...versions, before], after);
  const promisesNothing = after.compatibility_mode === "none";
  const isRefused = (change: SchemaChange): boolean => change.kind === "incompatible" && !promisesNothing;
  const refused = [...fixed, ...impossible].length > 0 || schema.some(isRefused);
  const isSameText = isSameValue(payloadSchema(before), payloadSchema(after));
  const from = before.schema.version ?? FIRST_SCHEMA_VERSION;
  const to = isSameText ? from : nextSchemaVersion(from, stepKind(schema, [...added, ...widened]));
  const type = { ...after, schema: isSameText ? before.schema : { ...after.schema, version: to } };
  // The first one is what the message tells.
  const changes = promisesNothing
    ? [...fixed, ...impossible, ...schema]
    : [...fixed, ...schema, ...impossible];
  const isSame = isSameValue(withoutTimes(type), withoutTimes(before));
  return {
    from,
    to,
    verdict: refused ? "incompatible" : isSame ? "unchanged" : "compatible",
    changes: changes.slice(0, CHANGES_MAX),
    columns: { added, widened },
    type,
  };
}

/**
 * @param revision that the caller saw; undefined: whatever is newest
 * @param isDryRun judges only
 * @throws event_type.not_found, event_type.invalid, event_type.incompatible naming every field, declaration.conflict
 */
export async function redeclareEventType(
  { registry, clock }: DeclarePorts,
  name: string,
  input: unknown,
  options: { readonly revision?: number | undefined; readonly isDryRun?: boolean; readonly by?: string } = {},
): Promise<Redeclaration & { readonly revision: number }> {
  for (let attempt = 1; ; attempt++) {
    await registry.refresh();
    const declared = await findEventType(registry, name);
    const before = declared?.value;
    if (!before) return notFound(name);
    const { revision } = declared;
    if (options.revision !== undefined && options.revision !== revision) throw changedMeanwhile(name);
    const judged = judgeRedeclaration(before, archivedSchemas(registry, before), input);
    if (options.isDryRun || judged.verdict === "unchanged") return { ...judged, revision };
    if (judged.verdict === "incompatible") throw incompatible(judged);
    const now = new Date(clock.nowMs()).toISOString();
    const isNew = judged.to !== judged.from;
    const schema = isNew ? { ...judged.type.schema, created_at: now } : before.schema;
    const { created_at } = before;
    const type: EventType = {
      ...judged.type,
      schema,
      updated_at: now,
      ...(created_at ? { created_at } : {}),
    };
    try {
      if (isNew) await archive(registry, before);
      const stored = await registry.put<EventType>(KIND, declaredName(name), revision, type, options.by);
      return { ...judged, type, revision: stored.revision };
    } catch (error) {
      const isLost = hasCode(error, "declaration.conflict") && options.revision === undefined;
      if (!isLost || attempt === ATTEMPTS_MAX) throw error;
    }
  }
}

/** Every schema that the type ever had, newest first. */
export function schemasOf(registry: Registry, type: EventType): readonly StoredSchema[] {
  return [type.schema, ...archivedSchemas(registry, type).toReversed()];
}

/** Without the newest, oldest first. */
function archivedSchemas(registry: Registry, type: EventType): readonly StoredSchema[] {
  const prefix = `${declaredName(type.name)}/`;
  return registry
    .list<StoredSchema>(SCHEMA_KIND)
    .filter(({ name, value }) => name.startsWith(prefix) && value?.version !== type.schema.version)
    .map(({ value }) => value!)
    .sort((a, b) => (isNewerSchema(a.version, b.version) ? 1 : -1));
}

/** What was declared under a version never changes, so it does not matter who stores it. */
async function archive(registry: Registry, { name, schema }: EventType): Promise<void> {
  const key = `${declaredName(name)}/${schema.version}`;
  if (registry.get(SCHEMA_KIND, key)) return;
  try {
    await registry.put<StoredSchema>(SCHEMA_KIND, key, 0, schema);
  } catch (error) {
    if (!hasCode(error, "declaration.conflict")) throw error;
  }
}

/** What a declaration leaves out stays as it is. @throws event_type.invalid */
function filledIn(before: EventType, input: unknown): unknown {
  if (!isObject(input)) return input;
  const given = input as Readonly<Record<string, unknown>>;
  if (given["name"] !== undefined && given["name"] !== before.name)
    throw invalidEventType("name", `is "${before.name}" here, and a name cannot change`);
  const options = given["options"] ?? {};
  return {
    ...before,
    ...given,
    name: before.name,
    options: isObject(options) ? { ...before.options, ...options } : options,
  };
}

function fixedChange(field: string, old: unknown, now: unknown, reason: string): readonly SchemaChange[] {
  if (isSameValue(old, now)) return [];
  return [
    { field, keyword: "declaration", old: old ?? null, new: now ?? null, kind: "incompatible", reason },
  ];
}

function fixedChanges(before: EventType, after: EventType): readonly SchemaChange[] {
  const isFixed = "is fixed when the type is declared";
  const [mode, wanted] = [before.compatibility_mode, after.compatibility_mode];
  const isStricter = mode === "none" && wanted === "forward";
  return [
    ...FIXED.flatMap((key) => fixedChange(key, before[key], after[key], isFixed)),
    ...fixedChange(
      "options.retention_time",
      before.options.retention_time,
      after.options.retention_time,
      isFixed,
    ),
    ...[ID_PATH_ANNOTATION, TIME_PATH_ANNOTATION].flatMap((key) =>
      fixedChange(`annotations.${key}`, before.annotations[key], after.annotations[key], isFixed),
    ),
    ...(isStricter
      ? []
      : fixedChange(
          "compatibility_mode",
          mode,
          wanted,
          'only "none" can become another, which is "forward"',
        )),
  ];
}

function stepKind(changes: readonly SchemaChange[], columns: readonly string[]): SchemaStepKind {
  if (changes.some(({ kind }) => kind === "incompatible")) return "major";
  return changes.some(({ kind }) => kind === "compatible") || columns.length > 0 ? "minor" : "patch";
}

function withoutTimes({ created_at: _created, updated_at: _updated, ...type }: EventType): unknown {
  return type;
}

function incompatible({ type, from, changes }: Redeclaration): MuaraError {
  const refused = changes.filter(({ kind }) => kind === "incompatible");
  const [first, ...more] = refused;
  const others = more.length > 0 ? ` (and ${more.length} more)` : "";
  const where = first!.field === "" ? "the event" : first!.field;
  const message = `"${type.name}" ${from} cannot become this: ${where}: ${first!.reason}${others}`;
  return new MuaraError("event_type.incompatible", message, {
    details: { field: first!.field, from, changes: refused },
  });
}

function changedMeanwhile(name: string): MuaraError {
  return new MuaraError("declaration.conflict", `event-type "${name}" was changed by somebody else.`, {
    details: { kind: KIND, name },
  });
}
