import { defineConfig, type ViteUserConfig } from "vitest/config";

/**
 * Two groups, one after the other: the parts, side by side; then whole processes, each alone on the machine, because
 * they hold promises that have a number.
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
          include: ["test/e2e/**/*.test.ts", "test/fire/**/*.test.ts"],
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});

export default config;
