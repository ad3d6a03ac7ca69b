/** GET /metrics: OpenMetrics of the tables that the token may read as a whole. */
import type { Hono } from "hono";
import { isAuthorized } from "../../core/authorize.ts";
import { OPEN_METRICS_TYPE, renderMetrics, type Sample } from "../../core/open-metrics.ts";
import type { Job } from "../../core/job.ts";
import { lagOfJob } from "../job-answer.ts";
import { wholeTables, type ApiEnv, type ApiPorts } from "../context.ts";
import { IcebergLags } from "../iceberg-lags.ts";

const MS = 1_000;

export function addMetricsRoute(app: Hono<ApiEnv>, ports: ApiPorts): void {
  const lags = new IcebergLags(ports);
  app.get("/metrics", async (context) => {
    const tables = await wholeTables(ports, context.get("principal"));
    const samples: Sample[] = (await lags.of(tables)).flatMap(
      ({ table, version, behindVersions, behindMs }): readonly Sample[] => [
        { name: "muara_iceberg_behind_seconds", labels: { table }, value: behindMs / MS },
        { name: "muara_iceberg_behind_versions", labels: { table }, value: behindVersions },
        { name: "muara_iceberg_version", labels: { table }, value: version },
      ],
    );
    samples.push(...(await jobLags(ports, new Set(tables.map(({ name }) => name)))));
    // They name what the configuration declares, for who may see all of it.
    const mayAll = isAuthorized(context.get("principal"), "read", { kind: "system", name: "metrics" });
    if (mayAll) samples.push(...(ports.gauges ?? []).flatMap((gauge) => gauge()));
    return context.body(renderMetrics(samples), 200, { "content-type": OPEN_METRICS_TYPE });
  });
}

/** How far jobs are behind their inputs, of those whose results the asker may read. */
async function jobLags(ports: ApiPorts, tables: ReadonlySet<string>): Promise<readonly Sample[]> {
  const jobs = ports.registry.list<Job>("job").flatMap(({ value }) => {
    return value && tables.has(value.output) ? [value] : [];
  });
  const found = await Promise.all(
    jobs.map(async (job): Promise<readonly Sample[]> => {
      const lag = await lagOfJob(ports, job, await ports.catalog.snapshot(job.output));
      const labels = { job: job.name };
      const { behindVersions, behindMs } = lag;
      return [
        ...(behindVersions === null
          ? []
          : [{ name: "muara_job_behind_versions" as const, labels, value: behindVersions }]),
        ...(behindMs === null
          ? []
          : [{ name: "muara_job_behind_seconds" as const, labels, value: behindMs / MS }]),
      ];
    }),
  );
  return found.flat();
}
