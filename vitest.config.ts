import { defineConfig, type ViteUserConfig } from "vitest/config";
import { LongestFirst } from "./test/services/longest-first.ts";

/**
 * Whole processes that are to be alone on the machine: they hold promises that have a number of seconds or bytes, or
 * kill by chance and ask afterwards that something was hit, or count on sessions that live for seconds, or rebuild what
 * others run from. Every other test waits for what it asks about, however long it takes.
 */
const ALONE: readonly string[] = [
  "test/fire/**/*.test.ts",
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
          exclude: ["test/e2e/**", "test/fire/**"],
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
