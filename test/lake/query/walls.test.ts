/**
 * The walls around a query process, tried from inside by a program that may do what it likes: what it sees of the
 * machine, what it can write, whom it can reach, and that it does not outlive a service that is killed.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../../core/clock.ts";
import { configSchema } from "../../../core/config.ts";
import { silentLogger } from "../../../core/logger.ts";
import { confinedLaunch, planWalls, type Walls } from "../../../lake/query/launcher.ts";
import { ProcessPool } from "../../../lake/query/process-pool.ts";
import { makeTempFolder, sweepTempFolders } from "../../../lake/query/temp-folder.ts";

const isLinux = process.platform === "linux";
const POOL = fileURLToPath(new URL("../../../lake/query/process-pool.ts", import.meta.url));
const CORE = fileURLToPath(new URL("../../../core", import.meta.url));

let folder: string;
let lake: string;

beforeAll(async () => {
  // With a blank, because mounts are written as text.
  folder = await realpath(await mkdtemp(path.join(os.tmpdir(), "muara walls-")));
  lake = path.join(folder, "lake");
  await mkdir(lake);
  await writeFile(path.join(lake, "a.parquet"), "of the lake");
  await writeFile(path.join(folder, "outside"), "canary");
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Says what it could do, one JSON object. */
const INTRUDER = `
import fs from "node:fs"; import net from "node:net"; import os from "node:os";
const [lake, outside, own, code, library, port, parent] = process.argv.slice(2);
const attempt = (act) => { try { return act() ?? "done"; } catch (error) { return error.code ?? String(error); } };
const connect = await new Promise((resolve) => {
  const socket = net.connect(Number(port), "127.0.0.1", () => resolve("connected"));
  socket.on("error", (error) => resolve(error.code));
});
process.stdout.write(JSON.stringify({
  readLake: attempt(() => fs.readFileSync(lake + "/a.parquet", "utf8")),
  readOutside: attempt(() => fs.readFileSync(outside, "utf8")),
  readPasswords: attempt(() => fs.readFileSync("/etc/passwd", "utf8")),
  writeLake: attempt(() => fs.writeFileSync(lake + "/a.parquet", "x")),
  writeNew: attempt(() => fs.writeFileSync(lake + "/b.parquet", "x")),
  writeOutside: attempt(() => fs.writeFileSync(outside, "x")),
  writeCode: attempt(() => fs.writeFileSync(code + "/x", "x")),
  writeLibrary: attempt(() => fs.writeFileSync(library + "/x", "x")),
  writeRoot: attempt(() => fs.writeFileSync("/x", "x")),
  writeOwn: attempt(() => fs.writeFileSync(own + "/x", "x")),
  writeLong: attempt(() => { process.on("SIGXFSZ", () => {}); fs.writeFileSync(own + "/long", Buffer.alloc(3e6)); }),
  killParent: attempt(() => process.kill(Number(parent), 0) && "alive"),
  root: fs.readdirSync("/").sort(),
  interfaces: Object.keys(os.networkInterfaces()),
  processes: attempt(() => fs.readdirSync("/proc").join()),
  pid: process.pid,
  connect,
}));
`;

async function launchWalls(): Promise<{ walls: Walls | string; root: string }> {
  const root = await mkdtemp(path.join(folder, "root-"));
  return { walls: await planWalls({ root, lake, ...LIMITS }), root };
}

const LIMITS = { memoryBytes: 6e8, engineBytes: 3e8, threads: 1, spillBytes: 1e9, fileBytes: 1_000_000 };

/** Whether namespaces work here: asked of the product, which says so by its layers. */
async function hasNamespaces(): Promise<boolean> {
  const pool = openPool("auto");
  const layers = await pool.layers();
  await pool.close();
  return layers.includes("namespaces");
}

function openPool(namespace: "auto" | "required" | "off"): ProcessPool {
  const options = { ...configSchema.parse({}).query, warm: 0, namespace };
  return new ProcessPool({ options, lake, clock: systemClock, logger: silentLogger });
}

describe("inside the walls", () => {
  test("there is the lake to read, one folder to write, and nobody else", async () => {
    if (!(await hasNamespaces())) return console.log("no namespaces on this machine: walls not tried");
    const { walls, root } = await launchWalls();
    if (typeof walls === "string") throw new Error(walls);
    const own = await mkdtemp(path.join(root, "q-"));
    await writeFile(path.join(own, "intruder.mjs"), INTRUDER);
    const launch = await confinedLaunch({ root, lake, ...LIMITS }, walls, own, false);
    const server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
    await once(server, "listening");
    const at = launch.args.findIndex((one) => /child\.[jt]s$/.test(one));
    const places = [lake, path.join(folder, "outside"), own, path.join(root, "code"), CORE];
    const { port } = server.address() as AddressInfo;
    const intruder = [path.join(own, "intruder.mjs"), ...places, String(port), String(process.pid)];
    const args = launch.args.slice(0, at).concat(intruder);
    const child = spawn(launch.command, args, { cwd: own, env: { ...launch.env } });
    let said = "";
    let errors = "";
    child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
    await once(child, "close");
    server.close();
    expect(errors).toBe("");
    const found = JSON.parse(said) as Record<string, unknown>;
    expect(found).toMatchObject({
      readLake: "of the lake",
      readOutside: "ENOENT",
      readPasswords: "ENOENT",
      writeLake: "EROFS",
      writeNew: "EROFS",
      writeOutside: expect.stringMatching(/^(?:ENOENT|EROFS)$/) as string,
      writeCode: "EROFS",
      writeLibrary: "EROFS",
      writeRoot: "EROFS",
      writeOwn: "done",
      writeLong: "EFBIG",
      killParent: "ESRCH",
      interfaces: [],
      processes: "ENOENT",
      pid: 1,
      connect: expect.stringMatching(/^(?:ENETUNREACH|ECONNREFUSED|EADDRNOTAVAIL)$/) as string,
    });
    expect(
      (found["root"] as string[]).filter((name) =>
        ["etc", "home", "root", "proc", "sys", "dev"].includes(name),
      ),
    ).toEqual([]);
    expect(await readFile(path.join(folder, "outside"), "utf8")).toBe("canary");
    expect(await readdir(lake)).toEqual(["a.parquet"]);
  });

  test("is where queries are when they are required, and without them there is no SQL", async () => {
    const isPossible = await hasNamespaces();
    const pool = openPool("required");
    const taken = pool.take().then(
      () => "taken",
      (error: { code?: string }) => error.code,
    );
    expect(await taken).toBe(isPossible ? "taken" : "sql.unavailable");
    await pool.close();
    const off = openPool("off");
    expect(await off.layers()).not.toContain("namespaces");
    await off.close();
  });
});

describe("a service that is killed", () => {
  test.each(["auto", "off"] as const)(
    "leaves no query process, and its folder to the next: namespaces %s",
    async (namespace) => {
      const script = path.join(folder, `service-${namespace}.mjs`);
      await writeFile(script, serviceOf(namespace));
      // A folder for temporary files of its own: services elsewhere on the machine sweep the common one.
      const temporary = await mkdtemp(path.join(folder, "tmp-"));
      const env = { ...process.env, TMPDIR: temporary };
      const service = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"], env });
      const [said] = (await once(service.stdout, "data")) as [Buffer];
      const pids = JSON.parse(said.toString()) as number[];
      expect(pids.every((pid) => isRunning(pid))).toBe(true);
      process.kill(service.pid!, "SIGKILL");
      await expect.poll(() => pids.filter((pid) => isRunning(pid)), { timeout: 10_000 }).toEqual([]);
      const left = (await readdir(temporary)).filter((name) => name.includes(`-${service.pid}-`));
      expect(left.length).toBe(1);
      // What dies with the service may still write there for a moment: then the folder goes at the next sweep.
      await expect.poll(() => sweepTempFolders(temporary), { timeout: 10_000 }).toEqual(left);
      expect(await readdir(temporary)).not.toContain(left[0]);
    },
  );

  test("a sweep passes by what somebody still writes to, and takes it the next time", async () => {
    const parent = await mkdtemp(path.join(folder, "tmp-"));
    const name = path.basename(await makeTempFolder(parent)).replace(`-${process.pid}-`, "-4194303-");
    const code = path.join(parent, name, "code");
    const script = `const fs = require("node:fs"); console.log("on"); for (let i = 0; ; i++) try {
      fs.mkdirSync(${JSON.stringify(code)}, { recursive: true });
      for (let j = 0; j < 20; j++) fs.writeFileSync(${JSON.stringify(`${code}/`)} + i + "-" + j, "");
    } catch {}`;
    const writer = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void writer.kill("SIGKILL"));
    await once(writer.stdout, "data");
    for (let sweep = 0; sweep < 50; sweep++) await sweepTempFolders(parent);
    const ended = once(writer, "exit");
    writer.kill("SIGKILL");
    await ended;
    await mkdir(code, { recursive: true });
    expect(await sweepTempFolders(parent)).toEqual([name]);
  });

  test("a sweep leaves alone what is of a living process, of another machine, or none of ours", async () => {
    const parent = await mkdtemp(path.join(folder, "tmp-"));
    const own = await makeTempFolder(parent);
    const name = path.basename(own);
    const dead = name.replace(`-${process.pid}-`, "-4194303-");
    const reused = name.replace(/-(\d+)-([^-]+)$/, "-1-$2");
    const others = [
      name.replace(/[0-9a-f]{8}/, "00000000").replace(`-${process.pid}-`, "-4194303-"),
      "muara-query-old",
    ];
    for (const one of [dead, reused, ...others]) await mkdir(path.join(parent, one), { recursive: true });
    const swept = await sweepTempFolders(parent);
    expect(swept.toSorted()).toEqual((isLinux ? [dead, reused] : [dead]).toSorted());
    expect((await readdir(parent)).toSorted()).toEqual(
      [name, ...others, ...(isLinux ? [] : [reused])].toSorted(),
    );
  });
});

/** A process that has one query running and one warm process, and prints their numbers. */
function serviceOf(namespace: string): string {
  return `
import { ProcessPool } from ${JSON.stringify(POOL)};
import { systemClock } from ${JSON.stringify(path.join(CORE, "clock.ts"))};
import { silentLogger } from ${JSON.stringify(path.join(CORE, "logger.ts"))};
import { configSchema } from ${JSON.stringify(path.join(CORE, "config.ts"))};
const options = { ...configSchema.parse({}).query, warm: 0, namespace: ${JSON.stringify(namespace)} };
const pool = new ProcessPool({ options, lake: ${JSON.stringify(lake)}, clock: systemClock, logger: silentLogger });
const [busy, idle] = [await pool.take(), await pool.take()];
busy.send({ order: "run", sql: "SELECT count(*) FROM range(1000000000000)", tables: [], format: "json", rows: 1 });
await systemClock.sleep(300);
process.stdout.write(JSON.stringify([busy.pid, idle.pid]));
await systemClock.sleep(600_000);
`;
}

/** A process that has ended but has not been collected yet does nothing any more. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !isLinux || !/^.*\)\s*[ZX]/s.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}
