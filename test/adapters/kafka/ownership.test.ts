/**
 * Ownership by a group on a real broker: at rest every name has one owner; names move when a process joins, ends or
 * is lost, and no more of them than must. Whoever cannot have a group owns everything.
 */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { openKafkaOwnershipAt } from "../../../adapters/kafka/open.ts";
import { openKafkaOwnership } from "../../../adapters/kafka/ownership.ts";
import { parseKafkaAddress } from "../../../adapters/kafka/address.ts";
import { systemClock, systemRandomness } from "../../../core/clock.ts";
import { createLogger, silentLogger } from "../../../core/logger.ts";
import type { Ownership } from "../../../core/ports/ownership.ts";
import { GROUP_TIMES, type KafkaServer, SESSION, startKafka } from "../../services/kafka.ts";
import { eventually } from "../../services/muara.ts";
import { freePort } from "../../services/free-port.ts";

const SESSION_MS = GROUP_TIMES[SESSION];
const SETTLE_MS = 60_000; // no promise, only an end
const NAMES = Array.from({ length: 300 }, (_, i) => `team-${i % 7}.something-happened.${i}`);
const services = { clock: systemClock, randomness: systemRandomness, logger: silentLogger };

/** Nothing gets through any more, and nobody is told. */
const SILENCE = { type: "timeout", stream: "upstream", attributes: { timeout: 0 } } as const;

let server: KafkaServer;
const open = new Set<Ownership>();
beforeAll(async () => {
  server = await startKafka({ isProxied: true, properties: GROUP_TIMES });
});
afterEach(async () => {
  await server.proxied.network.heal();
  await Promise.all([...open].map(close));
});
afterAll(() => server.stop());

function join(address: string): Ownership {
  const ownership = openKafkaOwnershipAt(address, {}, services);
  open.add(ownership);
  return ownership;
}

async function close(ownership: Ownership): Promise<void> {
  open.delete(ownership);
  await ownership.close();
}

/** [member] its names */
function namesOf(members: readonly Ownership[], names = NAMES): readonly (readonly string[])[] {
  return members.map((member) => names.filter((name) => member.owns(name)));
}

function isShared(members: readonly Ownership[], names = NAMES): boolean {
  return names.every((name) => members.filter((member) => member.owns(name)).length === 1);
}

/** Each name has one owner among these, and each of them has about as many as the others. */
async function shared(members: readonly Ownership[]): Promise<readonly (readonly string[])[]> {
  await eventually("every name has one owner", SETTLE_MS, async () => {
    const counts = namesOf(members).map(({ length }) => length);
    return isShared(members) && Math.min(...counts) > NAMES.length / members.length / 2;
  });
  return namesOf(members);
}

test("one process owns everything, names that come up later as well", async () => {
  const one = join(server.freshAddress());
  await shared([one]);
  expect(one.owns("never.heard.of")).toBe(true);
});

test("who joins gets a share, and the others keep what is not given away", async () => {
  const address = server.freshAddress();
  const [first, second] = [join(address), join(address)];
  const before = await shared([first, second]);
  const third = join(address);
  const after = await shared([first, second, third]);
  for (const [i, names] of after.slice(0, 2).entries())
    expect(names.every((name) => before[i]!.includes(name))).toBe(true);
  expect(isShared([first, second, third], ["job:a", "job:b", "new.type"])).toBe(true);
});

test("who ends in order is not waited for, and owns nothing any more", async () => {
  const address = server.freshAddress();
  const [first, second] = [join(address), join(address)];
  await shared([first, second]);
  const startedMs = performance.now();
  await close(second);
  await shared([first]);
  expect(performance.now() - startedMs).toBeLessThan(SESSION_MS);
  expect(NAMES.some((name) => second.owns(name))).toBe(false);
});

test("what a lost process had is taken by the others within the session's timeout, and it comes back", async () => {
  const address = server.freshAddress();
  const prefix = address.slice(address.lastIndexOf("/"));
  const [first, lost] = [join(address), join(`kafka://${server.proxied.broker}${prefix}`)];
  const [had] = [(await shared([first, lost]))[1]!];
  // To the group it is as good as dead.
  await server.proxied.network.add(SILENCE);
  const startedMs = performance.now();
  await eventually("the other one has all", SETTLE_MS, async () => NAMES.every((name) => first.owns(name)));
  const tookMs = performance.now() - startedMs;
  expect(tookMs).toBeGreaterThan(SESSION_MS / 2);
  expect(tookMs).toBeLessThan(SESSION_MS + 5_000);
  // A hint: it works on, and need not know.
  expect(had.every((name) => lost.owns(name))).toBe(true);
  await server.proxied.network.heal();
  await shared([first, lost]);
});

test("a broker that is killed takes nobody's share", { timeout: 120_000 }, async () => {
  const address = server.freshAddress();
  const members = [join(address), join(address)];
  const before = await shared(members);
  await server.kill();
  expect(namesOf(members)).toEqual(before);
  await server.restart();
  const third = join(address);
  await shared([...members, third]);
});

test("without a group every process owns everything, and says so once", async () => {
  const lines: string[] = [];
  const logger = createLogger(
    (line) => lines.push(line),
    "warn",
    () => 0,
  );
  const [host, port] = ["127.0.0.1", await freePort()];
  const parsed = { ...parseKafkaAddress(`kafka://${host}:${port}`), security: {} };
  const alone = openKafkaOwnership({ ...parsed, ...services, logger, aloneAfterMs: 500 });
  open.add(alone);
  expect(alone.owns("a")).toBe(false);
  await eventually("it takes everything", SETTLE_MS, async () => NAMES.every((name) => alone.owns(name)));
  expect(lines.filter((line) => line.includes("every name"))).toHaveLength(1);
});
