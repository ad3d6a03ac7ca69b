/**
 * Where the commands of a page are executed: a folder that looks like a clone, with a free port instead of 8080, and
 * `npx muara`, `npm ci` and the like as a reader has them. A command that goes on until it is stopped (a server)
 * is left running until another one of the same data begins, or the page ends.
 */
import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { freePort } from "../services/free-port.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const COMMAND_MS_MAX = 120_000;
/** Installed and tested already: this runs in a test. */
const NPM = `#!/bin/bash
case "$1" in ci|test) exit 0 ;; esac
exec REAL "$@"
`;
const NPX = `#!/bin/bash
if [ "$1" = muara ]; then shift; exec NODE ROOT/muara.js "$@"; fi
exec REAL "$@"
`;
/** \`serve COMMAND…\`: in the background, until it is ready. */
const PRELUDE = String.raw`
halt() { local pid; pid=$(cat "$1"); rm -f "$1"; kill -TERM -- "-$pid" 2>/dev/null || true
  for _ in $(seq 150); do kill -0 -- "-$pid" 2>/dev/null || return 0; sleep 0.1; done
  kill -KILL -- "-$pid" 2>/dev/null || true; }
serve() {
  local data=.muara previous= arg key port=$PAGE_PORT
  for arg in "$@"; do [ "$previous" = --data ] && data=$arg; previous=$arg; done
  key=$(tr -c 'a-z0-9\n' _ <<<"$data")
  [ -e "$PAGE_SERVERS/$key.pid" ] && halt "$PAGE_SERVERS/$key.pid"
  compgen -G "$PAGE_SERVERS/*.pid" >/dev/null && port=0
  MUARA_PORT=$port setsid "$@" >"$PAGE_SERVERS/$key.log" 2>&1 </dev/null &
  echo $! >"$PAGE_SERVERS/$key.pid"
  for _ in $(seq 600); do
    grep -qE 'ready on|live traffic' "$PAGE_SERVERS/$key.log" && return 0
    kill -0 $! 2>/dev/null || break
    sleep 0.1
  done
  cat "$PAGE_SERVERS/$key.log" >&2
  return 1
}
`;

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export class Place {
  readonly folder: string;
  readonly port: number;
  readonly environment: Record<string, string>;
  /** What a page says → what is here. */
  readonly words: Map<string, string> = new Map();

  constructor(folder: string, port: number) {
    this.folder = folder;
    this.port = port;
    this.words.set("127.0.0.1:8080", `127.0.0.1:${port}`);
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith("MUARA_"));
    this.environment = {
      ...(Object.fromEntries(own) as Record<string, string>),
      PATH: `${join(folder, ".bin")}:${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`,
      PAGE_PORT: String(port),
      PAGE_SERVERS: join(folder, ".servers"),
      MUARA_URL: `http://127.0.0.1:${port}`,
      NO_COLOR: "1",
      COLUMNS: "400",
    };
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  said(text: string): string {
    let out = text;
    for (const [from, to] of this.words) out = out.replaceAll(from, to);
    return out;
  }

  write(name: string, text: string): Promise<void> {
    return writeFile(join(this.folder, name), text);
  }

  /** A script for bash, in which servers are left running. */
  run(script: string): Promise<Ran> {
    return execute("bash", ["-euo", "pipefail", "-c", PRELUDE + script], this.folder, this.environment);
  }

  /** Until it answers. @param data folder of the page's server */
  async token(data = ".muara"): Promise<string> {
    return (await readFile(join(this.folder, data, "token"), "utf8")).trim();
  }

  async call(method: string, path: string, body?: unknown): Promise<Response> {
    const headers = { authorization: `Bearer ${await this.token()}`, "content-type": "application/json" };
    const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) };
    return await fetch(this.url + path, init);
  }

  async rows(sql: string): Promise<unknown[][]> {
    const response = await this.call("POST", "/v1/sql", { sql });
    if (!response.ok) throw new Error(`${sql}: ${await response.text()}`);
    return ((await response.json()) as { rows: unknown[][] }).rows;
  }

  async isServing(): Promise<boolean> {
    return (await readdir(join(this.folder, ".servers"))).some((name) => name.endsWith(".pid"));
  }

  async stopServers(): Promise<void> {
    await this.run('for one in "$PAGE_SERVERS"/*.pid; do [ -e "$one" ] && halt "$one"; done; true');
  }

  async close(): Promise<void> {
    await this.stopServers();
    await rm(this.folder, { recursive: true, force: true });
  }
}

export async function openPlace(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), "muara-page-"));
  const { out } = await execute("git", ["ls-files"], ROOT, process.env);
  const tracked = new Set(out.split("\n").map((path) => path.split("/")[0]!));
  for (const name of [...tracked, "node_modules"])
    if (name !== "" && name !== "notebooks") await symlink(join(ROOT, name), join(folder, name));
  await mkdir(join(folder, ".servers"));
  await mkdir(join(folder, "notebooks"));
  for (const name of await readdir(join(ROOT, "notebooks")))
    if (!name.startsWith(".")) await symlink(join(ROOT, "notebooks", name), join(folder, "notebooks", name));
  const bin = join(folder, ".bin");
  await mkdir(bin);
  const [npm, npx] = [await which("npm"), await which("npx")];
  const program = NPX.replace("NODE", process.execPath).replace("ROOT/", ROOT);
  const scripts: Record<string, string> = {
    npm: NPM.replace("REAL", npm),
    npx: program.replace("REAL", npx),
    muara: `#!/bin/bash\nexec npx muara "$@"\n`,
  };
  for (const [name, text] of Object.entries(scripts)) {
    await writeFile(join(bin, name), text);
    await chmod(join(bin, name), 0o755);
  }
  return new Place(folder, await freePort());
}

async function which(name: string): Promise<string> {
  const { out } = await execute("bash", ["-c", `command -v ${name}`], ROOT, process.env);
  return out.trim();
}

function execute(
  program: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<Ran> {
  const options = { cwd, env, timeout: COMMAND_MS_MAX, maxBuffer: 64 * 1024 * 1024 };
  return new Promise((resolve) => {
    execFile(program, args, options, (error, out, err) => {
      const code = error ? (typeof error.code === "number" ? error.code : 124) : 0;
      resolve({ code, out, err });
    });
  });
}
