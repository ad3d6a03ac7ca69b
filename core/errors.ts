/**
 * Every error that Muara reports, in one closed table (its parts are `core/errors/*.ts`): HTTP status, whether
 * trying the same again can help, and a sentence for the person who has to act. `docs/ERRORS.md` is generated from
 * it; HTTP renders it as RFC 9457 (`core/problem.ts`).
 */
import { ALERT_ERRORS } from "./errors/alert-errors.ts";
import { BACKUP_ERRORS } from "./errors/backup-errors.ts";
import { BUSINESS_PROCESS_ERRORS } from "./errors/business-process-errors.ts";
import { CAPTURE_ERRORS } from "./errors/capture-errors.ts";
import type { ErrorEntry } from "./errors/error-entry.ts";
import { EVENT_ERRORS } from "./errors/event-errors.ts";
import { JOB_ERRORS } from "./errors/job-errors.ts";
import { LAKE_ERRORS } from "./errors/lake-errors.ts";
import { OUTGOING_ERRORS } from "./errors/outgoing-errors.ts";
import { PROCESS_ERRORS } from "./errors/process-errors.ts";
import { RECONCILIATION_ERRORS } from "./errors/reconciliation-errors.ts";
import { REQUEST_ERRORS } from "./errors/request-errors.ts";
import { SOURCE_ERRORS } from "./errors/source-errors.ts";
import { STREAM_ERRORS } from "./errors/stream-errors.ts";
import { TRANSFER_ERRORS } from "./errors/transfer-errors.ts";

const TABLE = {
  ...REQUEST_ERRORS,
  ...EVENT_ERRORS,
  ...LAKE_ERRORS,
  ...PROCESS_ERRORS,
  ...STREAM_ERRORS,
  ...OUTGOING_ERRORS,
  ...TRANSFER_ERRORS,
  ...RECONCILIATION_ERRORS,
  ...CAPTURE_ERRORS,
  ...SOURCE_ERRORS,
  ...ALERT_ERRORS,
  ...BACKUP_ERRORS,
  ...JOB_ERRORS,
  ...BUSINESS_PROCESS_ERRORS,
};

export type ErrorCode = keyof typeof TABLE;
export const ERRORS: Readonly<Record<ErrorCode, ErrorEntry>> = TABLE;

export interface MuaraErrorOptions {
  /** JSON-ready facts: names, limits, positions. Never payload values and never secrets. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** An operational error: expected to happen, reported to whoever can act. */
export class MuaraError extends Error {
  override readonly name = "MuaraError";
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: MuaraErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  /** Whether the same call may succeed later without anybody changing it. */
  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }
}

/** Whether a store could not do it now and may later; what it was asked for has not happened, or nobody knows. */
export function isStoreTrouble(error: unknown): error is MuaraError {
  return hasCode(error, "store.unavailable") || hasCode(error, "store.full");
}

export function hasCode(error: unknown, code: ErrorCode): error is MuaraError {
  return error instanceof MuaraError && error.code === code;
}
