import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { KERNEL_VERSION } from "../../core/kernel-abi.ts";
import { kernelModule } from "./support.ts";

const build = fileURLToPath(new URL("../../core-as/build.js", import.meta.url));

test("the committed module is what the sources give", { timeout: 300_000 }, () => {
  const run = spawnSync(process.execPath, [build, "--check"], { encoding: "utf8" });
  expect([run.status, run.stderr]).toEqual([0, ""]);
});

test("the module imports nothing, and its version is the host's", () => {
  expect(WebAssembly.Module.imports(kernelModule)).toEqual([]);
  const source = readFileSync(new URL("../../core-as/index.ts", import.meta.url), "utf8");
  expect(source).toContain(`const VERSION: u32 = ${KERNEL_VERSION};`);
});
