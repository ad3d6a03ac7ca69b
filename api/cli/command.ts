/** What every command file exports, and what an action is given: the global flags, resolved. */
import type { Command } from "commander";
import { Client, DATA_DEFAULT, URL_DEFAULT } from "./client.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { takesColour } from "./colour.ts";
import type { CliIo, CliServices, OutputFormat, Writer } from "./services.ts";

export interface GlobalFlags {
  readonly output: OutputFormat;
  readonly url: string;
  readonly token: string | undefined;
  readonly data: string;
  readonly isQuiet: boolean;
  readonly isVerbose: boolean;
  /** Absolute times beside relative ones, and whole cells. */
  readonly isWide: boolean;
  /** Whether somebody at a terminal may be asked. */
  readonly takesInput: boolean;
}

export interface Session {
  readonly services: CliServices;
  readonly io: CliIo;
  readonly flags: GlobalFlags;
  readonly client: Client;
  /** A line for people, on stderr; nothing with -q. */
  readonly say: (text: string) => void;
}

/** Adds a command to the program. */
export type AddCommand = (program: Command, run: RunAction) => void;

/** Wraps an action: it gets a session, and its number becomes the exit code. */
export type RunAction = (
  action: (session: Session, command: Command) => Promise<number | void>,
) => (...args: unknown[]) => Promise<void>;

export const FORMATS: readonly OutputFormat[] = ["table", "json", "jsonl", "csv", "parquet", "arrow"];

export function openSession(services: CliServices, command: Command): Session {
  const options = command.optsWithGlobals<Record<string, unknown>>();
  const { io } = services;
  const { environment } = io;
  const flags: GlobalFlags = {
    output: options["output"] as OutputFormat,
    url: textOr(options["url"], environment["MUARA_URL"] ?? URL_DEFAULT),
    token: typeof options["token"] === "string" ? options["token"] : environment["MUARA_TOKEN"],
    data: textOr(options["data"], environment["MUARA_DATA"] ?? DATA_DEFAULT),
    isQuiet: options["quiet"] === true,
    isVerbose: options["verbose"] === true,
    isWide: options["wide"] === true,
    takesInput: options["input"] !== false && io.stdin.isTTY === true && io.stderr.isTTY === true,
  };
  const say = (text: string): void => {
    if (!flags.isQuiet) io.stderr.write(`${text}\n`);
  };
  const hasColours = takesColour(io.stdout, environment, options["color"] === false);
  const stdout: Writer = {
    write: (text) => io.stdout.write(text),
    isTTY: io.stdout.isTTY,
    columns: io.stdout.columns,
    style: {
      nowMs: io.clock.nowMs(),
      isWide: flags.isWide,
      isColoured: hasColours,
      columns: io.stdout.isTTY === true ? io.stdout.columns : undefined,
    },
  };
  return { services, io: { ...io, stdout }, flags, say, client: new Client(io, flags) };
}

function textOr(value: unknown, fallback: string): string {
  return typeof value === "string" ? value : fallback;
}

/** A whole number as a flag's value. @throws CliFailure (usage) */
export function wholeNumber(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new CliFailure(EXIT.usage, `${name} is a whole number from ${min} to ${max}, not "${text}".`);
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A duration such as 90s, 5m, 2h, 30d; a bare number counts seconds. @returns ms @throws CliFailure (usage) */
export function duration(name: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text);
  if (match) return Number(match[1]) * UNITS[match[2] ?? "s"]!;
  throw new CliFailure(EXIT.usage, `${name} is a duration such as 30s, 5m or 2h, not "${text}".`);
}

/** Everything that stdin or a file has. `-` and nothing mean stdin. */
export async function* inputChunks(io: CliIo, file: string | undefined): AsyncGenerator<Uint8Array> {
  if (file === undefined || file === "-") {
    yield* io.stdin;
    return;
  }
  const { createReadStream } = await import("node:fs");
  try {
    for await (const chunk of createReadStream(file)) yield chunk as Uint8Array;
  } catch (error) {
    const { code } = error as { code?: string };
    throw new CliFailure(code === "ENOENT" ? EXIT.notFound : EXIT.failed, `cannot read ${file}: ${code}`);
  }
}
