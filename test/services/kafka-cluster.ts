/**
 * A Kafka cluster for tests: several real brokers, of which the first is the controller as well and stays alive. The
 * others may be killed, one or all, which is what moves leaders.
 */
import { freePort } from "./free-port.ts";
import { type KafkaServer, newClusterId, startKafka } from "./kafka.ts";

export interface KafkaCluster {
  /** Broker 1 is the first; it must not be killed. */
  readonly brokers: readonly KafkaServer[];
  /** An address that nobody used before; it names all brokers. */
  freshAddress(): string;
  stop(): Promise<void>;
}

/** @param count of brokers, which start side by side */
export async function startKafkaCluster(count: number): Promise<KafkaCluster> {
  const clusterId = newClusterId();
  const controller = `127.0.0.1:${await freePort()}`;
  const ports: number[] = [];
  for (let i = 0; i < count; i++) ports.push(await freePort());
  const starts = ports.map((port, i) => {
    const plain = `PLAINTEXT://127.0.0.1:${port}`;
    const properties = {
      "node.id": i + 1,
      "process.roles": i === 0 ? "broker,controller" : "broker",
      "controller.quorum.voters": `1@${controller}`,
      listeners: i === 0 ? `${plain},CONTROLLER://${controller}` : plain,
      "default.replication.factor": count,
      "broker.session.timeout.ms": 2_000,
      "broker.heartbeat.interval.ms": 300,
      "replica.fetch.wait.max.ms": 50,
      "replica.fetch.backoff.ms": 100,
    };
    return startKafka({ clusterId, port, properties });
  });
  const outcomes = await Promise.allSettled(starts);
  const brokers = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  const stop = async (): Promise<void> => {
    await Promise.all(brokers.map((broker) => broker.stop()));
  };
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  if (failed) {
    await stop();
    throw failed.reason;
  }
  const all = brokers.map(({ broker }) => broker).join(",");
  return { brokers, freshAddress: () => brokers[0]!.freshAddress(all), stop };
}
