/**
 * GET /metrics: OpenMetrics of the tables that the token may read as a whole, and of the process for who may see it.
 * What cannot be had is left out, and logged: metrics are wanted most when something does not answer.
 */
import type { Hono } from "hono";
import { isAssertion } from "../../core/assert.ts";
import { isAuthorized } from "../../core/authorize.ts";
import type { Delivery } from "../../core/delivery.ts";
import {
  type AnySample,
  type Gauge,
  metricsFormat,
  OPEN_METRICS_TYPE,
  renderMetrics,
  type Sample,
  TEXT_TYPE,
} from "../../core/open-metrics.ts";
import type { Job } from "../../core/job.ts";
import type { Logger } from "../../core/logger.ts";
import { lagOfDelivery } from "../delivery-lag.ts";
import { lagOfJob } from "../job-answer.ts";
import { wholeTables, type ApiContext, type ApiEnv, type ApiPorts } from "../context.ts";
import { IcebergLags } from "../iceberg-lags.ts";
import { inTime } from "../in-time.ts";

const MS = 1_000;
/** Half of what Prometheus waits for an answer unless it is told otherwise. */
const LAKE_MS = 5_000;

export function addMetricsRoute(app: Hono<ApiEnv>, ports: ApiPorts): void {
  const lags = new IcebergLags(ports);
  app.get("/metrics", async (context) => {
    const lake = async (): Promise<readonly AnySample[]> => {
      const tables = await wholeTables(ports, context.get("principal"));
      const names = new Set(tables.map(({ name }) => name));
      return [
        ...(await icebergLags(lags, tables)),
        ...(await jobLags(ports, names)),
        ...(await deliveryLags(ports, names)),
      ];
    };
    const [found, own] = await Promise.all([
      told(ports.logger, () => inTime(ports.clock, LAKE_MS, lake())),
      processSamples(ports, context),
    ]);
    return metricsAnswer(context, [...found, ...own]);
  });
}

async function told(logger: Logger, gauge: Gauge): Promise<readonly AnySample[]> {
  try {
    return await gauge();
  } catch (error) {
    if (isAssertion(error)) throw error;
    logger.warn("a part of the metrics is missing", { error });
    return [];
  }
}

/** What the process itself has to tell, which names what is declared, for who may see all of it. */
export async function processSamples(
  { gauges = [], logger }: { readonly gauges?: readonly Gauge[]; readonly logger: Logger },
  context: ApiContext,
): Promise<readonly AnySample[]> {
  if (!isAuthorized(context.get("principal"), "read", { kind: "system", name: "metrics" })) return [];
  return (await Promise.all(gauges.map((gauge) => told(logger, gauge)))).flat();
}

export function metricsAnswer(context: ApiContext, samples: readonly AnySample[]): Response {
  const format = metricsFormat(context.req.header("accept") ?? null);
  const type = format === "text" ? TEXT_TYPE : OPEN_METRICS_TYPE;
  return context.body(renderMetrics(samples, format), 200, { "content-type": type, vary: "accept" });
}

/** A metric that is not known is left out. */
function known(
  labels: Readonly<Record<string, string>>,
  values: readonly (readonly [Sample["name"], number | null])[],
): readonly Sample[] {
  return values.flatMap(([name, value]) => (value === null ? [] : [{ name, labels, value }]));
}

async function icebergLags(
  lags: IcebergLags,
  tables: Parameters<IcebergLags["of"]>[0],
): Promise<readonly Sample[]> {
  return (await lags.of(tables)).flatMap(({ table, version, behindVersions, behindMs }) => [
    { name: "muara_iceberg_behind_seconds", labels: { table }, value: behindMs / MS },
    { name: "muara_iceberg_behind_versions", labels: { table }, value: behindVersions },
    { name: "muara_iceberg_version", labels: { table }, value: version },
  ]);
}

/** How far jobs are behind their inputs, of those whose results the asker may read. */
async function jobLags(ports: ApiPorts, tables: ReadonlySet<string>): Promise<readonly Sample[]> {
  const jobs = ports.registry.list<Job>("job").flatMap(({ value }) => {
    return value && tables.has(value.output) ? [value] : [];
  });
  const found = await Promise.all(
    jobs.map(async (job): Promise<readonly Sample[]> => {
      const lag = await lagOfJob(ports, job, await ports.catalog.snapshot(job.output));
      const { behindVersions, behindMs } = lag;
      return known({ job: job.name }, [
        ["muara_job_behind_versions", behindVersions],
        ["muara_job_behind_seconds", behindMs === null ? null : behindMs / MS],
      ]);
    }),
  );
  return found.flat();
}

/** The same of deliveries and their tables. */
async function deliveryLags(ports: ApiPorts, tables: ReadonlySet<string>): Promise<readonly Sample[]> {
  const deliveries = ports.registry.list<Delivery>("delivery").flatMap(({ value }) => {
    return value && tables.has(value.table) ? [value] : [];
  });
  const found = await Promise.all(
    deliveries.map(async (delivery): Promise<readonly Sample[]> => {
      const { behindVersions, lagMs } = await lagOfDelivery(ports, delivery);
      return known({ delivery: delivery.name }, [
        ["muara_delivery_behind_versions", behindVersions],
        ["muara_delivery_behind_seconds", lagMs === null ? null : lagMs / MS],
      ]);
    }),
  );
  return found.flat();
}
