/**
 * The process that rewrites data files, from the outside: within budgets of memory, disk and time, killed beyond them
 * and when whoever asked has gone. It is started when there is work. What it leaves, and what is copied for it, lies in
 * one folder, which goes with it; what a killed one left goes when the next one starts.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, systemClock } from "../core/clock.ts";
import { MuaraError } from "../core/errors.ts";
import type { ObjectStore } from "../core/ports/object-store.ts";
import { endOf, failureOf, isAnswer } from "./child-answer.ts";
import { childLaunch } from "./child-launch.ts";
import { copyObject, localPath } from "./local-copy.ts";
import { QueryProcess, type Spawn } from "./query/query-process.ts";
import { makeTempFolder, sweepTempFolders } from "./query/temp-folder.ts";
import type { RewriteInput, RewriteJob, RewriteReport } from "./rewrite-job.ts";

/** The rest of a process's memory is for the runtime, and for what the engine does not count. */
const ENGINE_SHARE = 0.6;
const MIB = 1_048_576;
const START_MS_MAX = 60_000;

export interface RewriterOptions {
  /** For tests. A real process is watched by the real clock, whatever clock its work goes by. */
  readonly clock?: Clock;
  /** Where files are copied to and the engine spills to; default: the system's folder for temporary files. */
  readonly folder?: string;
  /** Resident memory of the process, bytes. */
  readonly memoryBytes?: number;
  /** Disk that sorting may take beside the files, bytes. */
  readonly spillBytes?: number;
  /** A job is killed after this, ms. */
  readonly timeoutMs?: number;
  readonly threads?: number;
  readonly spawn?: Spawn;
}

/** A file in a store that is read. */
export interface StoredInput {
  readonly store: ObjectStore;
  /** In the store. */
  readonly path: string;
  readonly bytes: number;
  readonly checksum?: string | undefined;
}

type Worker = QueryProcess<RewriteJob, RewriteReport>;
/** What is said where a job was done: `noted` after `note`. */
type Done<Kind extends RewriteReport["report"]> = Extract<RewriteReport, { readonly report: Kind }>;

export class RewriteProcess {
  readonly #options: RewriterOptions;
  /** Below the one for temporary files. */
  #folder: Promise<string> | undefined;
  #worker: Promise<Worker> | undefined;
  /** Jobs follow each other: two would share one budget. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: RewriterOptions) {
    this.#options = options;
  }

  /** Whether a process runs that has done a job already, and so knows what it was told to note. */
  get isRunning(): boolean {
    return this.#worker !== undefined;
  }

  /** One piece of work at a time, with a folder for its files, which is removed afterwards. */
  inTurn<T>(work: (folder: string) => Promise<T>): Promise<T> {
    const job = this.#last.then(async () => {
      const folder = await mkdtemp(join(await this.#ownFolder(), "job-"));
      try {
        return await work(folder);
      } catch (error) {
        throw asTrouble(error);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });
    this.#last = job.catch(() => undefined);
    return job;
  }

  /**
   * @param expected what the answer to this kind of job is called
   * @throws table.version_not_found where a file is gone, table.corrupt where one is not what the log says,
   *   table.rewrite_failed for want of memory, disk or time
   */
  async run<Kind extends RewriteReport["report"]>(
    job: RewriteJob,
    expected: Kind,
    table: string,
    signal: AbortSignal,
  ): Promise<Done<Kind>> {
    signal.throwIfAborted();
    const worker = await (this.#worker ??= this.#start());
    const release = worker.guard(this.#options.timeoutMs ?? 600_000, signal);
    try {
      worker.send(job);
      const answer = await worker.next();
      if (isAnswer(answer, expected)) return answer;
      throw troubleOf(table, answer as RewriteReport);
    } finally {
      release();
      if (!worker.isAlive) this.#worker = undefined;
    }
  }

  /** Ends the process and removes what it has left. The next job starts another. */
  async close(): Promise<void> {
    await this.#last;
    const worker = this.#worker && (await this.#worker.catch(() => undefined));
    worker?.kill(new MuaraError("sql.failed", "It has no more work."));
    await worker?.gone();
    this.#worker = undefined;
    const folder = this.#folder;
    this.#folder = undefined;
    if (folder) await rm(await folder, { recursive: true, force: true });
  }

  async #start(): Promise<Worker> {
    const {
      clock = systemClock,
      spawn,
      memoryBytes = 1_024 * MIB,
      spillBytes = 8_192 * MIB,
      threads = 1,
    } = this.#options;
    const folder = await mkdtemp(join(await this.#ownFolder(), "process-"));
    const launch = childLaunch(import.meta.url, "rewrite-child", [
      Math.floor(memoryBytes * ENGINE_SHARE),
      spillBytes,
      threads,
    ]);
    const worker: Worker = new QueryProcess({
      folder,
      launch,
      memoryBytes,
      clock,
      ...(spawn ? { spawn } : {}),
    });
    const release = worker.guard(START_MS_MAX, new AbortController().signal);
    try {
      await worker.next();
      return worker;
    } catch (error) {
      this.#worker = undefined;
      throw error;
    } finally {
      release();
    }
  }

  async #ownFolder(): Promise<string> {
    try {
      return await (this.#folder ??= makeFolder(this.#options.folder ?? tmpdir()));
    } catch (error) {
      this.#folder = undefined;
      throw error;
    }
  }
}

/**
 * The file where it is, or a copy of it.
 * @param to absolute path of the copy
 * @throws as `copyObject`
 */
export async function localInput(
  { store, path, bytes, checksum }: StoredInput,
  to: string,
): Promise<RewriteInput> {
  const there = localPath(store, path);
  if (there === undefined) await copyObject(store, { path, bytes }, to);
  return { path: there ?? to, bytes, ...(checksum === undefined ? {} : { checksum }) };
}

async function makeFolder(parent: string): Promise<string> {
  await mkdir(parent, { recursive: true });
  await sweepTempFolders(parent);
  return makeTempFolder(parent, "rewrite");
}

function troubleOf(table: string, answer: RewriteReport): MuaraError {
  if (answer.report !== "failed")
    return new MuaraError(
      "table.rewrite_failed",
      `${table}: the process that rewrites files said ${answer.report}.`,
    );
  const { kind, message, path } = answer;
  return failureOf(kind, message, {
    whose: table,
    unreadable: "a data file cannot be written anew",
    failed: "files cannot be written anew",
    code: "table.rewrite_failed",
    details: { table, ...(path === undefined ? {} : { path }) },
  });
}

/** What happened to the process, in words of this work. */
function asTrouble(error: unknown): unknown {
  if (endOf(error) !== undefined)
    return new MuaraError("table.rewrite_failed", "The process that rewrites files has ended.", {
      cause: error,
    });
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code !== "ENOSPC" && code !== "EDQUOT") return error;
  return new MuaraError("table.rewrite_failed", "The disk for temporary files is full.", { cause: error });
}
