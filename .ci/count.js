/**
 * Counts one vitest run: `node .ci/count.js SUMMARY.json EXIT_STATUS FOLDER...` prints "PASSED FAILED why…".
 * What cannot be counted has failed: no summary, a summary that contradicts itself, tests that did not run, test
 * files in the folders that the run did not see, a failing exit without a failing test.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";

const [, , path, status, ...folders] = process.argv;
const reasons = [];
let passed = 0;
let failed = 0;

function fail(reason) {
  failed++;
  reasons.push(reason);
}

function count() {
  let run;
  try {
    run = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    fail(`no summary: ${error.message}`);
    return;
  }
  const results = run.testResults.flatMap((file) => file.assertionResults);
  passed = results.filter((test) => test.status === "passed").length;
  const broken = results.filter((test) => test.status === "failed").length;
  failed += broken;
  const other = results.length - passed - broken;
  if (other > 0) fail(`${other} tests were skipped or left for later`);
  if (results.length === 0) fail("no test ran");
  if (run.numTotalTests !== results.length || run.numPassedTests !== passed)
    fail(
      `the summary says ${run.numPassedTests} of ${run.numTotalTests}, its results ${passed} of ${results.length}`,
    );
  const listed = execFileSync("git", ["-c", "safe.directory=*", "ls-files", "-z", "--", ...folders], {
    encoding: "utf8",
  });
  const known = listed.split("\0").filter((file) => file.endsWith(".test.ts"));
  const seen = new Set(
    run.testResults.filter((file) => file.assertionResults.length > 0).map((file) => resolve(file.name)),
  );
  for (const file of known) if (!seen.has(resolve(file))) fail(`${file} ran no test`);
  for (const file of run.testResults)
    if (file.status !== "passed" && file.assertionResults.every((test) => test.status !== "failed"))
      fail(`${file.name} failed outside of its tests`);
}

count();
if (status !== "0" && failed === 0) fail(`the run ended with ${status} although no test failed`);
process.stdout.write(`${[passed, failed, ...reasons.slice(0, 20)].join(" ").replaceAll("\n", " ")}\n`);
