#!/usr/bin/env node
/**
 * The command `muara`. Plain JavaScript that any Node understands: it checks the version, and where the Node that
 * runs it is too old it hands over to the one that package.json pins (`npm install` put it into node_modules).
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import module from "node:module";
import path from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import v8 from "node:v8";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

const beside = (name) => fileURLToPath(new URL(name, import.meta.url));

/** `^22.22.0 || >=24.12.0`, as package.json says. */
function isSupported(version) {
  const [major, minor] = version.split(".").map(Number);
  return (major === 22 && minor >= 22) || (major === 24 && minor >= 12) || major > 24;
}

function handOver(node) {
  const args = [...process.execArgv, fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  const env = { ...process.env, MUARA_HANDED_OVER: "1" };
  const child = spawn(node, args, { stdio: "inherit", env });
  for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    process.stderr.write(`muara: cannot start ${node}: ${error.message}\n`);
    process.exit(1);
  });
  child.on("close", (code, signal) => {
    if (!signal) process.exit(code);
    for (const own of SIGNALS) process.removeAllListeners(own);
    process.kill(process.pid, signal);
  });
}

function run() {
  const compiled = beside("dist/muara.js");
  const program = existsSync(compiled) ? compiled : beside("muara.ts");
  return import(pathToFileURL(program).href)
    .then((muara) => muara.run(process.argv.slice(2)))
    .then((exitCode) => (process.exitCode = exitCode));
}

/** Of this repository, or of the project that has installed the package: the nearest folder that has one. */
function findPinned() {
  const name = process.platform === "win32" ? "node.cmd" : "node";
  for (let folder = beside("."); ; folder = path.dirname(folder)) {
    const found = path.join(folder, "node_modules", ".bin", name);
    if (existsSync(found)) return found;
    if (path.dirname(folder) === folder) return undefined;
  }
}

const pinned = findPinned();
const isInstalled = beside(".").split(path.sep).includes("node_modules");
if ("Deno" in globalThis || isSupported(process.versions.node)) {
  delete process.env.MUARA_HANDED_OVER;
  // Stripped and compiled sources are kept in the system's temporary folder: half the CPU time of every start.
  module.enableCompileCache?.();
  // Many megabytes of buffers beside a small heap: V8 would collect it all again and again. Landing takes a third
  // less CPU with an old generation that may grow, publishing too with a young one that stays small and lets
  // buffers go early.
  if (!("Deno" in globalThis))
    for (const flag of ["--heap-growing-percent=200", "--semi-space-growth-factor=1"])
      v8.setFlagsFromString(flag);
  run().catch((error) => {
    process.stderr.write(`muara: ${error && error.stack ? error.stack : error}\n`);
    process.exitCode = 1;
  });
} else if (!process.env.MUARA_HANDED_OVER && pinned) {
  handOver(pinned);
} else {
  process.stderr.write(
    `muara needs Node ^22.22.0 or >=24.12.0; this is ${process.versions.node} (${process.execPath}).\n` +
      `Run "${isInstalled ? "npm install node@24" : "npm install"}" here, which brings the right one, ` +
      `or install a newer Node: https://nodejs.org/en/download\n`,
  );
  process.exitCode = 1;
}
