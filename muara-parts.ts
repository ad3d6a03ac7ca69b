/** The parts of one process, each loaded only where it runs and given its ports from what all share. */
import { join, resolve } from "node:path";
import { readDashboardFiles } from "./adapters/file/dashboard-files.ts";
import { readSecret } from "./adapters/file/secret.ts";
import type { Fetch } from "./adapters/http/listen.ts";
import { notifierOpener, openOwnership, sinkOpeners } from "./adapters/open.ts";
import { watchProcess } from "./api/cli/process-figures.ts";
import type { ReplayPort } from "./api/replay-port.ts";
import { systemClock, systemRandomness } from "./core/clock.ts";
import { MuaraError } from "./core/errors.ts";
import { followRegistry } from "./core/follow-registry.ts";
import type { JobExportOptions } from "./core/job-export.ts";
import type { Logger } from "./core/logger.ts";
import type { Audit } from "./core/ports/audit.ts";
import type { Reconcile } from "./core/reconciliation.ts";
import { retainLog } from "./core/retain-log.ts";
import { endingCopies } from "./lake/ending-copies.ts";
import type { JobTable } from "./lake/job/analysis.ts";
import type { LakeUpkeep } from "./lake/lake-upkeep.ts";
import { aboutProcess, type Base, openSight, PROCESS_NAME, VERSION } from "./muara-base.ts";
import type { LandStatus } from "./workers/land/worker.ts";

export const WORKERS = [
  "ingest",
  "pull",
  "capture",
  "land",
  "stream",
  "alert",
  "deliver",
  "extract",
  "api",
] as const;
export type WorkerName = (typeof WORKERS)[number];

const HOUR_MS = 3_600_000;

/** The same, saying in its lines which worker it is. */
export function spoken<Shared extends { readonly logger: Logger }>(
  base: Shared,
  service: WorkerName,
): Shared {
  return { ...base, logger: base.logger.with({ service }) };
}

/** What goes on in this process until the signal is aborted. @param closers are called before */
export function runParts(
  base: Base,
  workers: readonly WorkerName[],
  closers: (() => Promise<unknown>)[],
  signal: AbortSignal,
): readonly Promise<unknown>[] {
  const runs: Readonly<Partial<Record<WorkerName, (of: Base) => Promise<unknown>>>> = {
    land: (of) => runLake(of, signal),
    pull: (of) => runPulls(of, signal),
    capture: (of) => Promise.all([runCaptures(of, signal), runDeltaLoads(of, signal)]),
    stream: (of) => runJobs(of, signal),
    alert: (of) => runRules(of, closers, signal),
    deliver: (of) => runDeliveries(of, signal),
    extract: (of) => runExtracts(of, closers, signal),
  };
  const watches = workers.some((name) => name === "capture" || name === "api");
  return [
    ...WORKERS.filter((name) => workers.includes(name)).flatMap(
      (name) => runs[name]?.(spoken(base, name)) ?? [],
    ),
    ...(watches ? [base.captureWatch.run(signal)] : []),
    watchProcess(base.measures, systemClock, signal),
    retainLog({ ...base, clock: systemClock }, base.config.journal.retainEveryMs, signal),
    followRegistry({ ...base, clock: systemClock }, signal),
  ];
}

export async function openReads(
  base: Base & { readonly audit: Audit | undefined },
  replay: ReplayPort | undefined,
  workers: readonly WorkerName[],
  closers: (() => Promise<unknown>)[],
): Promise<Fetch> {
  const [{ createQueryService }, { createApiApp }] = await Promise.all([
    import("./lake/query/service.ts"),
    import("./api/app.ts"),
  ]);
  const { catalog, cache } = await openSight(base);
  const { config } = base;
  const query = createQueryService({
    catalog,
    cache,
    options: base.config.query,
    clock: systemClock,
    logger: base.logger,
    measures: base.measures,
  });
  base.gauges.push(() => query.samples());
  closers.push(() => query.close());
  const { checkDeclared } = await import("./lake/query/check-grants.ts");
  await checkDeclared(config, catalog, query);
  const landing = (): readonly LandStatus[] => base.landing.worker?.status() ?? [];
  const upkeep = async (signal: AbortSignal): Promise<LakeUpkeep> => {
    if (await base.admission.granted(signal)) return base.upkeep();
    throw new MuaraError("store.not_atomic", "The lake's store cannot hold tables.");
  };
  const ports = {
    ...base,
    process: PROCESS_NAME,
    catalog,
    query,
    landing,
    reload: (table: string) => base.landing.worker?.reload(table),
    compact: async (table: string, signal: AbortSignal) => (await upkeep(signal)).compact(table, signal),
    ...(workers.includes("land")
      ? { removals: async (signal: AbortSignal) => endingCopies((await upkeep(signal)).removals, cache) }
      : {}),
    clock: systemClock,
    about: aboutProcess(config, workers),
    deliver: config.deliver,
    alerts: config.alerts,
    capture: config.capture,
    reconcile: async (...asked: Parameters<Reconcile>) => {
      const { reconcile } = await import("./workers/capture/reconcile/reconcile.ts");
      return reconcile({ ...base, catalog, query, clock: systemClock }, ...asked);
    },
    jobs: {
      ...config.jobs,
      status: (name: string) => base.jobs.worker?.jobs().get(name),
      plan: async (text: string, tables: readonly JobTable[], signal: AbortSignal) => {
        const { planText } = await import("./workers/stream/plan-text.ts");
        return planText(jobsFolder(base), text, tables, signal);
      },
      export: async (
        text: string,
        tables: readonly JobTable[],
        options: JobExportOptions,
        signal: AbortSignal,
      ) => {
        const { exportText } = await import("./workers/stream/plan-text.ts");
        const { disorderMs } = config.land;
        return exportText(jobsFolder(base), text, tables, { ...options, disorderMs }, signal);
      },
    },
    ...(replay ? { replay } : {}),
  };
  const { LiveHost } = await import("./api/live/live-host.ts");
  const live = new LiveHost(ports, config.live);
  closers.push(async () => live.close());
  const options = { sqlBytes: config.query.sqlBytes, version: VERSION, sharing: config, live };
  const app = createApiApp(ports, options);
  const { createDashboardApp, isDashboardPath } = await import("./api/dashboard-app.ts");
  const dashboard = createDashboardApp(await readDashboardFiles(join(import.meta.dirname, "dist-dashboard")));
  return (request) => (isDashboardPath(new URL(request.url).pathname) ? dashboard : app).fetch(request);
}

/** What a process without the read side says of itself. */
export async function openOperations(base: Base & { readonly audit: Audit | undefined }): Promise<Fetch> {
  const { createOperationsApp } = await import("./api/operations-app.ts");
  const app = createOperationsApp(base);
  return (request) => app.fetch(request);
}

/** Makes the declared feeds. */
async function runExtracts(
  base: Base,
  closers: (() => Promise<unknown>)[],
  signal: AbortSignal,
): Promise<void> {
  if (base.extracts.feeds.length === 0) return;
  const { openExtracts } = await import("./lake/extract/open-extracts.ts");
  const { worker, close } = openExtracts({ ...base, ...(await openSight(base)), clock: systemClock });
  closers.push(close);
  try {
    if (await base.admission.granted(signal).catch(() => false)) await worker.run(signal);
  } finally {
    await close(); // a stop that came before may have passed the closers already
  }
}

/** Brings events of other Nakadis into the log. */
async function runPulls(base: Base, signal: AbortSignal): Promise<void> {
  if (Object.keys(base.config.pulls).length === 0) return;
  const { openPulls, pullSamples } = await import("./workers/pull/open-pulls.ts");
  const ports = { ...base, clock: systemClock, randomness: systemRandomness, readSecret };
  const worker = openPulls(ports, base.config);
  base.gauges.push(() => pullSamples(worker));
  await worker.run(signal);
}

/** Brings changes of databases into the log. */
async function runCaptures(base: Base, signal: AbortSignal): Promise<void> {
  const { openCaptures } = await import("./workers/capture/open-captures.ts");
  const ports = { ...base, clock: systemClock, randomness: systemRandomness };
  const worker = openCaptures(ports, base.config);
  base.gauges.push(() => worker.samples());
  await worker.run(signal);
}

/** Reads tables whose databases' logs cannot be read. */
async function runDeltaLoads(base: Base, signal: AbortSignal): Promise<void> {
  const loads = Object.entries(base.config.deltaLoads);
  if (loads.length === 0) return;
  const { runDeltaLoad } = await import("./workers/capture/delta-load.ts");
  const ports = { ...base, clock: systemClock, randomness: systemRandomness };
  await Promise.all(loads.map(([name, load]) => runDeltaLoad(ports, { ...load, name }, signal)));
}

/** Sends rows of tables to where they are declared to go. */
async function runDeliveries(base: Base, signal: AbortSignal): Promise<void> {
  const { openDeliveries } = await import("./workers/deliver/open-deliveries.ts");
  const ports = { ...base, clock: systemClock, randomness: systemRandomness, readSecret };
  const worker = openDeliveries(ports, sinkOpeners(ports), base.config);
  base.gauges.push(() => worker.samples());
  await worker.run(signal);
}

/** Goes on with the declared jobs. */
async function runJobs(base: Base, signal: AbortSignal): Promise<void> {
  if (!(await base.admission.granted(signal).catch(() => false))) return;
  const { createJobWorker } = await import("./workers/stream/worker.ts");
  const ownership = await openOwnership(base.config.log, { ...base.services, logger: base.logger }, "jobs");
  const ports = { ...base.services, ...base, ownership, process: nameAmongOthers(base.config) };
  const worker = createJobWorker(ports, { ...base.config.jobs, folder: jobsFolder(base) });
  base.gauges.push(() => worker.samples());
  base.jobs.worker = worker;
  try {
    await worker.run(signal);
  } finally {
    await ownership.close();
  }
}

/** Evaluates the declared rules, and tells whom the configuration names. */
async function runRules(base: Base, closers: (() => Promise<unknown>)[], signal: AbortSignal): Promise<void> {
  if (!(await base.admission.granted(signal).catch(() => false))) return;
  const { openAlerts } = await import("./workers/alert/open-alerts.ts");
  const shared = { ...base.services, ...base, ...(await openSight(base)), readSecret, process: PROCESS_NAME };
  const openNotifier = await notifierOpener(shared, base.config.alerts);
  const ownership = await openOwnership(base.config.log, { ...base.services, logger: base.logger }, "rules");
  try {
    const { worker, close } = await openAlerts({ ...shared, openNotifier, ownership });
    closers.push(close);
    base.gauges.push(() => worker.samples());
    try {
      await worker.run(signal);
    } finally {
      await close(); // a stop that came before may have passed the closers already
    }
  } finally {
    await ownership.close();
  }
}

/** undefined where nobody else can be at work on the same log. */
function nameAmongOthers({ log }: Base["config"]): string | undefined {
  return /^(s3|kafka):/.test(log ?? "") ? PROCESS_NAME : undefined;
}

function jobsFolder({ config }: Base): string {
  return join(resolve(config.data), "jobs");
}

/** All that writes the lake, once its store is known to be one that can be written by several. */
async function runLake(base: Base, signal: AbortSignal): Promise<void> {
  try {
    if (!(await base.admission.granted(signal))) return;
  } catch (error) {
    base.logger.error("landing is off: the lake's store cannot hold tables", { error });
    return;
  }
  const [{ runLanding }, ownership] = await Promise.all([
    import("./workers/land/run-landing.ts"),
    openOwnership(base.config.log, { ...base.services, logger: base.logger }),
  ]);
  const ports = { ...base.services, ...base, ownership };
  await Promise.all([
    runLanding(ports, signal, (worker) => {
      base.landing.worker = worker;
      base.gauges.push(() => worker.samples());
    }),
    runLogKeeper(base, signal),
    base.upkeep().then((upkeep) => upkeep.run(signal)),
  ]);
}

async function runLogKeeper(base: Base, signal: AbortSignal): Promise<void> {
  const { createLogKeeper } = await import("./lake/log-keeper.ts");
  const holdMs = base.config.land.holdDays * 24 * HOUR_MS;
  await createLogKeeper({ ...base, clock: systemClock }, { everyMs: HOUR_MS, holdMs }).run(signal);
}
