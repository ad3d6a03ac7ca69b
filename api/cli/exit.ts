/**
 * Exit codes and the texts of failures: what went wrong, why, and the next command. 0 done, 1 failed, 2 usage,
 * 3 not found, 4 not allowed, 5 conflict, 6 a check did not hold, 7 unreachable or timed out (retry is sensible),
 * 75 the disk refused durability (a supervisor may start it again), 130 interrupted.
 */
import { ERRORS, MuaraError } from "../../core/errors.ts";
import { visible } from "./output.ts";

export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  notAllowed: 4,
  conflict: 5,
  checkFailed: 6,
  unreachable: 7,
  durability: 75,
  interrupted: 130,
} as const;

/** A failure with its exit code. `hint` is the next thing to do, a command where there is one. */
export class CliFailure extends Error {
  readonly exitCode: number;
  readonly hint: string | undefined;
  /** Under which the server's log and the audit log have the request. */
  readonly requestId: string | undefined;

  constructor(exitCode: number, message: string, hint?: string, requestId?: string) {
    super(message);
    this.exitCode = exitCode;
    this.hint = hint;
    this.requestId = requestId;
  }
}

const BY_STATUS: Readonly<Record<number, number>> = {
  401: EXIT.notAllowed,
  403: EXIT.notAllowed,
  404: EXIT.notFound,
  408: EXIT.unreachable,
  409: EXIT.conflict,
  429: EXIT.unreachable,
  503: EXIT.unreachable,
  507: EXIT.unreachable,
};

export function exitCodeOfStatus(status: number): number {
  return BY_STATUS[status] ?? EXIT.failed;
}

/** @returns lines for stderr and the exit code */
export function describeFailure(error: unknown): { readonly text: string; readonly exitCode: number } {
  if (error instanceof CliFailure) {
    const hint = error.hint ? `\n  ${visible(error.hint)}` : "";
    const request = error.requestId ? `\n  request id: ${visible(error.requestId)}` : "";
    return { text: `muara: ${visibleLines(error.message)}${hint}${request}\n`, exitCode: error.exitCode };
  }
  if (error instanceof MuaraError) {
    const text = `muara: ${visibleLines(error.message)} (${error.code})\n  ${hintOf(error)}\n`;
    const isDurability = error.code === "log.sync_failed" || error.code === "store.sync_failed";
    return { text, exitCode: isDurability ? EXIT.durability : exitCodeOfStatus(error.status) };
  }
  const file = fileFailure(error);
  if (file) return file;
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return {
    text: `muara: an unexpected error, which is a bug in Muara\n${visibleLines(text)}\n`,
    exitCode: EXIT.failed,
  };
}

const FILE_PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "this user may not",
  EPERM: "this user may not",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of its path is no folder",
  ENOSPC: "the disk is full",
  EROFS: "the disk is read-only",
};

/** A file that somebody named on the command line is no bug of ours. */
function fileFailure(error: unknown): ReturnType<typeof describeFailure> | undefined {
  const { code = "", path, syscall = "" } = (error ?? {}) as NodeJS.ErrnoException;
  const problem = FILE_PROBLEMS[code];
  if (problem === undefined || path === undefined) return undefined;
  const verb = syscall === "mkdir" || syscall === "rename" ? "write" : "open";
  const exitCode = code === "ENOENT" ? EXIT.notFound : EXIT.failed;
  return { text: `muara: cannot ${verb} ${visible(path)}: ${problem}.\n`, exitCode };
}

function hintOf(error: MuaraError): string {
  const variable = error.details["variable"];
  const explained = error.code === "config.invalid" ? "See `muara config docs`." : ERRORS[error.code].help;
  return typeof variable === "string" ? `${explained} Environment variable: ${variable}` : explained;
}

function visibleLines(text: string): string {
  return text.split("\n").map(visible).join("\n");
}
