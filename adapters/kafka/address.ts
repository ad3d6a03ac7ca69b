/**
 * The address `kafka://HOST:PORT,HOST:PORT/PREFIX?tls=on&sasl=NAME…`: brokers to begin with, and what topics' names
 * begin with. Secrets never stand in an address, which is logged and shown: they come from the environment, or from
 * files that it names, which are read anew for each connection.
 */
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { MuaraError } from "../../core/errors.ts";
import type { Broker, ClusterOptions } from "./cluster.ts";

const PORT_DEFAULT = 9092;
const PREFIX = /^[\w.-]{0,100}$/;
const SASL = {
  plain: "PLAIN",
  "scram-sha-256": "SCRAM-SHA-256",
  "scram-sha-512": "SCRAM-SHA-512",
  oauthbearer: "OAUTHBEARER",
} as const;
const OPTIONS: ReadonlySet<string> = new Set([
  "tls",
  "ca",
  "cert",
  "key",
  "sasl",
  "replicas",
  "min-replicas",
]);

export interface KafkaAddress {
  readonly brokers: readonly Broker[];
  /** Topics are called so before the stream's name; "" for none. */
  readonly prefix: string;
  /** -1: as the cluster has it by default. */
  readonly replicas: number;
  readonly minReplicas: number | undefined;
  readonly isEncrypted: boolean;
  /** Files: whom to trust, and our own certificate. */
  readonly caPath: string | undefined;
  readonly certPath: string | undefined;
  readonly keyPath: string | undefined;
  readonly mechanism: (typeof SASL)[keyof typeof SASL] | undefined;
}

/** @throws config.invalid naming what is wrong */
export function parseKafkaAddress(address: string): KafkaAddress {
  const match = /^kafka:\/\/([^/?]+)(?:\/([^?]*))?(?:\?(.*))?$/.exec(address);
  if (!match) throw invalid("the address does not begin with kafka://HOST:PORT");
  const [, hosts, prefix = "", query = ""] = match;
  if (hosts!.includes("@"))
    throw invalid("credentials never stand in an address: they come from the environment");
  if (!PREFIX.test(prefix)) throw invalid(`"${prefix}" cannot begin the name of a topic`);
  const options = new URLSearchParams(query);
  for (const key of options.keys()) if (!OPTIONS.has(key)) throw invalid(`there is no option "${key}"`);
  const tls = options.get("tls") ?? "off";
  if (tls !== "on" && tls !== "off") throw invalid("tls is on or off");
  const path = (name: string): string | undefined => options.get(name) ?? undefined;
  const [caPath, certPath, keyPath] = ["ca", "cert", "key"].map(path);
  if (tls === "off" && (caPath ?? certPath ?? keyPath) !== undefined)
    throw invalid("ca, cert and key need tls=on");
  if ((certPath === undefined) !== (keyPath === undefined)) throw invalid("cert and key come together");
  return {
    brokers: hosts!.split(",").map(parseBroker),
    prefix,
    replicas: countOf(options, "replicas") ?? -1,
    minReplicas: countOf(options, "min-replicas"),
    isEncrypted: tls === "on",
    caPath,
    certPath,
    keyPath,
    mechanism: mechanismOf(options.get("sasl")),
  };
}

function parseBroker(text: string): Broker {
  const match = /^(\[[\da-f:]+\]|[\w.-]+)(?::(\d{1,5}))?$/i.exec(text);
  const port = Number(match?.[2] ?? PORT_DEFAULT);
  if (!match || port < 1 || port > 65_535) throw invalid(`"${text}" is no HOST:PORT`);
  return { host: match[1]!.replace(/^\[|\]$/g, ""), port };
}

function mechanismOf(name: string | null): KafkaAddress["mechanism"] {
  if (name === null) return undefined;
  if (name in SASL) return SASL[name as keyof typeof SASL];
  throw invalid(`sasl is one of ${Object.keys(SASL).join(", ")}`);
}

function countOf(options: URLSearchParams, key: string): number | undefined {
  const text = options.get(key);
  if (text === null) return undefined;
  if (/^[1-9]\d{0,2}$/.test(text)) return Number(text);
  throw invalid(`${key} is a number from 1 on`);
}

/**
 * @param environment KAFKA_USERNAME, and KAFKA_PASSWORD or KAFKA_TOKEN or the same with _FILE
 * @throws config.invalid where something that is needed is missing or cannot be read
 */
export function kafkaSecurity(
  { brokers, isEncrypted, caPath, certPath, keyPath, mechanism }: KafkaAddress,
  environment: Readonly<Record<string, unknown>>,
): ClusterOptions["security"] {
  const tls = isEncrypted
    ? {
        tls: {
          ...(caPath === undefined ? {} : { ca: fileText(caPath, "ca") }),
          ...(certPath === undefined ? {} : { cert: fileText(certPath, "cert") }),
          ...(keyPath === undefined ? {} : { key: fileText(keyPath, "key") }),
        },
        // A name says which certificate is wanted; an IP address must not be said.
        tlsServerName: brokers.every(({ host }) => isIP(host) === 0),
      }
    : {};
  if (mechanism === undefined) return tls;
  if (mechanism === "OAUTHBEARER") {
    const token = secretOf(environment, "KAFKA_TOKEN");
    token();
    return { ...tls, sasl: { mechanism, token } };
  }
  const username = environment["KAFKA_USERNAME"];
  if (typeof username !== "string" || username === "") throw invalid("KAFKA_USERNAME is not set");
  const password = secretOf(environment, "KAFKA_PASSWORD");
  password();
  return { ...tls, sasl: { mechanism, username, password } };
}

/** Read each time that it is needed: a file's content may have been replaced by a newer one. */
function secretOf(environment: Readonly<Record<string, unknown>>, name: string): () => string {
  const path = environment[`${name}_FILE`];
  if (typeof path === "string" && path !== "") return () => fileText(path, `${name}_FILE`).trim();
  const value = environment[name];
  if (typeof value !== "string" || value === "") throw invalid(`neither ${name} nor ${name}_FILE is set`);
  return () => value;
}

function fileText(path: string, what: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new MuaraError("config.invalid", `kafka: ${what}: ${path} cannot be read`, { cause });
  }
}

function invalid(reason: string): MuaraError {
  return new MuaraError("config.invalid", `kafka: ${reason}`, { details: { scheme: "kafka" } });
}
