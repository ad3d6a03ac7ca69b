/**
 * How a query process is started, and with which walls around it.
 *
 * On Linux, where user namespaces are allowed: its own user, mount, network, process, IPC and host name namespaces, by
 * util-linux's `unshare`, for root and for ordinary users alike. It sees a root folder made of a few read-only mounts
 * (system libraries, runtime, this code, the lake) and one writable folder of its own; no network, no /proc, no
 * capability; it dies with its parent by the kernel's hand. The walls stand all or not at all: any step that fails ends
 * the start. Everywhere with a POSIX shell: limits on memory, on file sizes and no core files.
 *
 * Compiled code is written by one process that never sees a query, and read-only for all others: they could plant code
 * for those that come after them.
 */
import fs from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type Launch, scriptArgs } from "../child-launch.ts";

/** What counts as memory before a query comes: reserved by runtime and engine, mostly never touched (measured). */
const RESERVED_BYTES = 1_073_741_824;
const SYSTEM_FOLDERS = ["/usr", "/lib", "/lib32", "/lib64", "/bin"];
const TOOL_FOLDERS = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];

export interface LaunchOptions {
  /** Folder of all query processes of this service. */
  readonly root: string;
  /** Folder of the lake's tables; undefined where they are no local files. */
  readonly lake: string | undefined;
  /** Resident memory of a process, bytes. */
  readonly memoryBytes: number;
  /** Of the engine alone, bytes. */
  readonly engineBytes: number;
  readonly threads: number;
  /** Disk for what the engine's memory does not hold, where it may spill at all, bytes. */
  readonly spillBytes: number;
  /** Length of the longest file that a process may write, bytes. */
  readonly fileBytes: number;
}

/** Limits that hold everywhere. `$1` data segment in kB, `$2` file size in blocks of 512 bytes. */
const LIMITS = `ulimit -c 0
ulimit -d "$1" 2>/dev/null || :
ulimit -f "$2"
shift 2
`;

const PLAIN = `${LIMITS}exec "$@"`;

/**
 * `$1` empty folder, `$2` table of mounts, `$3` the process's own folder; `$4` and `$5`: path and text of package.json,
 * which tells the runtime that the code is modules.
 */
const CONFINED = `set -eu
PATH=/usr/sbin:/usr/bin:/sbin:/bin
${LIMITS}view=$1 mounts=$2 folder=$3 module=$4 text=$5
shift 5
echo 1000 >/proc/self/oom_score_adj 2>/dev/null || :
mount -t tmpfs -o size=256k,mode=755,nosuid,nodev none "$view"
mount -a -T "$mounts"
printf %s "$text" >"$view$module"
mount -o remount,bind,ro "$view"
exec unshare --root="$view" --wd="$folder" -- setpriv --bounding-set=-all --inh-caps=-all --no-new-privs -- "$@"`;

const NAMESPACES = ["--user", "--map-root-user", "--mount", "--net", "--pid", "--ipc", "--uts"];

/** Command line of the query process itself. */
function runtimeArgs({ engineBytes, threads, spillBytes }: LaunchOptions): readonly string[] {
  return scriptArgs(import.meta.url, "child", [engineBytes, threads, spillBytes]);
}

function limitArgs({ memoryBytes, fileBytes }: LaunchOptions): readonly string[] {
  return [String(Math.ceil((memoryBytes + RESERVED_BYTES) / 1_024)), String(Math.ceil(fileBytes / 512))];
}

const codeFolder = (root: string): string => path.join(root, "code");

export function plainLaunch(options: LaunchOptions): Launch {
  const line = [process.execPath, ...runtimeArgs(options)];
  const env = { NODE_COMPILE_CACHE: codeFolder(options.root) };
  if (process.platform === "win32") return { command: line[0]!, args: line.slice(1), env, isWrapped: false };
  const args = ["-c", PLAIN, "sh", ...limitArgs(options), ...line];
  return { command: "/bin/sh", args, env, isWrapped: false };
}

/** The parts of a confined start that are the same for every process. */
export interface Walls {
  readonly setpriv: string;
  readonly unshare: string;
  /** [folder outside and inside, options of the mount] */
  readonly mounts: readonly (readonly [string, string])[];
  readonly module: string;
  readonly moduleText: string;
}

/** @returns why there can be no walls, as text, or what they consist of; whether they stand shows at the first start */
export async function planWalls(options: LaunchOptions): Promise<Walls | string> {
  if (process.platform !== "linux") return `no namespaces on ${process.platform}`;
  if ("Deno" in globalThis) return "not with Deno, which needs more of the system than the walls let it see";
  const [setpriv, unshare] = await Promise.all([findTool("setpriv"), findTool("unshare")]);
  if (!setpriv || !unshare) return "util-linux (setpriv, unshare) is not installed";
  const module = await findUp(path.dirname(fileURLToPath(import.meta.url)), "package.json");
  if (!module) return "there is no package.json above the code";
  // The lake may not have been written to yet; a mount needs the folder.
  if (options.lake) await fs.mkdir(options.lake, { recursive: true });
  await Promise.all(
    ["code", "view"].map((name) => fs.mkdir(path.join(options.root, name), { recursive: true })),
  );
  const readOnly = [
    ...(await existing(SYSTEM_FOLDERS)),
    ...(await codeFolders()),
    ...(options.lake ? [path.resolve(options.lake)] : []),
  ];
  const mounts = outermost(readOnly).map((folder) => [folder, "rbind,ro"] as const);
  return { setpriv, unshare, mounts, module, moduleText: await fs.readFile(module, "utf8") };
}

/**
 * @param folder the process's own, in `root`
 * @param mayWriteCode for the one process that fills the store of compiled code
 */
export async function confinedLaunch(
  options: LaunchOptions,
  walls: Walls,
  folder: string,
  mayWriteCode: boolean,
): Promise<Launch> {
  const viewFolder = path.join(options.root, "view");
  const code = codeFolder(options.root);
  const lines = [
    ...walls.mounts,
    [code, mayWriteCode ? "rbind" : "rbind,ro"] as const,
    [folder, "rbind"] as const,
  ].map(([source, how]) => {
    const target = `${viewFolder}${source}`;
    return `${escapeMount(source)} ${escapeMount(target)} none ${how},nosuid,nodev,X-mount.mkdir 0 0\n`;
  });
  const mounts = `${folder}.mounts`;
  await fs.writeFile(mounts, lines.join(""));
  const namespaces = [
    "--pdeathsig",
    "KILL",
    "--",
    walls.unshare,
    ...NAMESPACES,
    "--fork",
    "--kill-child",
    "--",
  ];
  const script = ["/bin/sh", "-c", CONFINED, "sh", ...limitArgs(options)];
  const view = [viewFolder, mounts, folder, walls.module, walls.moduleText];
  const args = [...namespaces, ...script, ...view, process.execPath, ...runtimeArgs(options)];
  return { command: walls.setpriv, args, env: { NODE_COMPILE_CACHE: code }, isWrapped: true };
}

/** Folders that the runtime and our code are loaded from. */
async function codeFolders(): Promise<readonly string[]> {
  const query = path.dirname(fileURLToPath(import.meta.url));
  const lake = path.dirname(query);
  const engine = await fs.realpath(createRequire(import.meta.url).resolve("@duckdb/node-api"));
  const parts = engine.split(path.sep);
  const modules = parts.slice(0, parts.indexOf("node_modules") + 1).join(path.sep);
  const runtime = path.dirname(await fs.realpath(process.execPath));
  return [lake, path.join(path.dirname(lake), "core"), modules, runtime, path.dirname(process.execPath)];
}

/** Without those that lie in another one of the list. */
function outermost(folders: readonly string[]): readonly string[] {
  const distinct = [...new Set(folders)];
  return distinct.filter(
    (folder) => !distinct.some((other) => other !== folder && folder.startsWith(`${other}${path.sep}`)),
  );
}

async function existing(paths: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(
    paths.map((one) =>
      fs.access(one).then(
        () => true,
        () => false,
      ),
    ),
  );
  return paths.filter((_path, i) => found[i]);
}

async function findTool(name: string): Promise<string | undefined> {
  return (await existing(TOOL_FOLDERS.map((folder) => path.join(folder, name))))[0];
}

async function findUp(folder: string, name: string): Promise<string | undefined> {
  const [found] = await existing([path.join(folder, name)]);
  if (found) return found;
  const parent = path.dirname(folder);
  return parent === folder ? undefined : findUp(parent, name);
}

/** As mount tables are written (fstab). */
function escapeMount(text: string): string {
  return text.replace(/[\s\\#]/g, (character) => {
    return `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`;
  });
}
