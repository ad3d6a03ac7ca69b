/** Codes of requests that Muara itself sends to addresses which somebody else may choose. */
import type { ErrorEntry } from "./error-entry.ts";

export const OUTGOING_ERRORS = {
  "outgoing.refused": {
    status: 422,
    retryable: false,
    help: "Name a public http or https address that does not redirect, or list its host in `outgoing.allow`.",
  },
  "outgoing.unreachable": {
    status: 502,
    retryable: true,
    help: "Nothing was sent. Check the name, the port and the network between, then try again.",
  },
  "outgoing.failed": {
    status: 502,
    retryable: true,
    help: "The other side did not finish its answer in time. Whether it carried out the request is not known.",
  },
  "outgoing.too_large": {
    status: 502,
    retryable: false,
    help: "The other side answers more than it should. Check that the address is the intended one.",
  },
} as const satisfies Record<string, ErrorEntry>;
