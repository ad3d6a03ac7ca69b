/** TLS and SASL as an operator has them: by address and environment, against a broker that wants both. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseKafkaAddress } from "../../../adapters/kafka/address.ts";
import { DELETE, payloadsOf, rejects, textBatch } from "../../conformance/log-harness.ts";
import { KAFKA_USER, type KafkaServer, startKafka } from "../../services/kafka.ts";
import { openAt } from "./kafka-harness.ts";

let server: KafkaServer;
let folder: string;
beforeAll(async () => {
  server = await startKafka({ isSecure: true });
  folder = await mkdtemp(join(tmpdir(), "kafka-secrets-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await server.stop();
});

function addressOf(options: string): string {
  const { broker, caPath } = server.secure;
  return `${server.freshAddress(broker)}?tls=on&ca=${encodeURIComponent(caPath)}&${options}`;
}

function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

/** An unsecured JWS (RFC 7515 §A.5), which the broker of the tests takes. */
function tokenFor(subject: string, seconds: number): string {
  // oxlint-disable-next-line no-restricted-properties -- the broker's clock is the real one
  const now = Math.floor(Date.now() / 1_000);
  return `${part({ alg: "none" })}.${part({ sub: subject, iat: now, exp: now + seconds })}.`;
}

const PASSWORD = { KAFKA_USERNAME: KAFKA_USER.username, KAFKA_PASSWORD: KAFKA_USER.password };

test.each(["plain", "scram-sha-256", "scram-sha-512"])(
  "with SASL %s a log is written and read",
  async (sasl) => {
    const log = await openAt(addressOf(`sasl=${sasl}`), PASSWORD);
    await log.createStream("s", DELETE);
    await log.append("s", 0, textBatch("a", "b"));
    assert.deepEqual(await payloadsOf(log, "s", 0), ["a", "b"]);
    await log.close();
  },
);

test("with a token, and with secrets from files that are replaced", async () => {
  const path = join(folder, "token");
  await writeFile(path, `${tokenFor("muara", 600)}\n`);
  const address = addressOf("sasl=oauthbearer");
  const log = await openAt(address, { KAFKA_TOKEN_FILE: path });
  await log.createStream("s", DELETE);
  await log.append("s", 0, textBatch("a"));
  await log.close();
  await writeFile(path, tokenFor("muara", -600));
  await rejects(openAt(address, { KAFKA_TOKEN_FILE: path }), "log.refused");
  await writeFile(path, tokenFor("muara", 600));
  const again = await openAt(address, { KAFKA_TOKEN_FILE: path });
  assert.deepEqual(await payloadsOf(again, "s", 0), ["a"]);
  await again.close();
});

test.each([
  ["plain", "a wrong one, planted"],
  ["scram-sha-512", "a wrong one, planted"],
])("a wrong password is refused at once by %s, and shown nowhere", async (sasl, KAFKA_PASSWORD) => {
  const error = await openAt(addressOf(`sasl=${sasl}`), { ...PASSWORD, KAFKA_PASSWORD }).then(
    () => undefined,
    (caught: unknown) => caught,
  );
  expect(error).toMatchObject({ code: "log.refused" });
  const { inspect } = await import("node:util");
  expect(inspect(error, { depth: 10 })).not.toContain("planted");
});

test("with a certificate of its own a client is known, and without one it is refused", async () => {
  const { caPath, mutual } = server.secure;
  const files = { ca: caPath, cert: mutual.certPath, key: mutual.keyPath };
  const options = (names: readonly (keyof typeof files)[]): string =>
    names.map((name) => `&${name}=${encodeURIComponent(files[name])}`).join("");
  const address = server.freshAddress(mutual.broker);
  const log = await openAt(`${address}?tls=on${options(["ca", "cert", "key"])}`);
  await log.createStream("s", DELETE);
  await log.append("s", 0, textBatch("a"));
  assert.deepEqual(await payloadsOf(log, "s", 0), ["a"]);
  await log.close();
  await rejects(openAt(`${address}?tls=on${options(["ca"])}`), "log.refused");
  const stranger = ["-keyout", join(folder, "other.key"), "-out", join(folder, "other.pem")];
  execFileSync("openssl", ["req", "-x509", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=x", ...stranger], {
    stdio: "ignore",
  });
  [files.cert, files.key] = [join(folder, "other.pem"), join(folder, "other.key")];
  await rejects(openAt(`${address}?tls=on${options(["ca", "cert", "key"])}`), "log.refused");
});

test("a certificate that nobody vouches for is refused, and so is a listener without TLS", async () => {
  const { broker } = server.secure;
  const address = server.freshAddress(broker);
  await rejects(openAt(`${address}?tls=on&sasl=plain`, PASSWORD), "log.refused");
  await rejects(openAt(`${address}?sasl=plain`, PASSWORD), "log.refused");
});

test.each([
  ["kafka://h", [{ host: "h", port: 9092 }], ""],
  [
    "kafka://h:1,[::1]:2,10.0.0.1/p.",
    [
      { host: "h", port: 1 },
      { host: "::1", port: 2 },
      { host: "10.0.0.1", port: 9092 },
    ],
    "p.",
  ],
])("%s names brokers and a prefix", (address, brokers, prefix) => {
  const parsed = parseKafkaAddress(address);
  assert.deepEqual([parsed.brokers, parsed.prefix], [brokers, prefix]);
});

test.each([
  ["kafka:h:1", "does not begin"],
  ["kafka://user:secret@h:1", "credentials never stand"],
  ["kafka://h:0", "no HOST:PORT"],
  ["kafka://h:1/a b", "cannot begin"],
  ["kafka://h:1?password=x", 'no option "password"'],
  ["kafka://h:1?tls=maybe", "tls is on or off"],
  ["kafka://h:1?ca=x", "need tls=on"],
  ["kafka://h:1?tls=on&cert=x", "come together"],
  ["kafka://h:1?sasl=gssapi", "sasl is one of"],
  ["kafka://h:1?replicas=0", "replicas is a number"],
])("%s is refused: %s", (address, words) => {
  assert.throws(
    () => parseKafkaAddress(address),
    (error: unknown) => {
      assert.ok(error instanceof Error && error.message.includes(words), String(error));
      assert.ok(!error.message.includes("secret"));
      return true;
    },
  );
});

test("what SASL needs and the environment does not have is named", async () => {
  await expect(openAt("kafka://h:1?sasl=plain")).rejects.toThrow(/KAFKA_USERNAME is not set/);
  await expect(openAt("kafka://h:1?sasl=plain", { KAFKA_USERNAME: "u" })).rejects.toThrow(/KAFKA_PASSWORD/);
  await expect(openAt("kafka://h:1?sasl=oauthbearer")).rejects.toThrow(/KAFKA_TOKEN/);
});
