/**
 * What a database must have before changes of it are captured: each reason why capturing would not work, or would hurt
 * the source, with what to do about it. It looks, and changes nothing; ARCHITECTURE.md has what capturing costs the
 * source.
 */
import { CAPTURED_ANNOTATION } from "./change.ts";
import { hasIdentity } from "./capture-source.ts";
import { planColumns } from "./columns.ts";
import { MuaraError } from "./errors.ts";
import { type EventType, parseEventType } from "./event-type.ts";
import type { SourceServer, SourceTable } from "./ports/source-database.ts";

/** `publish_via_partition_root`, and what a slot still has. */
const VERSION_MIN = 130_000;
const TIMEOUT_MS_MIN = 5_000;
/** Generated columns can be published since. */
const GENERATED_SINCE = 180_000;

export interface Finding {
  /** `error`: it would not work, or would harm the source. */
  readonly severity: "error" | "warning" | "note";
  readonly code: string;
  /** `schema.table`; null: of the server. */
  readonly table: string | null;
  readonly problem: string;
  readonly remedy: string;
}

export interface PreflightPlan {
  /** Names of event types by table. */
  readonly eventTypes: ReadonlyMap<string, string>;
  readonly copiesInitially: boolean;
  /** Tables that a publication of ours has already, whoever made it. */
  readonly published: readonly string[];
  /** Of these, those of which updates are published, too. */
  readonly publishedWhole: readonly string[];
  /** Whether a slot and a sender more are needed. */
  readonly isNew: boolean;
  readonly declared: (eventType: string) => EventType | undefined;
}

export function preflight(
  server: SourceServer,
  tables: ReadonlyMap<string, SourceTable>,
  plan: PreflightPlan,
): readonly Finding[] {
  const isPublished = [...plan.eventTypes.keys()].every((table) => plan.published.includes(table));
  return [
    ...serverFindings(server, plan.isNew),
    ...(isPublished || server.mayCreate || server.isSuperuser ? [] : [noCreate(server)]),
    ...[...plan.eventTypes].flatMap(([name, eventType]) =>
      tableFindings(server, name, tables.get(name), eventType, plan),
    ),
  ];
}

function serverFindings(server: SourceServer, isNew: boolean): readonly Finding[] {
  const found: Finding[] = [];
  const say: Say = (severity, code, problem, remedy) =>
    void found.push({ severity, code, table: null, problem, remedy });
  abilityFindings(server, isNew, say);
  settingFindings(server, say);
  return found;
}

function abilityFindings(server: SourceServer, isNew: boolean, say: Say): void {
  const { version, walLevel, user, slots, senders } = server;
  if (version < VERSION_MIN)
    say(
      "error",
      "version",
      `the server is PostgreSQL ${Math.trunc(version / 10_000)}`,
      "Upgrade it to 13 or newer.",
    );
  if (walLevel !== "logical")
    say(
      "error",
      "wal_level",
      `wal_level is ${walLevel}`,
      "ALTER SYSTEM SET wal_level = 'logical'; and restart the server.",
    );
  if (server.isInRecovery)
    say("error", "standby", "the server is a standby", "Give the address of the primary.");
  if (!server.mayReplicate)
    say(
      "error",
      "replication",
      `${user} may not replicate`,
      `ALTER ROLE ${user} REPLICATION; (RDS: GRANT rds_replication TO ${user};)`,
    );
  for (const [kind, setting, places] of [
    ["slots", "max_replication_slots", slots],
    ["senders", "max_wal_senders", senders],
  ] as const)
    if (isNew && places.used >= places.max)
      say(
        "error",
        kind,
        `all ${places.max} of ${setting} are taken`,
        `Drop what is not needed (pg_replication_slots), or raise ${setting} and restart the server.`,
      );
}

function settingFindings(server: SourceServer, say: Say): void {
  const { walSenderTimeoutMs: timeoutMs } = server;
  if (server.maxSlotWalKeepBytes === null)
    say(
      "warning",
      "unlimited",
      "max_slot_wal_keep_size is unlimited: a capture that stands still keeps log until the disk is full",
      "ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'; (what the disk can spare) SELECT pg_reload_conf();",
    );
  if (timeoutMs === 0)
    say(
      "warning",
      "wal_sender_timeout",
      "wal_sender_timeout is 0: the server never gives up a broken connection, and the slot stays taken",
      "Set it to 60s.",
    );
  else if (timeoutMs < TIMEOUT_MS_MIN)
    say(
      "warning",
      "wal_sender_timeout",
      `wal_sender_timeout is ${timeoutMs} ms: short pauses end the connection`,
      "Set it to 60s.",
    );
  if (server.synchronousCommit === "off")
    say(
      "warning",
      "synchronous_commit",
      "synchronous_commit is off: what the server has confirmed a crash may undo, and it is told later",
      "Leave it so where that is known; nothing that is told is undone.",
    );
  if (server.encoding !== "UTF8")
    say(
      server.encoding === "SQL_ASCII" ? "error" : "warning",
      "encoding",
      `the database's encoding is ${server.encoding}`,
      server.encoding === "SQL_ASCII"
        ? "Texts are of no known encoding then: move the data into a database with UTF8."
        : "Texts that UTF-8 does not have end the stream.",
    );
}

function noCreate({ user }: SourceServer): Finding {
  return {
    severity: "error",
    code: "create",
    table: null,
    problem: `${user} may not make publications in this database`,
    remedy: `GRANT CREATE ON DATABASE … TO ${user}; or let the owner of the tables make the publication.`,
  };
}

function tableFindings(
  server: SourceServer,
  name: string,
  table: SourceTable | undefined,
  eventType: string,
  plan: PreflightPlan,
): readonly Finding[] {
  const found: Finding[] = [];
  const say: Say = (severity, code, problem, remedy) =>
    void found.push({ severity, code, table: name, problem, remedy });
  if (!table) {
    say(
      "error",
      "missing",
      `there is no table ${name}`,
      "Correct its name; schema and table as the catalog has them.",
    );
    return found;
  }
  if (table.kind === "partition")
    say("error", "partition", `${name} is a partition of ${table.root}`, `Capture ${table.root}.`);
  if (table.kind === "other")
    say("error", "kind", `${name} is no table`, "Views and foreign tables have no changes of their own.");
  if (table.persistence !== "permanent")
    say(
      "error",
      "unlogged",
      `${name} is ${table.persistence}: its changes are not in the log`,
      `ALTER TABLE ${name} SET LOGGED;`,
    );
  identityFindings(table, name, plan.publishedWhole.includes(name), say);
  if (!table.isOwner && !server.isSuperuser && !plan.published.includes(name))
    say(
      "error",
      "owner",
      `${server.user} does not own ${name}, so it cannot publish it`,
      `GRANT the owner's role TO ${server.user}; or let the owner make the publication.`,
    );
  if (plan.copiesInitially && !table.mayRead)
    say(
      "error",
      "select",
      `${server.user} may not read ${name}`,
      `GRANT SELECT ON ${name} TO ${server.user};`,
    );
  if (plan.copiesInitially && table.hidesRows)
    say(
      "error",
      "row_security",
      `row security hides rows of ${name} from ${server.user}`,
      `ALTER ROLE ${server.user} BYPASSRLS; else the copy has not all rows.`,
    );
  columnFindings(server, table, say);
  typeFindings(table, name, eventType, plan, say);
  return found;
}

type Say = (severity: Finding["severity"], code: string, problem: string, remedy: string) => void;

function identityFindings(table: SourceTable, name: string, isPublished: boolean, say: Say): void {
  if (hasIdentity(table)) {
    if (table.key.length === 0)
      say(
        "note",
        "keyless",
        `${name} has no primary key: there is no current state of it`,
        `ALTER TABLE ${name} ADD PRIMARY KEY (…);`,
      );
    return;
  }
  const remedy = `ALTER TABLE ${name} ADD PRIMARY KEY (…); or: ALTER TABLE ${name} REPLICA IDENTITY FULL;`;
  if (isPublished)
    say(
      "error",
      "identity",
      `${name} has lost its primary key or replica identity while its updates are published: the source refuses ` +
        "updates and deletes of it now",
      remedy,
    );
  else if (table.updates > 0)
    say(
      "error",
      "identity",
      `${name} has neither a primary key nor a replica identity, and rows of it were updated or deleted ` +
        `(${table.updates} times): such changes could not be captured`,
      remedy,
    );
  else
    say(
      "warning",
      "identity",
      `${name} has neither a primary key nor a replica identity: only its inserts are captured`,
      remedy,
    );
}

function columnFindings({ version }: SourceServer, { columns }: SourceTable, say: Say): void {
  const generated = columns.filter(({ isGenerated }) => isGenerated).map(({ name }) => name);
  if (generated.length > 0 && version < GENERATED_SINCE)
    say(
      "warning",
      "generated",
      `generated columns are not told: ${generated.join(", ")}`,
      "Compute them from the others where they are needed.",
    );
  const open = columns.filter(({ typeName }) => typeName === "numeric").map(({ name }) => name);
  if (open.length > 0)
    say(
      "note",
      "numeric",
      `numeric without precision is text: ${open.join(", ")}`,
      "ALTER TABLE … ALTER … TYPE numeric(38,…) gives a column of numbers.",
    );
}

function typeFindings(
  table: SourceTable,
  name: string,
  eventType: string,
  plan: PreflightPlan,
  say: Say,
): void {
  const declared = plan.declared(eventType);
  if (declared && (declared.category !== "data" || declared.annotations[CAPTURED_ANNOTATION] !== "on")) {
    say(
      "error",
      "event_type",
      `the event type "${eventType}" exists, and is none of a capture`,
      `Give ${name} another one: --table ${name}=NAME.`,
    );
    return;
  }
  const columns = table.columns.filter(({ isGenerated }) => !isGenerated);
  const properties = Object.fromEntries(columns.map((column) => [column.name, column.schema]));
  try {
    planColumns(
      parseEventType({
        name: eventType,
        owning_application: "muara",
        category: "data",
        schema: { type: "json_schema", schema: JSON.stringify({ type: "object", properties }) },
        annotations: { [CAPTURED_ANNOTATION]: "on" },
      }),
    );
  } catch (error) {
    if (!(error instanceof MuaraError)) throw error;
    say(
      "error",
      "columns",
      `the lake cannot hold ${name}: ${error.message}`,
      "Rename the columns, or leave it out.",
    );
  }
}
