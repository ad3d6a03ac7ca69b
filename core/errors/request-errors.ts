/** Codes of requests, of those who make them, and of what they declare. */
import type { ErrorEntry } from "./error-entry.ts";

export const REQUEST_ERRORS = {
  // requests
  "request.malformed": {
    status: 400,
    retryable: false,
    help: "The request cannot be read. Compare it with /openapi.json.",
  },
  "request.too_large": {
    status: 413,
    retryable: false,
    help: "Send less per request, or raise the limit that the message names.",
  },
  "request.encoding": {
    status: 415,
    retryable: false,
    help: "Send the body plain or with Content-Encoding: gzip.",
  },
  "request.media_type": {
    status: 415,
    retryable: false,
    help: "Send JSON with Content-Type: application/json.",
  },
  "request.not_acceptable": {
    status: 406,
    retryable: false,
    help: "Ask for application/json, application/x-ndjson, text/csv or application/vnd.apache.parquet.",
  },
  "request.method": {
    status: 405,
    retryable: false,
    help: "The address exists, but not for this method. The header Allow lists those that it knows.",
  },
  "request.timeout": {
    status: 408,
    retryable: true,
    help: "The request did not arrive in time. Check the connection and send it again.",
  },
  "request.not_found": {
    status: 404,
    retryable: false,
    help: "Nothing lives at this address. /openapi.json lists what does.",
  },
  "request.not_supported": {
    status: 501,
    retryable: false,
    help: "Muara does not offer this part of the API. The message says what to use instead.",
  },
  // who may do what
  "auth.missing": {
    status: 401,
    retryable: false,
    help: "Send `Authorization: Bearer TOKEN`. `muara dev` writes one to DIR/token.",
  },
  "auth.invalid": {
    status: 401,
    retryable: false,
    help: "The token is malformed, unknown, expired or revoked. Create one with `muara token create`.",
  },
  "auth.unavailable": {
    status: 503,
    retryable: true,
    help: "The keys of the token's issuer cannot be fetched now. Try again; an operator finds the reason in the log.",
  },
  "auth.forbidden": {
    status: 403,
    retryable: false,
    help: "The token is valid but grants no such access. Ask an administrator for a grant.",
  },
  "auth.blocked": {
    status: 403,
    retryable: false,
    help: "An administrator has blocked the application or the event type (/settings/blacklist). Ask them.",
  },
  "settings.invalid": { status: 422, retryable: false, help: "Correct the field that the message names." },
  "feature.disabled": {
    status: 503,
    retryable: true,
    help: "Switched off for a while by an administrator (/settings/features). Try again later.",
  },
  "quota.exceeded": {
    status: 429,
    retryable: true,
    help: "Wait as long as Retry-After says, then send less per second. An operator raises the limit (`quotas`).",
  },
  // declared things
  "event_type.category": {
    status: 422,
    retryable: false,
    help: "Post to an event type whose category is cloudevent, or post Nakadi's events to /event-types/NAME/events.",
  },
  "event_type.not_found": {
    status: 404,
    retryable: false,
    help: "Declare the event type first: POST /event-types.",
  },
  "event_type.exists": {
    status: 409,
    retryable: false,
    help: "An event type of this name (ignoring case) exists. Choose another name.",
  },
  "event_type.removing": {
    status: 409,
    retryable: true,
    help: "An event type of this name was deleted, and its last events land. Try again in a few seconds.",
  },
  "event_type.not_compacted": {
    status: 422,
    retryable: false,
    help: "Only events of compacted types (cleanup_policy) are deleted by key. Use /v1/erasures.",
  },
  "event_type.in_use": {
    status: 409,
    retryable: false,
    help: "Delete the subscriptions that the message names first.",
  },
  "event_type.incompatible": {
    status: 422,
    retryable: false,
    help: "Declare what was there as it was, and add to it; or declare another event type.",
  },
  "event_type.invalid": { status: 422, retryable: false, help: "Correct the field that the message names." },
  "declaration.conflict": {
    status: 409,
    retryable: true,
    help: "Somebody changed it meanwhile. Read it again, then repeat the change.",
  },
  "declaration.not_found": {
    status: 404,
    retryable: false,
    help: "No such thing is declared. List what is.",
  },
} as const satisfies Record<string, ErrorEntry>;
