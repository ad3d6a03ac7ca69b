/** Codes of the process itself and of the command line that looks for it. */
import type { ErrorEntry } from "./error-entry.ts";

export const PROCESS_ERRORS = {
  // the process
  "kernel.memory": {
    status: 503,
    retryable: true,
    help: "The kernel's memory is full. Use smaller batches, fewer tables per process, or raise its limit.",
  },
  "kernel.image": {
    status: 500,
    retryable: false,
    help: "A state image is damaged, or of another version or declaration. Discard it: a replay gives the same state.",
  },
  "config.invalid": {
    status: 500,
    retryable: false,
    help: "Correct the configuration; `muara config check` explains every key.",
  },
  "audit.unavailable": {
    status: 503,
    retryable: true,
    help: "The change was made; its record is written as soon as the log takes it. Look before you repeat the change.",
  },
  "runtime.unsupported": {
    status: 500,
    retryable: false,
    help: "Use Node ^22.22 or >= 24.12, or Deno >= 2.9.",
  },
  "server.unreachable": {
    status: 503,
    retryable: true,
    help: "Start it with `npm run dev` or `npm run demo`, or name another with --url.",
  },
  internal: {
    status: 500,
    retryable: false,
    help: "A bug in Muara. The log has the details under the request id.",
  },
} as const satisfies Record<string, ErrorEntry>;
