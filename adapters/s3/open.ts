/** The log at an address `s3://bucket/prefix?endpoint=…&region=…`, as `adapters/open.ts` opens it. */
import type { Clock, Randomness } from "../../core/clock.ts";
import type { Config } from "../../core/config.ts";
import type { Log } from "../../core/ports/log.ts";
import { parseS3Address, s3Credentials } from "./address.ts";
import { openS3Log } from "./log.ts";
import { createS3ObjectStore } from "./object-store.ts";

/**
 * @param environment holds the credentials
 * @throws config.invalid, store.unavailable, store.not_atomic, log.corrupt
 */
export function openS3LogAt(
  address: string,
  environment: Readonly<Record<string, unknown>>,
  journal: Pick<Config["journal"], "pendingBytes" | "cacheBytes">,
  services: { readonly clock: Clock; readonly randomness: Randomness },
): Promise<Log> {
  const { clock, randomness } = services;
  const credentials = s3Credentials(environment);
  const store = createS3ObjectStore({ address: parseS3Address(address), credentials, clock, randomness });
  const { pendingBytes, cacheBytes } = journal;
  return openS3Log({ store, clock, randomness, pendingBytesMax: pendingBytes, cacheBytes });
}
