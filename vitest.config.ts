import { relative } from "node:path";
import { defineConfig, type ViteUserConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * Whole processes that are to be alone on the machine: they hold promises that have a number of seconds or bytes, or
 * kill by chance and ask afterwards that something was hit, or count on sessions that live for seconds, or rebuild what
 * others run from. Every other test waits for what it asks about, however long it takes.
 */
const ALONE: readonly string[] = [
  "test/fire/**/*.test.ts",
  "test/browser/budget.test.ts",
  ...[
    "capture",
    "capture-manners",
    "capture-shards",
    "compaction",
    "demo",
    "elasticsearch",
    "erasure-stop",
    "evolution",
    "extracts",
    "fahrschein",
    "figures",
    "jobs",
    "job-kills",
    "kill",
    "kill-cycles",
    "lake-on-s3",
    "lineage",
    "log-on-kafka",
    "many-writers",
    "metrics",
    "package",
    "pull",
    "pynakadi",
    "real-input",
    "removals",
    "replay",
    "schemathesis",
    "spread",
    "traces",
  ].map((name) => `test/e2e/${name}.test.ts`),
];

/** Under `test/`, the longest first: all that takes half a minute or more where little else runs. */
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
  "browser/sources-pages",
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

/**
 * The order where nothing is known of an earlier run: vitest's own goes by the files' lengths in bytes, and a short one
 * that takes minutes would be the last, with the other processors idle beside it.
 */
class LongestFirst extends BaseSequencer {
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

/**
 * Three groups, one after the other: the parts, and then whole processes, two files at a time; at last what has to be
 * alone. The long files of a group come first, so that no processor waits for the last one.
 */
const config: ViteUserConfig = defineConfig({
  test: {
    globalSetup: ["test/services/setup.ts"],
    setupFiles: ["test/services/seed.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // A second is too short for a page where others use the machine, too.
    expect: { poll: { timeout: 15_000 } },
    pool: "forks",
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: "parts",
          include: ["test/**/*.test.ts"],
          exclude: ["test/e2e/**", ...ALONE],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "whole",
          include: ["test/e2e/**/*.test.ts"],
          exclude: [...ALONE],
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: "alone",
          include: [...ALONE],
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});

export default config;
