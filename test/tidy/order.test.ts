/** The groups and the order of test files name what is there, and each file is in one group. */
import { execFileSync } from "node:child_process";
import { matchesGlob } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { TestProjectInlineConfiguration } from "vitest/config";
import config, { LONG } from "../../vitest.config.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const listed = execFileSync("git", ["ls-files", "-z", "--", "test"], { cwd: ROOT, encoding: "utf8" });
const files = listed.split("\0").filter((file) => file.endsWith(".test.ts"));
const groups = (config.test?.projects ?? []).map(
  (project) => (project as TestProjectInlineConfiguration).test ?? {},
);

const isIn = (file: string, globs: readonly string[] | undefined): boolean =>
  (globs ?? []).some((glob) => matchesGlob(file, glob));

const groupsOf = (file: string): number =>
  groups.filter(({ include, exclude }) => isIn(file, include) && !isIn(file, exclude)).length;

test("each test file is in one group", () => {
  expect(files.length).toBeGreaterThan(100);
  expect(files.filter((file) => groupsOf(file) !== 1)).toEqual([]);
});

test("what is named is there, once", () => {
  const globs = groups.flatMap(({ include, exclude }) => [...(include ?? []), ...(exclude ?? [])]);
  expect(globs.filter((glob) => !files.some((file) => matchesGlob(file, glob)))).toEqual([]);
  expect(LONG.filter((name) => !files.includes(`test/${name}.test.ts`))).toEqual([]);
  expect(new Set(LONG).size).toBe(LONG.length);
});
