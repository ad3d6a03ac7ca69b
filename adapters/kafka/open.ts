/** What lies at an address `kafka://HOST:PORT/PREFIX?…`, as `adapters/open.ts` opens it. */
import type { Clock } from "../../core/clock.ts";
import type { Config } from "../../core/config.ts";
import type { Log } from "../../core/ports/log.ts";
import type { Ownership } from "../../core/ports/ownership.ts";
import { kafkaSecurity, parseKafkaAddress } from "./address.ts";
import { openKafkaLog } from "./log.ts";
import { openKafkaOwnership, type OwnershipService, type OwnershipServices } from "./ownership.ts";

/**
 * @param environment holds the credentials
 * @throws config.invalid, log.unavailable, log.refused
 */
export async function openKafkaLogAt(
  address: string,
  environment: Readonly<Record<string, unknown>>,
  { pendingBytes, cacheBytes }: Pick<Config["journal"], "pendingBytes" | "cacheBytes">,
  { clock }: { readonly clock: Clock },
): Promise<Log> {
  const parsed = parseKafkaAddress(address);
  const { brokers, prefix, replicas, minReplicas } = parsed;
  const security = kafkaSecurity(parsed, environment);
  return openKafkaLog({
    brokers,
    prefix,
    replicas,
    minReplicas,
    security,
    clock,
    pendingBytesMax: pendingBytes,
    cacheBytes,
  });
}

/**
 * The group of those that work on the log at this address.
 * @param environment holds the credentials
 * @param service what its members do; absent: landing
 * @throws config.invalid
 */
export function openKafkaOwnershipAt(
  address: string,
  environment: Readonly<Record<string, unknown>>,
  services: OwnershipServices,
  service?: OwnershipService,
): Ownership {
  const parsed = parseKafkaAddress(address);
  const security = kafkaSecurity(parsed, environment);
  return openKafkaOwnership({ ...parsed, ...services, security, service });
}
