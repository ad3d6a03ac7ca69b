/** Codes of databases that Muara reads from or writes to, and of the changes that they tell. */
import type { ErrorEntry } from "./error-entry.ts";

export const SOURCE_ERRORS = {
  "source.unavailable": {
    status: 503,
    retryable: true,
    help: "The database cannot be reached, goes down or has no room for another connection. It is tried again.",
  },
  "source.refused": {
    status: 502,
    retryable: false,
    help: "The database does not let us in, or not do this: user, password, certificate, name or rights. Compare them.",
  },
  "source.busy": {
    status: 409,
    retryable: true,
    help: "Somebody else reads the replication slot. Stop the other one, or wait until the server has noticed its end.",
  },
  "source.lost": {
    status: 409,
    retryable: false,
    help: "The source no longer has what would come next. Remove the capture and add it again, which copies anew.",
  },
  "source.timeout": {
    status: 504,
    retryable: true,
    help: "A statement took longer than the database's `statementMs`. Raise it, or see what holds the table.",
  },
  "source.rewritten": {
    status: 409,
    retryable: true,
    help: "A table got new files (ALTER TABLE, TRUNCATE, VACUUM FULL) as its copy began. It is copied in another way.",
  },
  "source.statement": {
    status: 502,
    retryable: false,
    help: "The database refuses a statement. `sqlstate` and the message are its own.",
  },
  "source.protocol": {
    status: 502,
    retryable: false,
    help: "The source told something that its protocol does not have. Nothing was acknowledged; report it.",
  },
} as const satisfies Record<string, ErrorEntry>;
