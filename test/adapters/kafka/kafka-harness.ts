/** The log on a real broker for the conformance suite. The time is the broker's: no test can move it. */
import { Admin } from "@platformatic/kafka";
import kafkajs from "kafkajs";
import { openKafkaLogAt } from "../../../adapters/kafka/open.ts";
import { parseKafkaAddress } from "../../../adapters/kafka/address.ts";
import { type KafkaLogOptions, openKafkaLog } from "../../../adapters/kafka/log.ts";
import { systemClock } from "../../../core/clock.ts";
import type { Log } from "../../../core/ports/log.ts";
import type { LogAbility, LogHarness } from "../../conformance/log-harness.ts";
import type { KafkaServer } from "../../services/kafka.ts";

const { Kafka, logLevel, Partitioners } = kafkajs;

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

/** Writes values to partition 0 of a topic as somebody does who knows nothing of Muara. */
export async function produceForeign(
  { broker }: KafkaServer,
  topic: string,
  values: readonly string[],
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const kafka = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING });
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  await producer.send({
    topic,
    messages: values.map((value) => ({ value, partition: 0, headers: { ...headers } })),
  });
  await producer.disconnect();
}

/** Takes what partition 0 of a topic has before an offset, as retention does. */
export async function deleteBefore({ broker }: KafkaServer, topic: string, offset: number): Promise<void> {
  const admin = new Admin({ clientId: "muara-test", bootstrapBrokers: [broker] });
  const partitions = [{ partition: 0, offset: BigInt(offset) }];
  await admin.deleteRecords({ topics: [{ name: topic, partitions }] });
  await admin.close();
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
