/**
 * The house rules of `CONTRIBUTING.md`, as a test over every file that git sees. Each rule is shown to bite in
 * `test/tidy/planted.test.ts`.
 */
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { RULES } from "./tidy/rules.ts";
import { longFiles } from "./tidy/shape.ts";
import { listSourceFiles } from "./tidy/source-file.ts";

const files = listSourceFiles(fileURLToPath(new URL("..", import.meta.url)));

describe("the house", () => {
  test.each(RULES)("%s", (_name, rule) => {
    expect(rule(files).join("\n")).toBe("");
  });

  test("files over the aim of 250 lines are few", () => {
    const long = longFiles(files);
    if (long.length > 0) console.log(`longer than 250 lines:\n  ${long.join("\n  ")}`);
    expect(long.length).toBeLessThan(files.length / 4);
  });
});
