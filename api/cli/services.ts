/** What the command line is given: the parts of the program that it cannot know, and the outside world. */
import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/ports/log.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";

export interface StartFlags {
  /** Names of workers; empty: all of them. */
  readonly workers: readonly string[];
  readonly data: string | undefined;
  readonly host: string | undefined;
  /** Addresses. */
  readonly log: string | undefined;
  readonly lake: string | undefined;
  readonly port: number | undefined;
  /** Of lines on stderr. */
  readonly logFormat: string | undefined;
  /** Path of a configuration file. */
  readonly config: string | undefined;
  /** `dev` may create a token and prints where to look; `start` is for supervisors. */
  readonly mode: "dev" | "start";
  readonly isVerbose: boolean;
  /** Aborted by Ctrl-C or SIGTERM: end in order. */
  readonly signal: AbortSignal;
}

export interface DemoFlags {
  readonly data: string | undefined;
  readonly port: number | undefined;
  readonly seed: number;
  /** Orders per minute of live traffic. */
  readonly rate: number;
  /** Begin with an empty folder. */
  readonly isFresh: boolean;
  /** undefined: until Ctrl-C. */
  readonly exitAfterMs: number | undefined;
  readonly opensBrowser: boolean;
  /** `json` prints one object with the outcome on stdout. */
  readonly output: OutputFormat;
  /** Aborted by Ctrl-C or SIGTERM: end in order. */
  readonly signal: AbortSignal;
}

export type OutputFormat = "table" | "json" | "jsonl" | "csv" | "parquet" | "arrow";

/** How tables are written for who reads them. */
export interface TableStyle {
  /** What relative times are relative to, ms since 1970. */
  readonly nowMs: number;
  /** Absolute times beside the relative ones, and cells at their full length. */
  readonly isWide: boolean;
  readonly isColoured: boolean;
  /** Of the terminal, in characters; absent: nobody's line ends anywhere. */
  readonly columns?: number | undefined;
}

export interface Writer {
  write(text: string | Uint8Array): unknown;
  /** Absent: times as they came, cells cut, no colours. */
  readonly style?: TableStyle;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

export interface CliServices {
  readonly version: string;
  /** Runs until it is stopped. @returns the exit code */
  readonly start: (flags: StartFlags) => Promise<number>;
  readonly demo: (flags: DemoFlags) => Promise<number>;
  /** By address; absent, as the next, where no backups can be made. */
  readonly openStore?: (address: string) => Promise<ObjectStore>;
  /** A log in a folder that nobody writes; nothing in it is changed. */
  readonly openClosedLog?: (folder: string) => Promise<Log>;
  readonly io: CliIo;
}

export interface CliIo {
  readonly stdout: Writer;
  readonly stderr: Writer;
  readonly stdin: AsyncIterable<Uint8Array> & { readonly isTTY?: boolean | undefined };
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly fetch: typeof fetch;
  readonly clock: Clock;
  /** Aborted by Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
}
