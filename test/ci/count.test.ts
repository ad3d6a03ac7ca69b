/** CI's counter of test runs against summaries that try to fool it. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "muara-count-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Outcome {
  readonly name: string;
  readonly status: string;
  readonly assertionResults: readonly { readonly status: string }[];
}

const outcome = (
  statuses: readonly string[],
  name = "test/ci/count.test.ts",
  status = "passed",
): Outcome => ({
  name: join(root, name),
  status,
  assertionResults: statuses.map((one, at) => ({ status: one, fullName: `test ${at}` })),
});

/** What the counter prints for a summary that is consistent but for `override`. */
function countOf(files: readonly Outcome[], exit: number, override: object = {}): string {
  const all = files.flatMap((file) => file.assertionResults);
  const numPassedTests = all.filter((one) => one.status === "passed").length;
  const path = join(folder, "summary.json");
  const summary = { numTotalTests: all.length, numPassedTests, testResults: files, ...override };
  writeFileSync(path, JSON.stringify(summary));
  return run(path, exit);
}

function run(path: string, exit: number): string {
  const argv = [".ci/count.js", path, String(exit), "test/ci"];
  return execFileSync(process.execPath, argv, { cwd: root, encoding: "utf8" }).trim();
}

/** What the second try exits with, and what it prints. */
function again(...argv: readonly string[]): readonly [number | null, string] {
  const ran = spawnSync(process.execPath, [".ci/again.js", ...argv], { cwd: root, encoding: "utf8" });
  return [ran.status, ran.stdout.trim()];
}

describe("a second try", () => {
  const first = join(folder, "first.json");
  const second = join(folder, "second.json");
  const write = (path: string, files: readonly Outcome[]) =>
    writeFileSync(path, JSON.stringify({ testResults: files }));
  const name = "test/ci/count.test.ts";
  const failing = outcome(["passed", "failed"], name, "failed");
  const broken = outcome([], "test/x.test.ts", "failed");

  test("is for the files that failed, unless they are many", () => {
    write(first, [outcome(["passed"], "test/docs.test.ts"), failing, broken]);
    expect(again("list", first)).toEqual([0, `${name}\ntest/x.test.ts`]);
    write(
      first,
      ["a", "b", "c", "d", "e"].map((one) => outcome([], `test/${one}.test.ts`, "failed")),
    );
    expect(again("list", first)).toEqual([0, ""]);
  });

  test("counts for what passes then, and names it", () => {
    write(first, [outcome(["passed"], "test/docs.test.ts"), failing, broken]);
    write(second, [outcome(["passed", "passed"]), outcome(["passed"], "test/x.test.ts")]);
    const [status, printed] = again("join", first, second);
    expect(printed).toBe(`unsteady: ${name} > test 1\nunsteady: test/x.test.ts > the whole file`);
    expect(status).toBe(0);
    expect(run(first, 0)).toBe("4 0");
  });

  const fooled: readonly (readonly [string, readonly Outcome[]])[] = [
    ["a test that fails again", [failing]],
    ["fewer tests", [outcome(["passed"])]],
    ["a skipped test", [outcome(["passed", "skipped"])]],
    ["another file", [outcome(["passed", "passed"], "test/docs.test.ts")]],
    ["none", []],
  ];
  test.each(fooled)("is not fooled by %s", (_name, files) => {
    write(first, [failing]);
    write(second, files);
    expect(again("join", first, second)).toEqual([1, ""]);
    expect(run(first, 1)).toBe("1 1");
  });
});

describe("the count of a test run", () => {
  test("is what passed and what failed", () => {
    expect(countOf([outcome(["passed", "passed"])], 0)).toBe("2 0");
    expect(countOf([outcome(["passed", "failed"], undefined, "failed")], 1)).toBe("1 1");
  });

  const fooled: readonly (readonly [string, string, RegExp])[] = [
    ["no summary", run(join(folder, "none.json"), 0), /^0 1 no summary/],
    ["no test", countOf([], 0), /^0 2 no test ran .*count\.test\.ts ran no test/],
    ["a skipped test", countOf([outcome(["passed", "skipped", "todo"])], 0), /^1 1 2 tests were skipped/],
    ["a file that was not run", countOf([outcome(["passed"], "test/docs.test.ts")], 0), /^1 1 .*ran no test/],
    [
      "a file that broke on import",
      countOf([outcome(["passed"]), outcome([], "test/x.test.ts", "failed")], 1),
      /^1 1 .*failed outside of its tests/,
    ],
    ["an exit code without a failed test", countOf([outcome(["passed"])], 1), /^1 1 the run ended with 1/],
    [
      "a contradiction",
      countOf([outcome(["passed"])], 0, { numPassedTests: 7 }),
      /^1 1 the summary says 7 of 1/,
    ],
  ];
  test.each(fooled)("is not fooled by %s", (_name, printed, expected) => {
    expect(printed).toMatch(expected);
  });
});
