/**
 * The package as npm gives it to others: packed from the tracked files, installed into an empty folder, started there,
 * used by a configuration file and by a program in TypeScript, and judged by two linters of packages.
 */
import { execFile, spawn } from "node:child_process";
import { cp, mkdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { VERSION } from "../../muara.ts";
import { freePort } from "../services/free-port.ts";
import { eventually, temporaryFolder } from "../services/muara.ts";
import { listSourceFiles } from "../tidy/source-file.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const BYTES_MAX = 5_000_000;
const STEP_MS_MAX = 300_000;
const EXPECTED = [
  /^dist\/.+\.(js|d\.ts|wasm)$/,
  /^dist\/dist-dashboard\/(index\.html|assets\/.+\.(js|css|svg)\.gz)$/,
  /^dist\/api\/openapi-examples\.json$/,
  /^docs\/(ERRORS|CONFIG)\.md$/,
  /^(muara\.js|package\.json|[A-Z]+(\.md)?)$/,
];
/** Fetched by npx for this test alone, so that nobody installs 100 packages for it. */
const LINTERS: readonly (readonly [string, readonly string[]])[] = [
  ["publint@0.3.25", ["--strict"]],
  ["@arethetypeswrong/cli@0.18.5", ["--profile", "esm-only", "--no-emoji"]],
];

interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

interface Ended {
  readonly code: number;
  readonly out: string;
}

const cleanups: (() => Promise<unknown>)[] = [];
let packed: Packed;
let archive: string;
/** Where somebody installed it. */
let user: string;

/** The Node that runs the tests stands first in PATH: `npx` and the bin take it. */
function environment(): NodeJS.ProcessEnv {
  const { PATH = "", HOME } = process.env;
  const npm = Object.entries(process.env).filter(([name]) =>
    /^(npm_config_|https?_proxy|no_proxy|SSL_|NODE_EXTRA)/i.test(name),
  );
  return {
    ...Object.fromEntries(npm),
    PATH: `${dirname(process.execPath)}:${PATH}`,
    HOME,
    CI: "true",
    NO_COLOR: "1",
  };
}

async function execute(folder: string, command: string, ...args: readonly string[]): Promise<Ended> {
  try {
    const options = { cwd: folder, env: environment(), timeout: STEP_MS_MAX, maxBuffer: 64 * 1024 * 1024 };
    const { stdout } = await promisify(execFile)(command, args, options);
    return { code: 0, out: stdout };
  } catch (error) {
    const { code, stdout = "", stderr = "" } = error as { code?: number; stdout?: string; stderr?: string };
    return { code: typeof code === "number" ? code : 1, out: stdout + stderr };
  }
}

async function done(folder: string, command: string, ...args: readonly string[]): Promise<string> {
  const { code, out } = await execute(folder, command, ...args);
  expect(code, `${command} ${args.join(" ")}\n${out}`).toBe(0);
  return out;
}

beforeAll(async () => {
  const folder = await temporaryFolder("package");
  cleanups.push(folder.remove);
  // Packing compiles into dist/, which the repository's own muara.js would run from then on: so it is done elsewhere.
  const source = join(folder.path, "source");
  for (const { path } of listSourceFiles(ROOT)) {
    await mkdir(join(source, dirname(path)), { recursive: true });
    await cp(join(ROOT, path), join(source, path));
  }
  await symlink(join(ROOT, "node_modules"), join(source, "node_modules"));
  [packed] = JSON.parse(await done(source, "npm", "pack", "--json", "--pack-destination", folder.path)) as [
    Packed,
  ];
  archive = join(folder.path, packed.filename);
  user = join(folder.path, "user");
  await mkdir(user);
  await writeFile(join(user, "package.json"), '{ "private": true, "type": "module" }\n');
  await done(user, "npm", "install", "--no-audit", "--no-fund", archive);
}, 600_000);
afterAll(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup();
});

describe("the package", { timeout: STEP_MS_MAX }, () => {
  test("is small, and has what runs, its types and its pages, and nothing else", async () => {
    expect((await stat(archive)).size).toBe(packed.size);
    expect(packed.unpackedSize).toBeLessThan(BYTES_MAX);
    const paths = packed.files.map(({ path }) => path);
    expect(paths.filter((path) => !EXPECTED.some((pattern) => pattern.test(path)))).toEqual([]);
    expect(paths.filter((path) => /(^|\/)(test|bench)\//.test(path))).toEqual([]);
    for (const path of ["LICENSE", "README.md", "muara.js", "dist/muara.d.ts", "dist/core-as/kernel.wasm"])
      expect(paths).toContain(path);
    const scripts = paths.filter((path) => /^dist\/.*\.js$/.test(path));
    expect(scripts.length).toBeGreaterThan(300);
    expect(paths).toContain("dist/core/config.d.ts");
  });

  test("runs where it was installed: a server, an event, an answer", async () => {
    expect((await done(user, "npx", "--no-install", "muara", "--version")).trim()).toBe(VERSION);
    const url = await startDev(await freePort());
    const token = (await readFile(join(user, ".muara", "token"), "utf8")).trim();
    const post = async (path: string, body: unknown): Promise<number> => {
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
      return (await fetch(url + path, { method: "POST", headers, body: JSON.stringify(body) })).status;
    };
    const schema = JSON.stringify({ type: "object", properties: { sku: { type: "string" } } });
    const type = { name: "shop.sale", owning_application: "me", category: "business" };
    expect(await post("/event-types", { ...type, schema: { type: "json_schema", schema } })).toBe(201);
    const metadata = { eid: "0b7a5d4e-6c1b-4f0e-9a53-2f1d0c9be001", occurred_at: "2026-03-01T12:00:00Z" };
    expect(await post("/event-types/shop.sale/events", [{ metadata, sku: "shoes-118" }])).toBe(200);
    let answer = "";
    await eventually("the event has landed", 60_000, async () => {
      const query = ["sql", "SELECT sku FROM shop_sale", "--url", url, "-o", "csv"];
      answer = (await execute(user, "npx", "--no-install", "muara", ...query)).out;
      return answer.includes("shoes-118");
    });
    expect(answer.trim().split(/\r?\n/)).toEqual(["sku", "shoes-118"]);
  });

  test("types a configuration file, and a program", async () => {
    const config = 'import { defineConfig } from "muara";\nexport default defineConfig({ port: 18_080 });\n';
    await writeFile(join(user, "own.config.ts"), config);
    const shown = await done(
      user,
      "npx",
      "--no-install",
      "muara",
      "config",
      "show",
      "--config",
      "own.config.ts",
    );
    expect(shown).toMatch(/^port +18080 +file/m);
    const program = [
      'import { defineConfig, run, startWorkers, VERSION } from "muara";',
      "export const ended: Promise<number> = run([VERSION satisfies string]);",
      "export const start = startWorkers;",
      "// @ts-expect-error a port is a number",
      'export default defineConfig({ port: "8080" });',
    ];
    await writeFile(join(user, "program.ts"), program.join("\n"));
    const flags = [
      "--noEmit",
      "--strict",
      "--module",
      "nodenext",
      "--target",
      "es2024",
      "--lib",
      "es2024,dom,esnext",
    ];
    const compiler = join(ROOT, "node_modules", ".bin", "tsc");
    const { out } = await execute(user, compiler, ...flags, "--types", "", "own.config.ts", "program.ts");
    // Libraries are checked, too; what others got wrong in theirs is not ours.
    const lines = out.split("\n").filter((line) => line.includes("error TS"));
    expect(lines.filter((line) => !/^node_modules\/(?!muara\/)/.test(line))).toEqual([]);
  });

  test.each(LINTERS)("passes %s", async (name, flags) => {
    await done(user, "npx", "--yes", name, ...flags, archive);
  });
});

/** `npx muara dev` as a user starts it. @returns its address, when it is ready; stopped after the tests */
async function startDev(port: number): Promise<string> {
  const args = ["--no-install", "muara", "dev", "--port", String(port)];
  const child = spawn("npx", args, {
    cwd: user,
    env: environment(),
    stdio: ["ignore", "ignore", "pipe"],
    detached: true,
  });
  let log = "";
  child.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  cleanups.push(async () => {
    // The group: npx does not pass signals on to everything that it started.
    process.kill(-child.pid!, "SIGTERM");
    await ended;
  });
  await eventually("muara dev is ready", 120_000, () => {
    if (child.exitCode !== null) throw new Error(`muara dev ended:\n${log}`);
    return Promise.resolve(log.includes("ready on"));
  });
  return `http://127.0.0.1:${port}`;
}
