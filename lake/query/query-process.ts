/**
 * One query process from the outside: started, given orders, watched, killed. It is killed without asking, at its
 * deadline, beyond its memory or when nobody waits any more: some of the engine's functions never look at a request
 * to stop (measured), and nothing in the process is worth an orderly end.
 */
import { spawn as spawnProcess, type ChildProcessWithoutNullStreams } from "node:child_process";
import fs from "node:fs";
import process from "node:process";
import type { Clock } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import type { Launch } from "../child-launch.ts";
import { encodeJson, FrameReader, FRAME_DATA, type Order, type Report } from "./protocol.ts";
import { childOf, residentBytes, waitMs } from "./resident.ts";

const STDERR_BYTES_MAX = 4_096;
/** Of a shell or wrapper whose child ended by signal 9. */
const EXIT_OF_KILLED = 128 + 9;
const NO_MEMORY = /cannot allocate memory|could not allocate|out of memory|bad_alloc|heap limit/i;
/** Answer bytes that may wait for the client before the process is made to wait. */
const WAITING_BYTES_MAX = 1_048_576;

export type Spawn = (
  command: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
) => ChildProcessWithoutNullStreams;

const systemSpawn: Spawn = (command, args, options) =>
  spawnProcess(command, [...args], { ...options, stdio: ["pipe", "pipe", "pipe"], windowsHide: true });

export interface QueryProcessOptions {
  /** Existing folder for nothing else; removed with the process. */
  readonly folder: string;
  readonly launch: Launch;
  /** Resident memory of the whole process, bytes. */
  readonly memoryBytes: number;
  readonly clock: Clock;
  readonly spawn?: Spawn;
}

/** What came from the process, in order. */
export type Arrival<Said = Report> = Said | { readonly report: "data"; readonly bytes: Buffer };

/** `Asked` and `Said`: orders and reports as JSON. */
export class QueryProcess<Asked extends object = Order, Said extends { readonly report: string } = Report> {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #options: QueryProcessOptions;
  readonly #reader = new FrameReader();
  readonly #arrivals: Arrival<Said>[] = [];
  readonly #ended = new AbortController();
  #waitingBytes = 0;
  #peakBytes = 0;
  #wake: (() => void) | undefined;
  /** Why it ended; the first reason counts. */
  #reason: MuaraError | undefined;
  #stderr = "";

  constructor(options: QueryProcessOptions) {
    this.#options = options;
    const { command, args, env } = options.launch;
    this.#child = (options.spawn ?? systemSpawn)(command, args, { cwd: options.folder, env });
    this.#child.stdout.on("data", (chunk: Buffer) => this.#receive(chunk));
    this.#child.stderr.on("data", (chunk: Buffer) => {
      if (this.#stderr.length < STDERR_BYTES_MAX) this.#stderr += chunk.toString();
    });
    this.#child.stdin.on("error", (error) => this.kill(lost(String(error))));
    this.#child.on("error", (error) => this.#end(lost(error.message)));
    this.#child.on("close", (code, signal) => this.#end(this.#exitReason(code, signal)));
  }

  get isAlive(): boolean {
    return !this.#ended.signal.aborted;
  }

  /** Most memory that it was seen to have; 0 before the first look. */
  get peakBytes(): number {
    return this.#peakBytes;
  }

  /** Of the process that does the work. */
  get pid(): number | undefined {
    const { pid } = this.#child;
    return this.#options.launch.isWrapped && pid !== undefined ? childOf(pid) : pid;
  }

  send(order: Asked): void {
    this.#child.stdin.write(encodeJson(order));
  }

  /** The next thing that the process says. @throws the reason of its end when it has ended */
  async next(): Promise<Arrival<Said>> {
    while (this.#arrivals.length === 0) {
      if (!this.isAlive) throw this.#reason!;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const arrival = this.#arrivals.shift()!;
    if (isData(arrival)) this.#waitingBytes -= arrival.bytes.length;
    if (this.#waitingBytes < WAITING_BYTES_MAX) this.#child.stdout.resume();
    return arrival;
  }

  /**
   * Kills it at the deadline, beyond its memory, and on abort. Call when its work begins.
   * @returns ends the guard, for a process that has more work later
   */
  guard(timeoutMs: number, signal: AbortSignal): () => void {
    const { memoryBytes } = this.#options;
    const over = new AbortController();
    const end = (): void => over.abort();
    if (!this.isAlive) return end;
    const abort = (): void =>
      this.kill(new MuaraError("sql.timeout", "The query was cancelled.", { cause: signal.reason }));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    this.#ended.signal.addEventListener("abort", end, { once: true });
    over.signal.addEventListener("abort", () => signal.removeEventListener("abort", abort), { once: true });
    void this.#watchTime(timeoutMs, over.signal);
    void this.#watchMemory(memoryBytes, over.signal);
    return end;
  }

  kill(reason: MuaraError): void {
    if (!this.isAlive) return;
    this.#reason ??= reason;
    this.#killWorker();
    this.#child.stdout.resume();
  }

  /**
   * The wrapper is left to see its child end and to end with it: killed itself, it would leave the child to the
   * machine's first process, which in a container may be this one and collects nothing.
   */
  #killWorker(): void {
    const worker = this.#options.launch.isWrapped ? this.pid : undefined;
    if (worker === undefined) return void this.#child.kill("SIGKILL");
    try {
      process.kill(worker, "SIGKILL");
    } catch {
      this.#child.kill("SIGKILL"); // it has gone in this moment
    }
  }

  /** Resolves when the process is gone. */
  async gone(): Promise<void> {
    if (!this.isAlive) return;
    await new Promise<void>((resolve) =>
      this.#ended.signal.addEventListener("abort", () => resolve(), { once: true }),
    );
  }

  async #watchTime(timeoutMs: number, over: AbortSignal): Promise<void> {
    await this.#options.clock.sleep(timeoutMs, over);
    if (over.aborted) return;
    const said = `The query ran longer than its limit of ${timeoutMs} ms.`;
    this.kill(new MuaraError("sql.timeout", said, { details: { timeoutMs } }));
  }

  async #watchMemory(memoryBytes: number, over: AbortSignal): Promise<void> {
    const { pid } = this.#child;
    if (pid === undefined) return;
    while (!over.aborted) {
      const resident = (await residentBytes(pid, this.#options.launch.isWrapped)) ?? 0;
      this.#peakBytes = Math.max(this.#peakBytes, resident);
      if (resident > memoryBytes) {
        const details = { memoryBytes };
        this.kill(
          new MuaraError("sql.memory", `The query used more than its ${memoryBytes} bytes of memory.`, {
            details,
          }),
        );
        return;
      }
      await this.#options.clock.sleep(waitMs(memoryBytes - resident), over);
    }
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#reader.push(chunk)) {
        if (frame.kind === FRAME_DATA) {
          this.#waitingBytes += frame.body.length;
          this.#arrivals.push({ report: "data", bytes: frame.body });
        } else this.#arrivals.push(JSON.parse(frame.body.toString()) as Said);
      }
    } catch (error) {
      this.kill(lost(String(error)));
    }
    if (this.#waitingBytes >= WAITING_BYTES_MAX) this.#child.stdout.pause();
    this.#wakeUp();
  }

  #exitReason(code: number | null, signal: NodeJS.Signals | null): MuaraError {
    // The kernel kills with this signal what it ends for lack of memory; a wrapper tells of it by its own exit.
    if (signal === "SIGKILL" || code === EXIT_OF_KILLED)
      return new MuaraError("sql.memory", "The query process was killed by the system.", { details: {} });
    // At its limit the system refuses memory, and whoever asked gives up: engine, runtime or C library.
    if (NO_MEMORY.test(this.#stderr))
      return new MuaraError("sql.memory", "The query process was refused more memory.", {
        details: { memoryBytes: this.#options.memoryBytes },
        cause: this.#stderr.trim().slice(0, 500),
      });
    if (signal === "SIGXFSZ")
      return new MuaraError("sql.answer_too_large", "The answer is longer than an answer may be.");
    return lost(`exit ${code ?? signal}: ${this.#stderr.trim().slice(0, 500)}`);
  }

  #end(reason: MuaraError): void {
    if (!this.isAlive) return;
    this.#reason ??= reason;
    this.#ended.abort();
    for (const left of [this.#options.folder, `${this.#options.folder}.mounts`])
      fs.rm(left, { recursive: true, force: true }, () => {});
    this.#wakeUp();
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}

function isData<Said>(
  arrival: Arrival<Said>,
): arrival is { readonly report: "data"; readonly bytes: Buffer } {
  return (
    typeof arrival === "object" && arrival !== null && "bytes" in arrival && Buffer.isBuffer(arrival.bytes)
  );
}

/** @param cause for the log of the service, never for the client */
function lost(cause: string): MuaraError {
  return new MuaraError("sql.failed", "The query process ended unexpectedly.", { cause });
}
