/** The log on a real broker for the conformance suite. The time is the broker's: no test can move it. */
import { openKafkaLogAt } from "../../../adapters/kafka/open.ts";
import { parseKafkaAddress } from "../../../adapters/kafka/address.ts";
import { type KafkaLogOptions, openKafkaLog } from "../../../adapters/kafka/log.ts";
import { systemClock } from "../../../core/clock.ts";
import type { Log } from "../../../core/ports/log.ts";
import type { LogAbility, LogHarness } from "../../conformance/log-harness.ts";

export const KAFKA_ABILITIES: readonly LogAbility[] = ["reopen", "producers", "accepted"];

/** A log at an address as a configuration has it. */
export function openAt(address: string, environment: Readonly<Record<string, string>> = {}): Promise<Log> {
  const journal = { pendingBytes: 64 * 1_048_576, cacheBytes: 64 * 1_048_576 };
  return openKafkaLogAt(address, environment, journal, { clock: systemClock });
}

/** A log with its inner times as a test needs them. */
export function openWith(address: string, options: Partial<KafkaLogOptions> = {}): Promise<Log> {
  const { brokers, prefix, replicas } = parseKafkaAddress(address);
  return openKafkaLog({ brokers, prefix, replicas, security: {}, clock: systemClock, ...options });
}

export function kafkaHarness(address: () => string): LogHarness {
  const addresses = new WeakMap<Log, string>();
  const openIt = async (at: string): Promise<Log> => {
    const log = await openAt(at);
    addresses.set(log, at);
    return log;
  };
  return {
    open: () => openIt(address()),
    reopen: async (log) => {
      await log.close();
      return openIt(addresses.get(log)!);
    },
    abilities: KAFKA_ABILITIES,
  };
}
