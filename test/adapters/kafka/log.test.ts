import { afterAll, beforeAll, describe, test } from "vitest";
import { logCasesFor } from "../../conformance/log.ts";
import { type KafkaServer, startKafka } from "../../services/kafka.ts";
import { openLogSink } from "../../../workers/deliver/log-sink.ts";
import { SINK_CASES } from "../../conformance/sink.ts";
import { streamRows } from "../../workers/deliver/stream-rows.ts";
import { KAFKA_ABILITIES, kafkaHarness, openAt } from "./kafka-harness.ts";

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

describe("conformance of the sink over Kafka", () => {
  for (const [name, run] of SINK_CASES)
    // oxlint-disable-next-line vitest/valid-title -- they are strings
    test(name, async () => {
      const address = server.freshAddress();
      const log = await openAt(address);
      await log.createStream("out", { partitions: 3, cleanup: "delete", retentionMs: 86_400_000 });
      await run({
        open: async () => openLogSink(await openAt(address), "out", "d"),
        rows: () => streamRows(log, "out"),
      });
      await log.close();
    });
});
