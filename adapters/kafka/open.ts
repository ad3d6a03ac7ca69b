/** What lies at an address `kafka://HOST:PORT/PREFIX?…`, as `adapters/open.ts` opens it. */
import type { Clock } from "../../core/clock.ts";
import type { Config } from "../../core/config.ts";
import type { Log } from "../../core/ports/log.ts";
import { kafkaSecurity, parseKafkaAddress } from "./address.ts";
import { openKafkaLog } from "./log.ts";

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
