/**
 * A Kafka broker for tests: one real broker in KRaft mode, a process per test file, under the git-ignored
 * `.services/`. It can be killed and started again on what it has on disk, can stand behind a network that fails, and
 * can have listeners with TLS and SASL, and with TLS that wants certificates of both sides. `npm run setup` fetches its
 * jars with Maven. Several of them are a cluster: kafka-cluster.ts.
 */
import { execFile, spawn, spawnSync, type ChildProcess } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Admin } from "@platformatic/kafka";
import { freePort } from "./free-port.ts";
import { type FailingNetwork, startFailingNetwork } from "./toxiproxy.ts";

const VERSION = "4.3.1";
const SERVICES = fileURLToPath(new URL("../../.services", import.meta.url));
const FOLDER = join(SERVICES, `kafka-${VERSION}`);
const JARS = [
  ["org.apache.kafka", "kafka_2.13", VERSION],
  ["org.apache.kafka", "kafka-tools", VERSION],
  ["org.slf4j", "slf4j-simple", "1.7.36"],
] as const;
const JVM = ["-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", `${FOLDER}/*`];
const LOGGING = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn";
const READY_MS_MAX = 120_000;
const LOOK_MS = 100;
const PASSWORD = "only for tests on this machine";
const MUTUAL = "listener.name.mutual";

/** After which a member of a group that says nothing is taken for dead, ms; Kafka's own value is 45 seconds. */
export const SESSION = "group.consumer.session.timeout.ms";
/** Properties for groups that are quick to miss a member. */
export const GROUP_TIMES = {
  "group.consumer.min.session.timeout.ms": 1_000,
  [SESSION]: 3_000,
  "group.consumer.min.heartbeat.interval.ms": 100,
  "group.consumer.heartbeat.interval.ms": 500,
} as const;

export interface KafkaOptions {
  /** With a listener behind a network that fails on demand. */
  readonly isProxied?: boolean;
  /** With a listener that wants TLS and SASL, and one that wants a client's certificate. */
  readonly isSecure?: boolean;
  /** Of a cluster of several, what all must have in common; its own if it is alone. */
  readonly clusterId?: string;
  /** Where it listens; any that are free. */
  readonly port?: number;
  /** Lines of `server.properties` that replace or follow ours. */
  readonly properties?: Readonly<Record<string, string | number>>;
}

/** Who may come in by the listener with SASL, by PLAIN and by SCRAM. */
export const KAFKA_USER = { username: "muara-test", password: "a secret of tests" } as const;

export interface KafkaServer {
  /** `host:port` of the plain listener. */
  readonly broker: string;
  /** Behind the network that fails; @throws where there is none */
  readonly proxied: { readonly broker: string; readonly network: FailingNetwork };
  /** @throws where there is none */
  readonly secure: {
    readonly broker: string;
    readonly caPath: string;
    /** The listener that knows clients by their certificates, and the files of one that it knows. */
    readonly mutual: { readonly broker: string; readonly certPath: string; readonly keyPath: string };
  };
  /** The file that holds the first records of a partition. */
  segmentPath(topic: string, partition: number): string;
  /** An address that nobody used before, as a configuration has it. */
  freshAddress(broker?: string): string;
  /** SIGKILL: what the broker did not finish, it did not finish. */
  kill(): Promise<void>;
  /** Starts the killed broker again on its data. @returns when it answers */
  restart(): Promise<void>;
  /** SIGSTOP and SIGCONT: it is there, and silent. */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

export function hasKafka(): boolean {
  return existsSync(join(FOLDER, `kafka_2.13-${VERSION}.jar`));
}

/** Fetches its jars: seconds, once per machine. @throws where Maven is missing or has no repository */
export function installKafka(): void {
  const partial = `${FOLDER}.partial`;
  for (const folder of [FOLDER, partial]) rmSync(folder, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  const dependencies = JARS.map(
    ([group, artifact, version]) =>
      `<dependency><groupId>${group}</groupId>` +
      `<artifactId>${artifact}</artifactId><version>${version}</version></dependency>`,
  );
  const pom = join(partial, "pom.xml");
  writeFileSync(
    pom,
    `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>muara</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>${dependencies.join("\n")}</dependencies></project>`,
  );
  const args = ["-B", "-q", "-f", pom, "dependency:copy-dependencies", "-DincludeScope=runtime"];
  const { status } = spawnSync("mvn", [...args, `-DoutputDirectory=${partial}`], { stdio: "inherit" });
  if (status !== 0) throw new Error("mvn dependency:copy-dependencies of Kafka failed");
  renameSync(partial, FOLDER);
}

/** Starts a broker with nothing in it. Stop it in `afterAll`. */
export async function startKafka(options: KafkaOptions = {}): Promise<KafkaServer> {
  if (!hasKafka()) throw new Error(`${FOLDER} is missing: run "npm run setup"`);
  await mkdir(join(SERVICES, "run"), { recursive: true });
  const folder = await mkdtemp(join(SERVICES, "run", "kafka-"));
  const plain = options.port ?? (await freePort());
  const ports = { plain, controller: await freePort(), inner: 0, secure: 0, mutual: 0 };
  let network: FailingNetwork | undefined;
  if (options.isProxied) {
    ports.inner = await freePort();
    network = await startFailingNetwork(`http://127.0.0.1:${ports.inner}`);
  }
  if (options.isSecure) {
    ports.secure = await freePort();
    ports.mutual = await freePort();
    makeCertificates(folder);
  }
  const advertised = network && new URL(network.url).host;
  const properties = { ...propertiesOf(folder, ports, advertised), ...options.properties };
  const lines = Object.entries(properties).map(([key, value]) => `${key}=${value}`);
  await writeFile(join(folder, "server.properties"), `${lines.join("\n")}\n`);
  await format(folder, options.clusterId ?? newClusterId(), options.isSecure === true);
  const broker = `127.0.0.1:${ports.plain}`;
  let child = await launch(folder, broker);
  const end = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  };
  return {
    broker,
    get proxied() {
      if (!network || advertised === undefined) throw new Error("this broker was started without a network");
      return { broker: advertised, network };
    },
    get secure() {
      if (ports.secure === 0) throw new Error("this broker was started without TLS");
      const certPath = join(folder, "client.pem");
      return {
        broker: `127.0.0.1:${ports.secure}`,
        caPath: join(folder, "ca.pem"),
        mutual: { broker: `127.0.0.1:${ports.mutual}`, certPath, keyPath: join(folder, "client.key") },
      };
    },
    segmentPath: (topic, partition) => join(folder, "data", `${topic}-${partition}`, `${"0".repeat(20)}.log`),
    freshAddress: (at = broker) => `kafka://${at}/t${crypto.randomUUID().slice(0, 8)}.`,
    kill: end,
    restart: async () => {
      await end();
      child = await launch(folder, broker);
    },
    pause: () => void child.kill("SIGSTOP"),
    resume: () => void child.kill("SIGCONT"),
    stop: async () => {
      await end();
      await network?.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function propertiesOf(
  folder: string,
  ports: {
    readonly plain: number;
    readonly controller: number;
    readonly inner: number;
    readonly secure: number;
    readonly mutual: number;
  },
  proxied: string | undefined,
): Record<string, string | number> {
  const listeners = [`PLAINTEXT://127.0.0.1:${ports.plain}`];
  const advertised = [...listeners];
  const protocols = ["CONTROLLER:PLAINTEXT", "PLAINTEXT:PLAINTEXT"];
  if (proxied !== undefined) {
    listeners.push(`PROXIED://127.0.0.1:${ports.inner}`);
    advertised.push(`PROXIED://${proxied}`);
    protocols.push("PROXIED:PLAINTEXT");
  }
  if (ports.secure > 0) {
    listeners.push(`SECURE://127.0.0.1:${ports.secure}`);
    advertised.push(`SECURE://127.0.0.1:${ports.secure}`);
    protocols.push("SECURE:SASL_SSL");
    listeners.push(`MUTUAL://127.0.0.1:${ports.mutual}`);
    advertised.push(`MUTUAL://127.0.0.1:${ports.mutual}`);
    protocols.push("MUTUAL:SSL");
  }
  listeners.push(`CONTROLLER://127.0.0.1:${ports.controller}`);
  return {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.quorum.voters": `1@127.0.0.1:${ports.controller}`,
    listeners: listeners.join(","),
    "advertised.listeners": advertised.join(","),
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": protocols.join(","),
    "inter.broker.listener.name": "PLAINTEXT",
    "log.dirs": join(folder, "data"),
    "auto.create.topics.enable": "true", // the adapter must not make use of it
    "num.partitions": 1,
    "group.initial.rebalance.delay.ms": 0,
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 4,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "log.initial.task.delay.ms": 200,
    "log.retention.check.interval.ms": 500,
    "log.cleaner.backoff.ms": 200,
    "broker.session.timeout.ms": 3_000, // a killed broker is let in again only after it
    "broker.heartbeat.interval.ms": 500,
    "log.segment.delete.delay.ms": 100,
    ...(ports.secure > 0 ? secureProperties(folder) : {}),
  };
}

function secureProperties(folder: string): Record<string, string> {
  const { username, password } = KAFKA_USER;
  const own = "listener.name.secure";
  const keystores = [own, MUTUAL].map((listener) => ({
    [`${listener}.ssl.keystore.location`]: join(folder, "broker.p12"),
    [`${listener}.ssl.keystore.type`]: "PKCS12",
    [`${listener}.ssl.keystore.password`]: PASSWORD,
  }));
  return {
    ...keystores[0],
    ...keystores[1],
    [`${MUTUAL}.ssl.client.auth`]: "required",
    [`${MUTUAL}.ssl.truststore.location`]: join(folder, "client.pem"),
    [`${MUTUAL}.ssl.truststore.type`]: "PEM",
    [`${own}.sasl.enabled.mechanisms`]: "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
    [`${own}.plain.sasl.jaas.config`]: login("plain.PlainLoginModule", `user_${username}="${password}"`),
    [`${own}.scram-sha-256.sasl.jaas.config`]: login("scram.ScramLoginModule", ""),
    [`${own}.scram-sha-512.sasl.jaas.config`]: login("scram.ScramLoginModule", ""),
    [`${own}.oauthbearer.sasl.jaas.config`]: login(
      "oauthbearer.OAuthBearerLoginModule",
      'unsecuredLoginStringClaim_sub="broker"',
    ),
  };
}

function login(module: string, options: string): string {
  return `org.apache.kafka.common.security.${module} required ${options};`;
}

/** A certificate of this machine's address, and one of a client, each signed by itself. */
function makeCertificates(folder: string): void {
  const client = ["-keyout", join(folder, "client.key"), "-out", join(folder, "client.pem")];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "30"];
  run("openssl", "req", "-x509", "-nodes", ...kind, "-subj", "/CN=muara-client", ...client);
  const store = ["-keystore", join(folder, "broker.p12"), "-storetype", "PKCS12", "-storepass", PASSWORD];
  const alias = ["-alias", "broker"];
  run(
    "keytool",
    "-genkeypair",
    ...alias,
    ...store,
    "-keyalg",
    "EC",
    "-dname",
    "CN=muara-test",
    "-validity",
    "30",
    "-ext",
    "san=ip:127.0.0.1,dns:localhost",
  );
  run("keytool", "-exportcert", "-rfc", ...alias, ...store, "-file", join(folder, "ca.pem"));
}

export function newClusterId(): string {
  const id = Buffer.from(crypto.randomUUID().replaceAll("-", ""), "hex").toString("base64url");
  return id.replace(/^-/, "A"); // no option of the tool that takes it
}

async function format(folder: string, id: string, isSecure: boolean): Promise<void> {
  const { username, password } = KAFKA_USER;
  const scram = ["SCRAM-SHA-256", "SCRAM-SHA-512"].flatMap((mechanism) => [
    "--add-scram",
    `${mechanism}=[name=${username},password=${password}]`,
  ]);
  const config = ["-c", join(folder, "server.properties")];
  const tool = [...JVM, LOGGING, "kafka.tools.StorageTool", "format", `--cluster-id=${id}`]; // may begin with a dash
  // Brokers of a cluster do this side by side.
  await promisify(execFile)("java", [...tool, ...config, ...(isSecure ? scram : [])], {
    timeout: READY_MS_MAX,
  });
}

function run(command: string, ...args: readonly string[]): void {
  const { status, stderr, stdout } = spawnSync(command, args, { encoding: "utf8", timeout: READY_MS_MAX });
  if (status !== 0) throw new Error(`${command} failed: ${stderr}${stdout}`);
}

async function launch(folder: string, broker: string): Promise<ChildProcess> {
  const output = openSync(join(folder, "broker.log"), "a");
  const args = [...JVM, LOGGING, "kafka.Kafka", join(folder, "server.properties")];
  const child = spawn("java", args, { stdio: ["ignore", output, output] });
  closeSync(output);
  await writeFile(join(folder, "pid"), String(child.pid));
  const endMs = performance.now() + READY_MS_MAX;
  while (child.exitCode === null && child.signalCode === null && performance.now() < endMs) {
    if (await answers(broker)) return child;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  child.kill("SIGKILL");
  throw new Error(
    `Kafka does not answer:\n${readFileSync(join(folder, "broker.log"), "utf8").slice(-4_000)}`,
  );
}

/** Whether the broker is one that clients are sent to. */
async function answers(broker: string): Promise<boolean> {
  const admin = new Admin({
    clientId: "muara-test",
    bootstrapBrokers: [broker],
    retries: 0,
    connectTimeout: 2_000,
  });
  try {
    return (await admin.connectToBrokers()).size > 0;
  } catch {
    return false;
  } finally {
    await admin.close();
  }
}
