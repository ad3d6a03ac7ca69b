/** The bin `muara.js`: runs where Node is new enough, hands over where it is not, else says what to do. */
import { execFile } from "node:child_process";
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const BIN = fileURLToPath(new URL("../../../muara.js", import.meta.url));

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "muara-bin-"));
  await copyFile(BIN, path.join(folder, "muara.js"));
  await writeFile(path.join(folder, "package.json"), '{"type":"module"}');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number | string | null | undefined;
  readonly signal: string | null | undefined;
  readonly out: string;
  readonly err: string;
}

/** Runs the bin in its folder, as if by Node `version`. */
function run(
  version: string,
  argv: readonly string[],
  killAfterMs?: number,
  bin = "muara.js",
): Promise<Ended> {
  const disguise = `data:text/javascript,Object.defineProperty(process.versions,"node",{value:"${version}"})`;
  const args = ["--import", disguise, path.join(folder, bin), ...argv];
  return new Promise((resolve) => {
    const child = execFile(process.execPath, args, (error, out, err) => {
      const failed = error as (Error & { code?: number; signal?: string }) | null;
      resolve({ code: failed ? failed.code : 0, signal: failed?.signal, out, err });
    });
    if (killAfterMs !== undefined)
      child.stdout?.once("data", () => setTimeout(() => child.kill("SIGTERM"), killAfterMs));
  });
}

async function placeNode(script: string): Promise<void> {
  const bin = path.join(folder, "node_modules", ".bin");
  await mkdir(bin, { recursive: true });
  await writeFile(path.join(bin, "node"), `#!/bin/sh\n${script}\n`);
  await chmod(path.join(bin, "node"), 0o755);
}

describe("the bin", () => {
  test.each(["22.22.0", "24.12.0", "24.99.1", "25.0.0", "26.1.0"])(
    "runs the program on Node %s",
    async (version) => {
      await writeFile(path.join(folder, "muara.ts"), "export const run = async (argv) => argv.length + 40;");
      expect(await run(version, ["a", "b"])).toMatchObject({ code: 42 });
    },
  );

  test("prefers what was compiled", async () => {
    await writeFile(path.join(folder, "muara.ts"), "export const run = async () => 1;");
    await mkdir(path.join(folder, "dist"));
    await writeFile(path.join(folder, "dist", "muara.js"), "export const run = async () => 43;");
    expect(await run("24.12.0", [])).toMatchObject({ code: 43 });
  });

  test.each(["12.20.0", "20.19.0", "22.21.9", "23.11.0", "24.11.1"])(
    "hands over from Node %s",
    async (version) => {
      await placeNode('for each in "$@"; do last="$each"; done; echo "given $last"; exit 44');
      expect(await run(version, ["x", "the last"])).toEqual({
        code: 44,
        signal: null,
        out: "given the last\n",
        err: "",
      });
    },
  );

  test("passes signals on", async () => {
    await placeNode("trap 'echo told; exit 45' TERM; echo ready; while :; do sleep 0.05; done");
    expect(await run("20.0.0", [], 50)).toMatchObject({ code: 45, out: "ready\ntold\n" });
  });

  test("says what to do where there is nothing to hand over to", async () => {
    const ended = await run("20.0.0", []);
    expect(ended.code).toBe(1);
    expect(ended.err).toMatch(/needs Node \^22\.22\.0 or >=24\.12\.0; this is 20\.0\.0.*\n.*npm install/);
  });

  test("where it is installed as a package: takes the project's Node, else says how to get one", async () => {
    const installed = path.join(folder, "node_modules", "muara");
    await mkdir(installed, { recursive: true });
    await copyFile(BIN, path.join(installed, "muara.js"));
    await writeFile(path.join(installed, "package.json"), '{"type":"module"}');
    const bin = path.join("node_modules", "muara", "muara.js");
    const without = await run("20.0.0", ["dev"], undefined, bin);
    expect([without.code, without.err]).toEqual([
      1,
      expect.stringContaining('Run "npm install node@24" here'),
    ]);
    await placeNode("exit 46");
    expect(await run("20.0.0", ["dev"], undefined, bin)).toMatchObject({ code: 46, err: "" });
  });

  test("does not hand over for ever", async () => {
    await placeNode(`exec "${process.execPath}" "$@"`);
    // The one handed over to is disguised as well: it must stop, not start another.
    const ended = await run("20.0.0", []);
    expect([ended.code, ended.err]).toEqual([1, expect.stringContaining("needs Node")]);
  });
});
