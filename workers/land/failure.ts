/**
 * What a failed attempt means for its table. A landing that has been open for a while may simply be behind: another
 * owner landed and the log removed what was landed, or the table was restored. So an error that would stop the table
 * is believed only where opening itself finds it.
 */
import { isAssertion } from "../../core/assert.ts";
import { type ErrorCode, MuaraError } from "../../core/errors.ts";

/** `retry` with what is in memory, `reload` from the table, or `stop`: a person is needed. */
export type Remedy = "retry" | "reload" | "stop";

/** What a fresh look at table and log may clear up. */
const DOUBTFUL: ReadonlySet<ErrorCode> = new Set([
  "land.fenced",
  "log.identity",
  "log.offset_out_of_range",
  "table.corrupt",
]);
/** What comes by itself: a stream follows its declaration within moments. */
const COMING: ReadonlySet<ErrorCode> = new Set(["log.stream_not_found"]);

/** @param wasOpen whether the landing was open when it failed: an attempt may fail right after it was opened, too */
export function remedyOf(error: unknown, wasOpen: boolean): Remedy {
  if (!(error instanceof MuaraError)) return !isAssertion(error) && isSystemError(error) ? "retry" : "stop";
  if (DOUBTFUL.has(error.code)) return wasOpen ? "reload" : "stop";
  return error.retryable || COMING.has(error.code) ? "retry" : "stop";
}

const RETRY_MS_MAX = 30_000;
/** Somebody frees room and watches: landing goes on within seconds, however long the disk was full. */
const FULL_RETRY_MS_MAX = 5_000;
/** Each try reads the table's log. */
const PAUSED_RETRY_MS = 2_000;
/** What is declared is read in each round: the declaration that is missing may come with any of them. */
const UNKNOWN_SCHEMA_RETRY_MS_MAX = 1_000;

/** How long after the `failures`th failure in a row the next try comes, ms. */
export function retryMs(code: ErrorCode | undefined, failures: number): number {
  if (code === "table.paused") return PAUSED_RETRY_MS;
  if (code === "land.schema_unknown") return Math.min(UNKNOWN_SCHEMA_RETRY_MS_MAX, 100 * 2 ** failures);
  const isFull = code === "store.full" || code === "log.full";
  return Math.min(isFull ? FULL_RETRY_MS_MAX : RETRY_MS_MAX, 100 * 2 ** failures);
}

/** Errors of the operating system carry a code such as EIO; those may pass. A TypeError (Node: ERR_…) will not. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && /^E[A-Z0-9]+$/.test(String((error as { code?: unknown }).code));
}
