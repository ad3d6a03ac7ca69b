/** What the routes of shares are given beside the ports, and errors in the Delta Sharing protocol's form. */
import type { Config } from "../core/config.ts";
import type { MuaraError } from "../core/errors.ts";
import { answerHeaders } from "../core/http.ts";
import { challengeOf, toProblem } from "../core/problem.ts";
import { createShareDirectory, type ShareDirectory } from "../lake/share/directory.ts";
import { ShareReader } from "../lake/share/reader.ts";
import type { ApiPorts } from "./context.ts";

export interface SharingConfig {
  readonly share: Config["share"];
  readonly shares: Config["shares"];
}

export interface Sharing {
  readonly directory: ShareDirectory;
  readonly reader: ShareReader;
  readonly options: Config["share"];
}

/** @returns undefined where this process has no store to read from @throws config.invalid */
export function createSharing(ports: ApiPorts, { share, shares }: SharingConfig): Sharing | undefined {
  const { store, registry } = ports;
  if (!store) return undefined;
  const directory = createShareDirectory(registry, shares);
  return { directory, options: share, reader: new ShareReader({ ...ports, store }, share) };
}

const CODES: ReadonlyMap<number, string> = new Map([
  [400, "INVALID_PARAMETER_VALUE"],
  [401, "UNAUTHENTICATED"],
  [403, "PERMISSION_DENIED"],
  [404, "RESOURCE_DOES_NOT_EXIST"],
  [410, "RESOURCE_GONE"],
  [413, "REQUEST_LIMIT_EXCEEDED"],
  [429, "TOO_MANY_REQUESTS"],
  [503, "TEMPORARILY_UNAVAILABLE"],
]);

/** `{errorCode, message}`, with our own code, a hint and the request's id beside them. */
export function sharingError(error: MuaraError, flowId: string): Response {
  const problem = toProblem(error);
  const { code, status, detail, hint } = problem;
  const errorCode = CODES.get(status) ?? (status >= 500 ? "INTERNAL_ERROR" : "INVALID_PARAMETER_VALUE");
  const body = JSON.stringify({ errorCode, message: detail, code, hint, request_id: flowId });
  const headers = new Headers(answerHeaders(flowId, "application/json; charset=utf-8"));
  const challenge = challengeOf(problem);
  if (challenge) headers.set("www-authenticate", challenge);
  return new Response(body, { status, headers });
}
