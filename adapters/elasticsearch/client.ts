/**
 * The cluster's client. It repeats nothing: the delivery does, in its own time. And it asks in plain JSON instead of
 * the client's own version, so that a cluster one version older answers, too.
 */
import { readFile } from "node:fs/promises";
import { Client, errors } from "@elastic/elasticsearch";
import type { SearchAddress } from "../../core/search-address.ts";
import type { ReadSecret } from "../../core/secret.ts";

export const JSON_HEADERS = { accept: "application/json", "content-type": "application/json" };
export const LINES_HEADERS = { accept: "application/json", "content-type": "application/x-ndjson" };

/** @throws config.invalid where a secret is missing */
export async function openClient(
  address: SearchAddress,
  readSecret: ReadSecret,
  timeoutMs: number,
): Promise<Client> {
  const { url, apiKey, user, password, ca } = address;
  const auth = apiKey
    ? { apiKey: await readSecret(apiKey) }
    : user !== undefined && password
      ? { username: user, password: await readSecret(password) }
      : undefined;
  return new Client({
    node: url,
    requestTimeout: timeoutMs,
    maxRetries: 0,
    compression: true,
    ...(auth ? { auth } : {}),
    ...(ca === undefined ? {} : { tls: { ca: await readFile(ca, "utf8") } }),
  });
}

/** What the cluster said of a request; undefined where it said nothing. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof errors.ResponseError ? error.statusCode : undefined;
}

/** In a sentence, without what was sent. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof errors.ResponseError))
    return `the cluster cannot be reached: ${error instanceof Error ? error.message : String(error)}`;
  const body = error.body as { error?: { type?: string; reason?: string } } | undefined;
  const { type = "an error", reason = "" } = body?.error ?? {};
  return `the cluster answers ${error.statusCode}: ${type}${reason === "" ? "" : `: ${reason}`}`.slice(
    0,
    300,
  );
}
