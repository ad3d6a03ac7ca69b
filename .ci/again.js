/**
 * A second try, alone on the machine, for the few test files that failed in a run on a busy one:
 * `node .ci/again.js list SUMMARY.json` prints the files, a line each, and none where more than four failed (that is no
 * unsteadiness); `node .ci/again.js join SUMMARY.json SECOND.json` puts the outcomes of the files that passed wholly
 * the second time, each with as many tests as the first time, into the first summary, and prints each test that was
 * unsteady. An unsteady test is a defect: it is named in the run's last lines until it is mended. Exits with 1 while
 * something is failed.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { relative } from "node:path";
import process from "node:process";

const MOST_FILES = 4;
const [, , command, path, secondPath] = process.argv;
const run = JSON.parse(readFileSync(path, "utf8"));

if (command === "list") list();
else join(JSON.parse(readFileSync(secondPath, "utf8")));

function list() {
  const failed = run.testResults.filter((file) => file.status !== "passed");
  if (failed.length > MOST_FILES) return;
  for (const file of failed) process.stdout.write(`${relative(process.cwd(), file.name)}\n`);
}

function join(second) {
  for (const again of second.testResults) {
    const at = run.testResults.findIndex((file) => file.name === again.name);
    const first = run.testResults[at];
    const passes = again.assertionResults.every((test) => test.status === "passed");
    if (!first || first.status === "passed" || again.status !== "passed" || !passes) continue;
    // A file whose import broke knew of no test.
    const known = first.assertionResults.length;
    if (known > 0 ? again.assertionResults.length !== known : again.assertionResults.length === 0) continue;
    run.testResults[at] = again;
    const names = first.assertionResults
      .filter((test) => test.status !== "passed")
      .map((test) => test.fullName);
    for (const name of names.length > 0 ? names : ["the whole file"])
      process.stdout.write(`unsteady: ${relative(process.cwd(), first.name)} > ${name}\n`);
  }
  const results = run.testResults.flatMap((file) => file.assertionResults);
  run.numTotalTests = results.length;
  run.numPassedTests = results.filter((test) => test.status === "passed").length;
  writeFileSync(path, JSON.stringify(run));
  if (run.testResults.some((file) => file.status !== "passed")) process.exitCode = 1;
}
