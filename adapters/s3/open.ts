/** What lies at an address `s3://bucket/prefix?endpoint=…&region=…`, as `adapters/open.ts` opens it. */
import type { Clock, Randomness } from "../../core/clock.ts";
import type { Config } from "../../core/config.ts";
import type { Logger } from "../../core/logger.ts";
import type { Log } from "../../core/ports/log.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import { parseS3Address, s3Credentials } from "./address.ts";
import { openS3Log } from "./log.ts";
import { createS3ObjectStore, type S3ObjectStore } from "./object-store.ts";

/** An upload in parts that is older than this is nobody's: none takes so long. */
const STALE_UPLOAD_MS = 86_400_000;

interface Services {
  readonly clock: Clock;
  readonly randomness: Randomness;
}

/**
 * @param environment holds the credentials
 * @throws config.invalid, store.unavailable, store.not_atomic, log.corrupt
 */
export function openS3LogAt(
  address: string,
  environment: Readonly<Record<string, unknown>>,
  journal: Pick<Config["journal"], "pendingBytes" | "cacheBytes">,
  services: Services,
): Promise<Log> {
  const { clock, randomness } = services;
  const store = storeAt(address, environment, services);
  const { pendingBytes, cacheBytes } = journal;
  return openS3Log({ store, clock, randomness, pendingBytesMax: pendingBytes, cacheBytes });
}

/**
 * The store of a lake. What killed processes have begun to upload is cleared away, as far as that works.
 * @throws config.invalid
 */
export function openS3StoreAt(
  address: string,
  environment: Readonly<Record<string, unknown>>,
  services: Services & { readonly logger: Logger },
  upload: Config["upload"] | undefined,
): ObjectStore {
  const { clock, logger } = services;
  const store = storeAt(address, environment, services, upload);
  void store.clearLeftovers(clock.nowMs() - STALE_UPLOAD_MS).then(
    (uploads) => uploads > 0 && logger.info("uploads that were never completed were ended", { uploads }),
    (error: unknown) => logger.warn("uploads that were never completed cannot be ended", { error }),
  );
  return store;
}

function storeAt(
  address: string,
  environment: Readonly<Record<string, unknown>>,
  { clock, randomness }: Services,
  upload?: Config["upload"],
): S3ObjectStore {
  const credentials = s3Credentials(environment);
  return createS3ObjectStore({ address: parseS3Address(address), credentials, clock, randomness, ...upload });
}
