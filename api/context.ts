/** What every route of the read side is given, and how it finds out who asks. */
import type { Context } from "hono";
import { authorize, type Action, type Principal, type Resource } from "../core/authorize.ts";
import type { CaptureWatch } from "../core/capture-watch.ts";
import type { Clock, Randomness } from "../core/clock.ts";
import type { Config, ConfigEntry } from "../core/config.ts";
import { MuaraError } from "../core/errors.ts";
import type { JobExportOptions } from "../core/job-export.ts";
import type { JobPosition } from "../core/job.ts";
import type { JobState } from "../core/job-note.ts";
import type { LogRing } from "../core/log-ring.ts";
import type { Logger } from "../core/logger.ts";
import type { Audit } from "../core/ports/audit.ts";
import type { Measures } from "../core/measures.ts";
import type { Gauge } from "../core/open-metrics.ts";
import type { Log } from "../core/ports/log.ts";
import type { ObjectStore } from "../core/ports/object-store.ts";
import type { OpenSource } from "../core/ports/source-database.ts";
import type { Reconcile } from "../core/reconciliation.ts";
import type { Registry } from "../core/registry.ts";
import { Roles } from "../core/role.ts";
import type { Authenticator } from "../core/token.ts";
import type { Catalog, CatalogTable } from "../lake/catalog.ts";
import type { Compacted } from "../lake/compact.ts";
import type { DeclaredExtracts } from "../lake/extract/open-extracts.ts";
import { missingTable } from "../lake/query/missing-table.ts";
import { mayReadWhole, tableRight, type TableRight } from "../lake/query/part.ts";
import type { QueryService } from "../lake/query/service.ts";
import type { JobTable } from "../lake/job/analysis.ts";
import type { Planned } from "../lake/job/plan-job.ts";
import type { Exported } from "../lake/job-export/export-job.ts";
import type { Removals } from "../lake/removals.ts";
import type { ReplayPort } from "./replay-port.ts";

export interface ApiPorts {
  readonly log: Log;
  readonly registry: Registry;
  readonly catalog: Catalog;
  readonly query: QueryService;
  /** null: everybody may do everything (configuration `auth: none`, loopback only). */
  readonly authenticator: Authenticator | null;
  /** The newest log lines of this process. */
  readonly logs?: Pick<LogRing, "recent">;
  /** Absent: nothing is recorded. */
  readonly audit?: Audit | undefined;
  /** The configuration's among them; absent: those of the registry. */
  readonly roles?: Roles;
  /** Of the tables that this process lands; absent where it lands none. */
  readonly landing?: () => readonly LandingState[];
  /** Where the tables lie; for what no table says. */
  readonly store?: ObjectStore;
  /** Takes rows and files away; absent in a process that does not write the lake. */
  readonly removals?: (signal: AbortSignal) => Promise<Removals>;
  /** Publishes dead letters again; absent in a process without a door. */
  readonly replay?: ReplayPort;
  /** Tells the landing of this process that a table was paused or resumed. */
  readonly reload?: (table: string) => void;
  /** Puts small files of a table together; absent in a process that does not write the lake. */
  readonly compact?: (table: string, signal: AbortSignal) => Promise<Compacted>;
  /** Of other workers in this process, for /metrics. */
  readonly gauges?: readonly Gauge[];
  /** Absent: nothing is counted. */
  readonly measures?: Measures | undefined;
  /** Bounds and targets of deliveries; absent: none can be declared. */
  readonly deliver?: Pick<Config["deliver"], "deliveries" | "kafka" | "postgres" | "elasticsearch">;
  /** Bounds of rules and silences, and whom rules may tell; absent: none can be declared. */
  readonly alerts?: Pick<Config["alerts"], "rules" | "series" | "silences" | "receivers" | "timeoutMs">;
  /** Name of this process among those that share log and lake. */
  readonly process?: string;
  /** Bounds of jobs, those that run in this process, and what plans them; absent: none can be declared. */
  readonly jobs?: Pick<Config["jobs"], "jobs" | "memoryBytes" | "threads"> & {
    readonly status: (name: string) => JobStatus | undefined;
    readonly plan: (text: string, tables: readonly JobTable[], signal: AbortSignal) => Promise<Planned>;
    /** As a program of another engine. */
    readonly export: (
      text: string,
      tables: readonly JobTable[],
      options: JobExportOptions,
      signal: AbortSignal,
    ) => Promise<Exported>;
  };
  /** Bounds of captures; absent: none can be declared. */
  readonly capture?: Pick<Config["capture"], "captures">;
  /** Databases of the configuration. */
  readonly openSource?: OpenSource;
  /** Proves that source and lake agree; absent in a process that has no lake to query. */
  readonly reconcile?: Reconcile;
  /** What the sources of captures say. */
  readonly captureWatch?: CaptureWatch | undefined;
  /** What this process is; absent: nobody is told. */
  readonly about?: About;
  /** Feeds for the warehouse, and what makes them. */
  readonly extracts?: DeclaredExtracts;
  readonly clock: Clock;
  readonly randomness?: Randomness;
  readonly logger: Logger;
}

/** This process, for whoever operates it. */
export interface About {
  readonly version: string;
  /** Such as `node 24.12.0`. */
  readonly runtime: string;
  /** Operating system and processor. */
  readonly platform: string;
  readonly workers: readonly string[];
  readonly startedMs: number;
  readonly config: readonly ConfigEntry[];
}

/** How a job goes that runs in this process. */
export interface JobStatus {
  readonly activity?: JobActivity;
  readonly state: JobState;
  readonly problem: string | undefined;
  /** Results as they would be now. @throws job.not_running, job.engine_failed */
  preview(rows: number, signal: AbortSignal): Promise<JobPreview>;
}

/** Of the attempt that runs, but for the counts: since the process began with it. */
export interface JobActivity {
  /** Share of its time in which it worked on steps, of the last half minute or so, 0 to 1. */
  readonly busy: number;
  readonly steps: number;
  /** Results that it has committed. */
  readonly rows: number;
  readonly rebuilds: number;
  readonly lastStepMs: number | null;
  readonly stateRows: number | null;
  readonly storedRows: number | null;
}

export interface JobPreview {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
  readonly position: JobPosition;
}

/** How landing of a table goes: `stopped` needs a person, all others go on by themselves. */
export interface LandingState {
  readonly table: string;
  readonly state: "landing" | "retrying" | "paused" | "waiting" | "stopped";
  readonly problem: string | undefined;
  readonly code?: string | undefined;
  /** How long after a commit the next one comes while events arrive, ms; 0 during a backlog. */
  readonly intervalMs: number;
  readonly intervalReason: string;
}

export interface ApiEnv {
  Variables: { principal: Principal; flowId: string };
}
export type ApiContext = Context<ApiEnv>;

/** Muara itself, reading its own tables for somebody whose rights are checked before and after. */
export const SYSTEM: Principal = { id: "system", grants: [{ action: "read", kind: "table", name: "*" }] };

/** @throws auth.forbidden */
export function demand(context: ApiContext, action: Action, resource: Resource): void {
  authorize(context.get("principal"), action, resource);
}

export function rolesOf({ registry, roles }: ApiPorts): Roles {
  return roles ?? new Roles(registry);
}

/** A table and what of it the asker may read. */
export interface ReadableTable extends CatalogTable {
  readonly right: TableRight;
}

/** The tables that the asker may read as a whole: what counts or shows whole events is for them alone. */
export async function wholeTables(ports: ApiPorts, principal: Principal): Promise<readonly CatalogTable[]> {
  return (await ports.catalog.list()).filter((table) => mayReadWhole(principal, table.name));
}

/** The tables of which the asker may read anything; others do not exist for them. */
export async function readableTables(
  ports: ApiPorts,
  principal: Principal,
): Promise<readonly ReadableTable[]> {
  const all = await ports.catalog.list();
  return all.flatMap((table) => {
    const right = tableRight(principal, table, all);
    return right ? [{ ...table, right }] : [];
  });
}

/** @throws table.not_found also for a table that the asker may not read */
export async function readableTable(
  ports: ApiPorts,
  principal: Principal,
  name: string,
): Promise<ReadableTable> {
  const [table, all] = [await ports.catalog.find(name), await ports.catalog.list()];
  const right = table && tableRight(principal, table, all);
  if (table && right) return { ...table, right };
  const readable = all.filter((one) => tableRight(principal, one, all)).map((one) => one.name);
  throw missingTable(name, readable);
}

/** @throws table.not_found as above, auth.forbidden where a part of the table is hidden from the asker */
export async function wholeTable(ports: ApiPorts, principal: Principal, name: string): Promise<CatalogTable> {
  const { right, ...table } = await readableTable(ports, principal, name);
  if (right.isWhole) return table;
  throw new MuaraError(
    "auth.forbidden",
    `${principal.id} may read only a part of table "${table.name}"; this takes the whole.`,
  );
}

/** @throws request.malformed naming the parameter */
export function wholeNumber(context: ApiContext, name: string, fallback: number, max: number): number {
  const text = context.req.query(name);
  if (text === undefined) return fallback;
  const value = Number(text);
  if (/^\d{1,15}$/.test(text) && value >= 1 && value <= max) return value;
  throw new MuaraError("request.malformed", `${name} is a whole number from 1 to ${max}.`, {
    details: { parameter: name },
  });
}

/** ISO 8601 UTC; null where there is no time. */
export function isoOrNull(ms: number | null | undefined): string | null {
  return ms === null || ms === undefined || !Number.isFinite(ms) ? null : new Date(ms).toISOString();
}
