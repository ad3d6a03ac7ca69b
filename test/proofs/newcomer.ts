/**
 * The way of somebody new, by the clock: from a clone to an event of one's own in a notebook. Everything is fetched as
 * they would fetch it; what downloads and installs take is told apart, since it is the network's.
 * `npm run proof:newcomer`.
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { freePort } from "../services/free-port.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const COMMANDS_MAX = 8;
const OWN_MS_MAX = 300_000;
const START_MS_MAX = 120_000;
const EVENT =
  '[{"metadata":{"eid":"5f0c7a50-3c1d-4a58-9d0e-6a7f4c1e0001","occurred_at":"2026-03-01T12:00:00Z"},' +
  '"order_number":"mine-1","customer_id":"me","country":"ID","parcels_to_ship":1,"total":19.95}]';
const CELL = `import muara
lake = muara.connect("../.muara")
mine = lake.sql("SELECT order_number, country, total FROM ORDER_CREATED WHERE order_number = 'mine-1'")
assert mine["total"].to_list() and str(mine["total"][0]) == "19.95", mine
mine`;

interface Timed {
  readonly command: string;
  readonly kind: "fetch" | "own";
  readonly ms: number;
}

/** One command in a folder; `kind` says whose time it is. @throws with what it printed */
function timed(folder: string, kind: Timed["kind"], command: string): Timed {
  const startedMs = performance.now();
  const { status, stderr, stdout } = spawnSync("bash", ["-euo", "pipefail", "-c", command], {
    cwd: folder,
    encoding: "utf8",
    env: environment(),
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status !== 0) throw new Error(`${command} ended with ${status}\n${stdout}\n${stderr}`);
  const line = { command, kind, ms: performance.now() - startedMs };
  process.stderr.write(
    `${(line.ms / 1_000).toFixed(1).padStart(7)} s  ${kind.padEnd(5)}  ${command.slice(0, 90)}\n`,
  );
  return line;
}

function environment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith("MUARA_"));
  return { ...Object.fromEntries(own), CI: "true" };
}

/** Starts the demo, until it says that traffic is live. */
async function startDemo(folder: string, port: number): Promise<{ child: ChildProcess; ms: number }> {
  const startedMs = performance.now();
  const child = spawn("npm", ["run", "demo", "--", "--port", String(port)], {
    cwd: folder,
    detached: true, // npm does not pass signals on: its group is ended
    env: environment(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
  while (!text.includes("live traffic")) {
    if (child.exitCode !== null || performance.now() - startedMs > START_MS_MAX) throw new Error(text);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { child, ms: performance.now() - startedMs };
}

export async function walk(folder: string): Promise<readonly Timed[]> {
  const steps: Timed[] = [];
  const clone = join(folder, "muara");
  const notebooks = join(clone, "notebooks");
  steps.push(timed(folder, "fetch", `git clone -q ${ROOT} muara`));
  steps.push(timed(clone, "fetch", "npm ci --no-audit --no-fund --loglevel=error"));
  const port = await freePort();
  const demo = await startDemo(clone, port);
  steps.push({ command: "npm run demo", kind: "own", ms: demo.ms });
  try {
    steps.push(timed(notebooks, "fetch", "python3 -m venv .venv"));
    const install =
      ".venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt";
    steps.push(timed(notebooks, "fetch", install));
    const door = `http://127.0.0.1:${port}/event-types/ORDER_CREATED/events`;
    const bearer = '-H "Authorization: Bearer $(cat .muara/token)"';
    const send = `curl -sS --fail-with-body ${bearer} --json '${EVENT}' ${door}`;
    steps.push(timed(clone, "own", send));
    const startedMs = performance.now();
    while (!readBooks(clone, port)) await new Promise((resolve) => setTimeout(resolve, 200));
    steps.push({ command: "(until the event has landed)", kind: "own", ms: performance.now() - startedMs });
    const cell = { cell_type: "code", execution_count: null, metadata: {}, outputs: [], source: CELL };
    writeFileSync(
      join(notebooks, "mine.ipynb"),
      JSON.stringify({ cells: [cell], metadata: {}, nbformat: 4, nbformat_minor: 4 }),
    );
    steps.push(timed(notebooks, "own", ".venv/bin/jupyter execute mine.ipynb"));
  } finally {
    process.kill(-demo.child.pid!, "SIGTERM");
    await new Promise((resolve) => demo.child.once("exit", resolve));
  }
  return steps;
}

function readBooks(clone: string, port: number): boolean {
  const token = readFileSync(join(clone, ".muara/token"), "utf8").trim();
  const address = `http://127.0.0.1:${port}/v1/events/5f0c7a50-3c1d-4a58-9d0e-6a7f4c1e0001`;
  const { stdout } = spawnSync("curl", ["-sS", "-H", `Authorization: Bearer ${token}`, address], {
    encoding: "utf8",
  });
  return stdout.includes('"landed"');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = mkdtempSync(join(tmpdir(), "muara-newcomer-"));
  try {
    const steps = await walk(folder);
    const sum = (kind: Timed["kind"]): number =>
      steps.filter((step) => step.kind === kind).reduce((total, { ms }) => total + ms, 0);
    const commands = steps.filter(({ command }) => !command.startsWith("("));
    const [ownMs, fetchMs] = [sum("own"), sum("fetch")];
    process.stdout.write(
      `${commands.length} commands; ${(ownMs / 1_000).toFixed(1)} s, ` +
        `and ${(fetchMs / 1_000).toFixed(1)} s of fetching and installing\n`,
    );
    const isWithin = commands.length <= COMMANDS_MAX && ownMs <= OWN_MS_MAX;
    process.exitCode = isWithin ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
