/** GET /metrics: OpenMetrics of the tables that the token may read as a whole. */
import type { Hono } from "hono";
import { isAuthorized } from "../../core/authorize.ts";
import { OPEN_METRICS_TYPE, renderMetrics, type Sample } from "../../core/open-metrics.ts";
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
    // They name what the configuration declares, for who may see all of it.
    const mayAll = isAuthorized(context.get("principal"), "read", { kind: "system", name: "metrics" });
    if (mayAll) samples.push(...(ports.gauges ?? []).flatMap((gauge) => gauge()));
    return context.body(renderMetrics(samples), 200, { "content-type": OPEN_METRICS_TYPE });
  });
}
