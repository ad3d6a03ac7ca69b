/**
 * Declaring an event type anew: what differs, whether it may be, and the new version. Several processes may do so at
 * once: each judges against the newest revision, and the registry lets one of them have the next.
 *
 * The order of a change: the schema that is being replaced is stored under its version, then the type itself is
 * replaced. A crash between the two leaves a version that is listed twice, as old and as newest; it is shown once.
 */
import { hasCode, MuaraError } from "../../core/errors.ts";
import { type EventType, invalidEventType, payloadSchema } from "../../core/event-type.ts";
import type { Log } from "../../core/ports/log.ts";
import { FIRST_SCHEMA_VERSION, nextSchemaVersion } from "../../core/schema-version.ts";
import { hasOptions } from "../../core/stream-change.ts";
import { compareColumns } from "./column-changes.ts";
import {
  checkEventType,
  type DeclarePorts,
  ensureStream,
  findEventType,
  KIND,
  notFound,
  streamOptions,
} from "./declaration.ts";
import { declaredName } from "./declared-name.ts";
import { checkRules } from "./event-type-rules.ts";
import { checkNothingTaken, fixedChanges } from "./fixed-changes.ts";
import { isObject } from "./json-schema.ts";
import { effectiveSchema } from "./payload-schema.ts";
import { isSameValue } from "./same-schema.ts";
import { archivedSchemas, archiveSchema, type StoredSchema } from "./schema-archive.ts";
import { compareSchemas, type SchemaChange } from "./schema-changes.ts";
import { evolve } from "./schema-evolution.ts";

/** Of several who change one type at once, each change makes the others judge again. */
const ATTEMPTS_MAX = 32;
/** In an answer; the count says how many there are. */
const CHANGES_MAX = 100;

/** What declaring anew would do. JSON-ready. */
export interface Redeclaration {
  /** Of the schema. Equal: the schema stays. */
  readonly from: string;
  readonly to: string;
  readonly verdict: "unchanged" | "compatible" | "incompatible";
  readonly changes: readonly SchemaChange[];
  /** Those of them because of which it is incompatible. */
  readonly refused: readonly SchemaChange[];
  /** Of the lake's table. */
  readonly columns: { readonly added: readonly string[]; readonly widened: readonly string[] };
  /** The type as it would be. */
  readonly type: EventType;
}

/** What is judged: the declaration that holds, its earlier schemas, and what somebody wants. */
export interface Wanted {
  readonly before: EventType;
  /** Oldest first. */
  readonly earlier: readonly StoredSchema[];
  readonly input: unknown;
  /** Whether who wants it administers the system. */
  readonly isAdmin: boolean;
}

/** @throws event_type.invalid where the declaration alone is wrong */
export function judgeRedeclaration({ before, earlier, input, isAdmin }: Wanted): Redeclaration {
  const after = checkEventType(filledIn(before, input));
  const fixed = fixedChanges(before, after, isAdmin);
  // Of the schema alone: what a mode adds to it is no change of it.
  const asBefore = { category: before.category, compatibility_mode: before.compatibility_mode };
  const schema = compareSchemas(effectiveSchema(before), effectiveSchema({ ...after, ...asBefore }));
  const { refused: steps, step } = evolve(schema, before.compatibility_mode, after.compatibility_mode);
  const versions = earlier.map((one): EventType => ({ ...before, schema: one }));
  const { impossible, added, widened } = compareColumns([...versions, before], after);
  // The first one is what the message tells: what everybody can see comes before what only the table knows.
  const refused = [...fixed, ...steps, ...impossible];
  const isSameText = isSameValue(payloadSchema(before), payloadSchema(after));
  const from = before.schema.version ?? FIRST_SCHEMA_VERSION;
  const least = added.length + widened.length > 0 ? "minor" : "patch";
  const to = isSameText
    ? from
    : nextSchemaVersion(from, step === undefined || step === "patch" ? least : step);
  const type = { ...after, schema: isSameText ? before.schema : { ...after.schema, version: to } };
  const others = schema.filter(
    (change) => !steps.some(({ field, keyword }) => field === change.field && keyword === change.keyword),
  );
  const isSame = isSameValue(withoutTimes(type), withoutTimes(before));
  return {
    from,
    to,
    verdict: refused.length > 0 ? "incompatible" : isSame ? "unchanged" : "compatible",
    changes: [...refused, ...others].slice(0, CHANGES_MAX),
    refused: refused.slice(0, CHANGES_MAX),
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
  ports: DeclarePorts,
  name: string,
  input: unknown,
  options: { readonly revision?: number; readonly isDryRun?: boolean; readonly isAdmin?: boolean } = {},
): Promise<Redeclaration & { readonly revision: number }> {
  const { registry, clock } = ports;
  const { isAdmin = true } = options;
  for (let attempt = 1; ; attempt++) {
    await registry.refresh();
    const declared = await findEventType(registry, name);
    const before = declared?.value;
    if (!before) return notFound(name);
    const { revision } = declared;
    if (options.revision !== undefined && options.revision !== revision) throw changedMeanwhile(name);
    const earlier = archivedSchemas(registry, name).filter(
      ({ version }) => version !== before.schema.version,
    );
    const judged = judgeRedeclaration({ before, earlier, input, isAdmin });
    if (judged.verdict === "compatible") checkRules(ports, judged.type, isAdmin);
    if (options.isDryRun) return { ...judged, revision };
    if (judged.verdict === "incompatible") throw incompatible(judged);
    if (judged.verdict === "unchanged") {
      await alignStream(ports.log, judged.type);
      return { ...judged, revision };
    }
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
      if (isNew) await archiveSchema(registry, before);
      const stored = await registry.put<EventType>(KIND, declaredName(name), revision, type);
      await alignStream(ports.log, type);
      return { ...judged, type, revision: stored.revision };
    } catch (error) {
      const isLost = hasCode(error, "declaration.conflict") && options.revision === undefined;
      if (!isLost || attempt === ATTEMPTS_MAX) throw error;
    }
  }
}

/**
 * The stream follows what is declared of retention and clean-up. Whoever stops before it does so by declaring the same
 * again.
 */
async function alignStream(log: Log, type: EventType): Promise<void> {
  const stream = await ensureStream(log, type);
  const wanted = { ...streamOptions(type), partitions: stream.partitions };
  if (!hasOptions(stream, wanted)) await log.alterStream(type.name, wanted);
}

/** What a declaration leaves out stays as it is. @throws event_type.invalid */
function filledIn(before: EventType, input: unknown): unknown {
  if (!isObject(input)) return input;
  const given = input as Readonly<Record<string, unknown>>;
  if (given["name"] !== undefined && given["name"] !== before.name)
    throw invalidEventType("name", `is "${before.name}" here, and a name cannot change`);
  checkNothingTaken(before, given);
  const said = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
  const options = said["options"] ?? {};
  const { retention_time: retention, ...others } = isObject(options) ? options : {};
  return {
    ...before,
    ...said,
    name: before.name,
    options: isObject(options)
      ? {
          ...before.options,
          ...others,
          ...(retention === undefined || retention === null ? {} : { retention_time: retention }),
        }
      : options,
  };
}

function withoutTimes({ created_at: _created, updated_at: _updated, ...type }: EventType): unknown {
  return type;
}

function incompatible({ type, from, refused }: Redeclaration): MuaraError {
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
