/**
 * The order of test files where nothing is known of an earlier run: vitest's own goes by their lengths in bytes, and a
 * short file that takes minutes would be the last one, with the other processors idle beside it.
 */
import { relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Under `test/`, the longest first; all that takes half a minute or more where little else runs. */
export const LONG: readonly string[] = [
  "e2e/documentation",
  "lake/job/oracle",
  "lake/query/escape",
  "e2e/notebooks",
  "browser/business-pages",
  "api/rights",
  "adapters/elasticsearch/sink",
  "sim/sim",
  "browser/house-pages",
  "lake/job-export/spark",
  "e2e/reference",
  "lake/parquet/spark",
  "bench/scale-model",
  "api/jobs",
  "lake/query/parts",
  "workers/alert/rules",
  "browser/tables",
  "browser/dead-letters",
  "browser/watch",
  "browser/extracts",
  "e2e/sharing",
  "lake/extract/make-feed",
  "e2e/processes",
  "lake/current/merge",
  "adapters/kafka/ownership",
  "api/cli/every-command",
  "api/cli/manners",
  "e2e/iceberg",
  "e2e/spark-tables",
  "lake/current/current",
  "workers/stream/job-run",
  "browser/query",
  "api/read-side",
  "lake/job-export/flink",
  "workers/stream/two-owners",
  "workers/alert/two-owners",
  "adapters/pg/replication-faults",
  "lake/query/mutants",
  "adapters/s3/log-server",
  "adapters/s3/bad-days",
  "property/landing",
];
const PLACES: ReadonlyMap<string, number> = new Map(LONG.map((name, place) => [name, place]));

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => groupOf(a) - groupOf(b) || placeOf(a) - placeOf(b));
  }
}

function groupOf({ project }: TestSpecification): number {
  return project.config.sequence.groupOrder;
}

function placeOf({ project, moduleId }: TestSpecification): number {
  const name = relative(`${project.config.root}/test`, moduleId).replace(/\.test\.ts$/, "");
  return PLACES.get(name) ?? LONG.length;
}
