/** Codes of backups, and of formats that this release does not know. */
import type { ErrorEntry } from "./error-entry.ts";

export const BACKUP_ERRORS = {
  "backup.exists": {
    status: 409,
    retryable: false,
    help: "Name an empty place: a backup, or a restored folder, never goes over what is there.",
  },
  "backup.corrupt": {
    status: 422,
    retryable: false,
    help: "The backup is incomplete or was changed. Use another one; `muara backup verify` says what is wrong.",
  },
  "backup.moved": {
    status: 503,
    retryable: true,
    help: "Files went away while they were copied, again and again. Try again; nothing was changed at the source.",
  },
  "format.newer": {
    status: 500,
    retryable: false,
    help: "A newer release wrote this. Start that one, or restore a backup from before it; nothing was changed.",
  },
} as const satisfies Record<string, ErrorEntry>;
