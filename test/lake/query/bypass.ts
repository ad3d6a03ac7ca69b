/**
 * Runs SQL where the gate has never been: in a process started as the service starts its own, behind the same walls,
 * on an engine opened, given its files and locked by the service's own code. `raw` leaves out even the rule that only
 * one SELECT runs. A fresh engine per statement; a statement that kills or blocks the process costs a new one.
 */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import path from "node:path";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import { confinedLaunch, plainLaunch, planWalls, type Walls } from "../../../lake/query/launcher.ts";
import type { PinnedTable } from "../../../lake/query/view.ts";

const SESSION = fileURLToPath(new URL("../../../lake/query/session.ts", import.meta.url));
const GATE = fileURLToPath(new URL("../../../lake/query/gate.ts", import.meta.url));
const LATE_MS = 5_000;
const START_MS = 60_000;
const TEXT_MAX = 200_000;

/** What became of a statement. `text` is everything that it answered. */
export interface Outcome {
  readonly kind: "answer" | "error" | "died" | "late";
  readonly text: string;
  /** The gate would have let it through, as reading nothing but the tables given. */
  readonly hasPassed: boolean;
}

const PROGRAM = `
import { createInterface } from "node:readline";
import { openEngine, pinTables, prepareSelect, serializeSql } from ${JSON.stringify(SESSION)};
import { judge } from ${JSON.stringify(GATE)};
const limits = { memoryBytes: 3e8, threads: 1 };
const scratch = await openEngine(limits);
const isGranted = (tables, { name }) => tables.some((table) => table.names.includes(name.toLowerCase()));
process.stdout.write("\\u001e" + JSON.stringify({ kind: "answer", text: "ready" }) + "\\n");
for await (const line of createInterface({ input: process.stdin })) {
  const { sql, tables, isRaw } = JSON.parse(line);
  const answer = { kind: "answer", text: "", hasPassed: false };
  try {
    const judged = judge(await serializeSql(scratch, sql));
    answer.hasPassed = judged.kind === "query" && judged.tables.every((one) => isGranted(tables, one));
    const connection = await openEngine(limits);
    await pinTables(connection, tables, [], undefined);
    const result = isRaw ? await connection.stream(sql) : await (await prepareSelect(connection, sql)).stream();
    const names = result.deduplicatedColumnNames();
    answer.text = JSON.stringify(names);
    const plain = (_key, value) => (typeof value === "bigint" ? String(value) : value);
    for (let chunk; (chunk = await result.fetchChunk()) && chunk.rowCount > 0; ) {
      if (answer.text.length < ${TEXT_MAX}) answer.text += JSON.stringify(chunk.getRows(), plain);
      else break;
    }
    connection.closeSync();
  } catch (error) {
    answer.kind = "error";
    answer.text = String(error);
  }
  process.stdout.write("\\u001e" + JSON.stringify(answer) + "\\n");
}
`;

export interface BypassOptions {
  readonly root: string;
  readonly lake: string;
  readonly tables: readonly PinnedTable[];
  /** With the namespaces, where the machine has them. */
  readonly isConfined: boolean;
  /** For a statement, ms. */
  readonly lateMs?: number;
}

export class Bypass {
  readonly #options: BypassOptions;
  readonly #walls: Walls | undefined;
  #child: ChildProcessWithoutNullStreams | undefined;
  #lines: Interface | undefined;
  #answer: ((outcome: Outcome) => void) | undefined;
  starts = 0;

  private constructor(options: BypassOptions, walls: Walls | undefined) {
    this.#options = options;
    this.#walls = walls;
  }

  /** @returns undefined where the machine has no namespaces and they are asked for */
  static async open(options: BypassOptions): Promise<Bypass | undefined> {
    await mkdir(options.root, { recursive: true });
    if (!options.isConfined) return new Bypass(options, undefined);
    const walls = await planWalls(launchOptions(options));
    if (typeof walls === "string") return undefined;
    const bypass = new Bypass(options, walls);
    return (await bypass.run("SELECT 1", true)).kind === "answer" ? bypass : undefined;
  }

  async run(sql: string, isRaw: boolean): Promise<Outcome> {
    const child = this.#child ?? (await this.#start());
    if (!child) return { kind: "died", text: "", hasPassed: false };
    const answered = this.#next(this.#options.lateMs ?? LATE_MS);
    child.stdin.write(`${JSON.stringify({ sql, tables: this.#options.tables, isRaw })}\n`);
    return answered;
  }

  async #next(withinMs: number): Promise<Outcome> {
    const answered = new Promise<Outcome>((resolve) => (this.#answer = resolve));
    const late = setTimeout(() => this.#stop({ kind: "late", text: "", hasPassed: false }), withinMs);
    const outcome = await answered;
    clearTimeout(late);
    return outcome;
  }

  async close(): Promise<void> {
    const child = this.#child;
    this.#stop({ kind: "died", text: "", hasPassed: false });
    if (child && child.exitCode === null && child.signalCode === null) await once(child, "close");
  }

  #stop(outcome: Outcome): void {
    this.#lines?.close();
    this.#child?.kill("SIGKILL");
    this.#child = undefined;
    this.#answer?.(outcome);
  }

  /** @returns undefined where it does not come up */
  async #start(): Promise<ChildProcessWithoutNullStreams | undefined> {
    const options = launchOptions(this.#options);
    const folder = await mkdtemp(path.join(options.root, "q-"));
    const script = path.join(folder, "bypass.mjs");
    await writeFile(script, PROGRAM);
    const launch = this.#walls
      ? await confinedLaunch(options, this.#walls, folder, true)
      : plainLaunch(options);
    const args = launch.args.map((one) => (one.endsWith("child.ts") ? script : one));
    const child = spawn(launch.command, args, { cwd: folder, env: { ...launch.env } });
    this.starts++;
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout });
    this.#lines.on("line", (line) => {
      // The engine may print (profiling); our lines start with a separator.
      const at = line.indexOf("\u001E");
      if (at >= 0) this.#answer?.(JSON.parse(line.slice(at + 1)) as Outcome);
    });
    child.stdin.on("error", () => {});
    child.stderr.resume();
    child.on("close", () => {
      if (this.#child === child) this.#stop({ kind: "died", text: "", hasPassed: false });
    });
    const first = await this.#next(START_MS);
    return first.kind === "answer" ? child : undefined;
  }
}

function launchOptions({ root, lake }: BypassOptions): Parameters<typeof plainLaunch>[0] {
  return { root, lake, memoryBytes: 6e8, engineBytes: 3e8, threads: 1, spillBytes: 1e9, fileBytes: 1e8 };
}
