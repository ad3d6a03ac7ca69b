/**
 * A Muara that is killed and started again over one folder, and a client that does not give up: every request is
 * repeated until it has an answer, and requests that broke off are counted, because nobody knows whether they were
 * stored. A refused connection is no such case: nothing was sent.
 */
import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { type MuaraProcess, spawnMuara } from "../services/muara.ts";

const RETRY_MS = 10;
/** Refusals that promise that nothing was stored, but for one code; the same may be sent again. */
const NOT_STORED = new Set([429, 503, 507]);
const MAYBE_STORED = '"log.append_unknown"';

/** The answer to a request, after as many tries as it took. */
export interface Settled {
  readonly status: number;
  readonly text: string;
  /** Tries that broke off before their answer was complete. */
  readonly unanswered: number;
}

export interface HostCounts {
  starts: number;
  kills: number;
  unanswered: number;
  refused: number;
  /** Answers of 500 and above that are no refusal: there should be none. */
  failures: string[];
}

export class Host {
  readonly folder: string;
  /** Where its tables are files, on whatever way they get there. */
  readonly lake: string;
  readonly counts: HostCounts = { starts: 0, kills: 0, unanswered: 0, refused: 0, failures: [] };
  /** Called for each process that became ready. */
  onReady: (muara: MuaraProcess) => void = () => undefined;
  readonly #environment: Record<string, string>;
  readonly #workers: readonly string[];
  #child: ChildProcess | undefined;
  #running: MuaraProcess | undefined;
  #waiting: ((muara: MuaraProcess) => void)[] = [];
  /** Processes that are meant to end. */
  readonly #told = new Set<ChildProcess>();
  #surprise: string | undefined;

  constructor(
    folder: string,
    environment: Record<string, string> = {},
    lake = join(folder, "lake"),
    workers: readonly string[] = [],
  ) {
    this.folder = folder;
    this.lake = lake;
    this.#environment = environment;
    this.#workers = workers;
  }

  get running(): MuaraProcess | undefined {
    return this.#running;
  }

  /** @throws when a process has ended without having been told to */
  assertNoSurprise(): void {
    if (this.#surprise !== undefined) throw new Error(this.#surprise);
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts a process and waits until it is ready. @throws with its output when it ends before */
  async start(): Promise<MuaraProcess> {
    const { child, ready } = this.#spawn();
    const muara = await ready;
    const ended = (): void => this.#noteEnd(child, muara);
    if (child.exitCode !== null || child.signalCode !== null) ended();
    else child.once("exit", ended);
    this.#running = muara;
    this.onReady(muara);
    for (const resolve of this.#waiting.splice(0)) resolve(muara);
    return muara;
  }

  /**
   * Starts a process that has `ms` to live, ready or not.
   * @returns whether it was ready before @throws with its output when it ended by itself
   */
  async startBriefly(ms: number): Promise<boolean> {
    const { child, ready } = this.#spawn();
    const outcome = ready.then(
      () => ({ isReady: true, error: undefined }),
      (error: unknown) => ({ isReady: false, error }),
    );
    await sleep(ms);
    const endedItself = child.exitCode !== null;
    await this.kill();
    const { isReady, error } = await outcome;
    if (endedItself) throw new Error("it ended by itself", { cause: error });
    return isReady;
  }

  /** SIGKILL, wherever it is. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (!child) return;
    this.counts.kills++;
    this.#told.add(child);
    child.kill("SIGKILL");
    await this.#ended(child);
  }

  /** SIGTERM, and SIGKILL after `ms` if it is still there. @returns whether it ended cleanly before */
  async stop(ms: number): Promise<boolean> {
    const child = this.#child!;
    this.#told.add(child);
    child.kill("SIGTERM");
    const deadline = new AbortController();
    await Promise.race([this.#ended(child), sleep(ms, deadline.signal)]);
    deadline.abort();
    if (child.exitCode === 0) return true;
    if (child.exitCode !== null) throw new Error(`a stop ended with ${child.exitCode}`);
    await this.kill();
    return false;
  }

  /** Sends until there is an answer. @throws when the process ended without having been told to */
  async post(path: string, body: string | Uint8Array<ArrayBuffer>): Promise<Settled> {
    for (let unanswered = 0; ;) {
      this.assertNoSurprise();
      const muara = this.#running ?? (await new Promise<MuaraProcess>((found) => this.#waiting.push(found)));
      try {
        const response = await muara.fetch(path, { method: "POST", body });
        const text = await response.text();
        const { status } = response;
        if (NOT_STORED.has(status)) this.counts.refused++;
        else if (status >= 500) this.counts.failures.push(`${status} ${text.slice(0, 500)}`);
        else return { status, text, unanswered };
        if (!NOT_STORED.has(status) || text.includes(MAYBE_STORED)) unanswered++;
      } catch (error) {
        if (!wasNeverSent(error)) {
          unanswered++;
          this.counts.unanswered++;
        }
      }
      await sleep(RETRY_MS);
    }
  }

  #noteEnd(child: ChildProcess, muara: MuaraProcess): void {
    if (this.#told.has(child)) return;
    const how = child.exitCode ?? child.signalCode;
    this.#surprise = `it ended by itself with ${how}:\n${muara.log().slice(-3_000)}`;
  }

  #spawn(): { readonly child: ChildProcess; readonly ready: Promise<MuaraProcess> } {
    const started = spawnMuara(this.folder, this.#environment, [], this.#workers);
    this.#child = started.child;
    this.counts.starts++;
    return started;
  }

  async #ended(child: ChildProcess): Promise<void> {
    if (child.exitCode === null && child.signalCode === null)
      await new Promise((resolve) => child.once("exit", resolve));
    if (this.#child !== child) return;
    this.#child = undefined;
    this.#running = undefined;
  }
}

/** A connection that was closed between two requests breaks off the second one. For requests that change nothing. */
export async function fetchAgain(muara: MuaraProcess, path: string, init?: RequestInit): Promise<Response> {
  for (let tries = 1; ; tries++) {
    try {
      return await muara.fetch(path, init);
    } catch (error) {
      if (tries === 3) throw error;
      await sleep(1_000);
    }
  }
}

function wasNeverSent(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && "code" in cause && cause.code === "ECONNREFUSED";
}

export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
