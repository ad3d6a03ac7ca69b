/** What processes answer that work on data files for others, and what their failures are called. */
import { hasCode, MuaraError } from "../core/errors.ts";

export type FailureKind = "gone" | "unreadable" | "memory" | "full" | "failed";

interface Said {
  readonly report: string;
}

export function isAnswer<Report extends Said, Kind extends Report["report"]>(
  answer: Report,
  expected: Kind,
): answer is Extract<Report, { readonly report: Kind }> {
  return answer.report === expected;
}

export interface Failing {
  /** Before a colon: whose file, whose work. */
  readonly whose: string;
  /** Of an unreadable file, in a sentence. */
  readonly unreadable: string;
  /** What cannot be done, in a sentence, and its code. */
  readonly failed: string;
  readonly code: "job.engine_failed" | "table.rewrite_failed";
  readonly details: Readonly<Record<string, unknown>>;
}

/** @param cause in the process's words */
export function failureOf(kind: FailureKind, cause: string, about: Failing): MuaraError {
  const { whose, unreadable, failed, code, details } = about;
  if (kind === "gone")
    return new MuaraError("table.version_not_found", "A file of this version is gone.", { details, cause });
  if (kind === "unreadable")
    return new MuaraError("table.corrupt", `${whose}: ${unreadable}.`, { details, cause });
  const why = { memory: "memory is not enough", full: "the disk is full", failed: "the engine failed" }[kind];
  return new MuaraError(code, `${whose}: ${failed}: ${why}.`, { details, cause });
}

/** How the process came to its end; undefined: the error tells of something else. */
export function endOf(error: unknown): "memory" | "timeout" | "ended" | undefined {
  if (hasCode(error, "sql.memory")) return "memory";
  if (hasCode(error, "sql.timeout")) return "timeout";
  return hasCode(error, "sql.failed") ? "ended" : undefined;
}
