/**
 * A warehouse's loader that dies: `muara extract get` as a process of its own, killed with SIGKILL while it starts,
 * in the middle of a file, or between its files and its version, and run again over the same folder. After each end
 * the folder is looked at: a file under its own name is whole, and the version there never moves back.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { MuaraProcess } from "../services/muara.ts";
import { FEED } from "./extract-sales.ts";
import { sleep } from "./host.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const LOOK_MS = 3;
const FILE = /\/r\d+-(?:\d+-)?([0-9a-f]{16})\.parquet$/;

/** When it is killed: after so many ms, once a new file has its name, or in the middle of one after it. */
export type Death = number | "in a file" | "after a file" | "never";

export interface ConsumerCounts {
  runs: number;
  kills: number;
  /** Kills that left a part of a file. */
  inFile: number;
  /** Kills that left files that the folder's version does not have. */
  beforeVersion: number;
  /** Runs that ended with 0. */
  finished: number;
  /** Runs that ended otherwise, by exit code. */
  readonly failed: Record<string, number>;
}

interface Current {
  readonly version: number;
  readonly complete_through: string;
  readonly windows: Readonly<
    Record<string, { readonly revision: number; readonly files: readonly KeptFile[] }>
  >;
}

interface KeptFile {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

export class Consumer {
  readonly counts: ConsumerCounts = {
    runs: 0,
    kills: 0,
    inFile: 0,
    beforeVersion: 0,
    finished: 0,
    failed: {},
  };
  readonly #to: string;
  #version = 0;

  /** @param to the folder that it fetches into */
  constructor(to: string) {
    this.#to = to;
  }

  get folder(): string {
    return join(this.#to, FEED);
  }

  /** @returns its exit code; null where it was killed @throws Error where what it left is wrong */
  async run(muara: MuaraProcess, death: Death, isPresigned: boolean): Promise<number | null> {
    const before = new Set(await filesBelow(this.folder));
    const args = [join(ROOT, "muara.js"), "extract", "get", FEED, "--to", this.#to, "-o", "json"];
    const child = spawn(process.execPath, isPresigned ? [...args, "--presigned"] : args, {
      cwd: ROOT,
      env: { PATH: process.env["PATH"], MUARA_URL: muara.url, MUARA_TOKEN: muara.token },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let errors = "";
    child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
    const exit = new Promise<number | null>((resolve) => child.once("exit", resolve));
    await this.#await(death, child, before);
    if (death !== "never") child.kill("SIGKILL");
    const code = await exit;
    this.counts.runs++;
    if (code === 0) this.counts.finished++;
    else if (code === null) this.counts.kills++;
    else this.counts.failed[code] = (this.counts.failed[code] ?? 0) + 1;
    // 6: something is not as published; the other one: nobody had thought of it.
    if (code === 6 || errors.includes("unexpected error"))
      throw new Error(`the consumer ended with ${code}: ${errors}`);
    const { isInFile, isBeforeVersion } = await this.#check();
    if (code === null && isInFile) this.counts.inFile++;
    if (code === null && isBeforeVersion) this.counts.beforeVersion++;
    return code;
  }

  /** Of the folder, as of its last run. */
  get version(): number {
    return this.#version;
  }

  /** Until when the folder has every row, by its own word, ms. */
  async completeThroughMs(): Promise<number> {
    return Date.parse((await this.#current())!.complete_through);
  }

  /** Newest revision of each window, as the folder has it. */
  async revisions(): Promise<Readonly<Record<string, number>>> {
    const { windows } = (await this.#current())!;
    return Object.fromEntries(Object.entries(windows).map(([name, { revision }]) => [name, revision]));
  }

  async #await(death: Death, child: ChildProcess, before: ReadonlySet<string>): Promise<void> {
    if (death === "never") return;
    if (typeof death === "number") return sleep(death);
    const isThere = async (ending: string): Promise<boolean> =>
      (await filesBelow(this.folder)).some((name) => name.endsWith(ending) && !before.has(name));
    while (child.exitCode === null && !(await isThere(".parquet"))) await sleep(LOOK_MS);
    // Files are small: a part is there for a moment.
    const isOver = (): boolean => death === "after a file" || child.exitCode !== null;
    while (!isOver() && !(await isThere(".part")));
  }

  async #check(): Promise<{ isInFile: boolean; isBeforeVersion: boolean }> {
    const names = await filesBelow(this.folder);
    const hashes = new Map<string, string>();
    for (const name of names.filter((one) => one.endsWith(".parquet"))) {
      const hash = createHash("sha256")
        .update(await readFile(name))
        .digest("hex");
      if (FILE.exec(name)?.[1] !== hash.slice(0, 16)) throw new Error(`${name} is torn: it has ${hash}`);
      hashes.set(name, hash);
    }
    const current = await this.#current();
    const wanted = Object.values(current?.windows ?? {}).flatMap(({ files }) => files);
    for (const { name, sha256 } of wanted)
      if (hashes.get(join(this.#to, name)) !== sha256) throw new Error(`the folder's version lacks ${name}`);
    const version = current?.version ?? 0;
    if (version < this.#version) throw new Error(`the folder went back to ${version} from ${this.#version}`);
    this.#version = version;
    const known = new Set(wanted.map(({ name }) => join(this.#to, name)));
    const isBeforeVersion = [...hashes.keys()].some((name) => !known.has(name));
    return { isInFile: names.some((name) => name.endsWith(".part")), isBeforeVersion };
  }

  async #current(): Promise<Current | undefined> {
    const text = await readFile(join(this.folder, "_current.json"), "utf8").catch(() => undefined);
    return text === undefined ? undefined : (JSON.parse(text) as Current);
  }
}

/** Paths of all files below a folder, sorted; none where it does not exist. */
export async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile());
  return files.map((entry) => join(entry.parentPath, entry.name)).sort();
}
