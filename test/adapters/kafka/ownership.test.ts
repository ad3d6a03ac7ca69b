/** Ownership by a group on a real broker, which may also be away, or have no groups. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { parseKafkaAddress } from "../../../adapters/kafka/address.ts";
import { openKafkaOwnershipAt } from "../../../adapters/kafka/open.ts";
import { openKafkaOwnership } from "../../../adapters/kafka/ownership.ts";
import { systemClock, systemRandomness } from "../../../core/clock.ts";
import { createLogger, silentLogger } from "../../../core/logger.ts";
import type { Ownership } from "../../../core/ports/ownership.ts";
import {
  NAMES,
  namesOf,
  type OwnershipHarness,
  ownershipCasesFor,
  shared,
} from "../../conformance/ownership.ts";
import { freePort } from "../../services/free-port.ts";
import { GROUP_TIMES, type KafkaServer, SESSION, startKafka } from "../../services/kafka.ts";
import { eventually } from "../../services/muara.ts";
import { openAt } from "./kafka-harness.ts";

const SETTLE_MS = 60_000; // no promise, only an end
/** Nothing gets through any more, and nobody is told. */
const SILENCE = { type: "timeout", stream: "upstream", attributes: { timeout: 0 } } as const;
const services = { clock: systemClock, randomness: systemRandomness, logger: silentLogger };

let server: KafkaServer;
const open: Ownership[] = [];
beforeAll(async () => {
  server = await startKafka({ isProxied: true, properties: GROUP_TIMES });
});
afterEach(async () => {
  await server.proxied.network.heal();
  await Promise.all(open.splice(0).map((one) => one.close()));
});
afterAll(() => server.stop());

function join(address: string): Ownership {
  const ownership = openKafkaOwnershipAt(address, {}, services);
  open.push(ownership);
  return ownership;
}

function groupHarness(): OwnershipHarness {
  const address = server.freshAddress();
  const { broker, network } = server.proxied;
  return {
    sessionMs: GROUP_TIMES[SESSION],
    join: () => join(address),
    joinLosable: () => join(address.replace(server.broker, broker)),
    lose: () => network.add(SILENCE),
    find: () => network.heal(),
  };
}

describe("conformance over Kafka", () => {
  for (const [name, run] of ownershipCasesFor(["several"]))
    // oxlint-disable-next-line vitest/valid-title -- they are strings
    test(name, () => run(groupHarness()));
});

test("a broker that is killed takes nobody's share", { timeout: 120_000 }, async () => {
  const address = server.freshAddress();
  const members = [join(address), join(address)];
  const before = await shared(members);
  await server.kill();
  expect(namesOf(members)).toEqual(before);
  await server.restart();
  await shared([...members, join(address)]);
});

test("services deal out apart: who does not land may do all jobs", async () => {
  const address = server.freshAddress();
  const joined = (service: "jobs" | "rules"): Ownership => {
    const ownership = openKafkaOwnershipAt(address, {}, services, service);
    open.push(ownership);
    return ownership;
  };
  const [landing, jobs, rules] = [[join(address), join(address)], [joined("jobs")], [joined("rules")]];
  for (const members of [landing, jobs, rules]) await shared(members);
  expect(jobs[0]!.isDealt).toBe(true);
  jobs.push(joined("jobs"));
  await shared(jobs);
  expect(namesOf(rules)).toEqual([NAMES]);
});

test("its topic is no stream of the log", async () => {
  const address = server.freshAddress();
  const log = await openAt(address);
  await log.createStream("a", { partitions: 1, cleanup: "delete", retentionMs: 3_600_000 });
  await shared([join(address)]);
  expect((await log.listStreams()).map(({ name }) => name)).toEqual(["a"]);
  await log.close();
});

/** What is warned of is collected in `lines`. */
function joinAlone(broker: string, lines: string[], aloneAfterMs: number): Ownership {
  const write = (line: string): void => void lines.push(line);
  const logger = createLogger(write, "warn", () => 0);
  const parsed = { ...parseKafkaAddress(`kafka://${broker}/x.`), security: {} };
  const alone = openKafkaOwnership({ ...parsed, ...services, logger, aloneAfterMs });
  open.push(alone);
  return alone;
}

test("where no broker answers a process owns everything after a while, and says so once", async () => {
  const lines: string[] = [];
  const alone = joinAlone(`127.0.0.1:${await freePort()}`, lines, 500);
  expect(alone.owns("a")).toBe(false);
  await eventually("it takes everything", SETTLE_MS, async () => NAMES.every((name) => alone.owns(name)));
  expect(alone.isDealt).toBe(false);
  expect(lines.filter((line) => line.includes("every name"))).toHaveLength(1);
});

test("brokers without such groups leave everything to every process", { timeout: 120_000 }, async () => {
  const old = await startKafka({ properties: { "group.coordinator.rebalance.protocols": "classic" } });
  try {
    const lines: string[] = [];
    const members = [1, 2].map(() => joinAlone(old.broker, lines, SETTLE_MS));
    await eventually("both own everything", SETTLE_MS, async () =>
      members.every((member) => NAMES.every((name) => member.owns(name))),
    );
    expect(lines.filter((line) => /every name.*groups as of Kafka 4.0/.test(line))).toHaveLength(2);
  } finally {
    await old.stop();
  }
});
