import { afterAll, beforeAll, describe, test } from "vitest";
import { logCasesFor } from "../../conformance/log.ts";
import { type KafkaServer, startKafka } from "../../services/kafka.ts";
import { KAFKA_ABILITIES, kafkaHarness } from "./kafka-harness.ts";

let server: KafkaServer;
beforeAll(async () => {
  server = await startKafka();
});
afterAll(() => server.stop());

describe("conformance over Kafka", () => {
  for (const [name, run] of logCasesFor(KAFKA_ABILITIES))
    // oxlint-disable-next-line vitest/valid-title -- they are strings
    test(name, () => run(kafkaHarness(() => server.freshAddress())));
});
