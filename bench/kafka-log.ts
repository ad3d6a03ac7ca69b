/** A log on Kafka with the limits of the configuration. */
import { openKafkaLogAt } from "../adapters/kafka/open.ts";
import { resolveConfig } from "../core/config.ts";
import type { Log } from "../core/ports/log.ts";
import { services } from "./landing.ts";

export function openKafkaLog(address: string): Promise<Log> {
  return openKafkaLogAt(address, {}, resolveConfig({ environment: {} }).config.journal, services);
}
