/** A real issuer on this machine: discovery, keys over HTTP, and tokens made with `node:crypto` alone. */
import { constants, createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import http from "node:http";
import type { AddressInfo } from "node:net";

export interface SigningKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export interface LocalIssuer {
  readonly url: string;
  /** What is published; may be replaced. */
  keys: Record<string, unknown>[];
  /** Answers with this instead, for a path. */
  readonly instead: Map<string, { status: number; body: string; headers?: Record<string, string> }>;
  /** Paths that were asked for. */
  readonly asked: string[];
  stop(): Promise<void>;
}

export async function startIssuer(): Promise<LocalIssuer> {
  const asked: string[] = [];
  const instead: LocalIssuer["instead"] = new Map();
  const server = http.createServer((request, response) => {
    const route = request.url ?? "";
    asked.push(route);
    const other = instead.get(route);
    if (other) return void response.writeHead(other.status, other.headers).end(other.body);
    const documents: Record<string, unknown> = {
      "/.well-known/openid-configuration": { issuer: issuer.url, jwks_uri: `${issuer.url}/keys` },
      "/keys": { keys: issuer.keys },
    };
    const found = documents[route];
    response.writeHead(found ? 200 : 404, { "content-type": "application/json" });
    return void response.end(JSON.stringify(found ?? {}));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const issuer: LocalIssuer = {
    url,
    keys: [],
    instead,
    asked,
    stop: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
  return issuer;
}

export function makeKey(alg: string, kid: string): SigningKey {
  const kind = alg.slice(0, 2);
  const curves: Record<string, string> = { ES256: "P-256", ES384: "P-384", ES512: "P-521" };
  const pair =
    kind === "ES"
      ? generateKeyPairSync("ec", { namedCurve: curves[alg]! })
      : kind === "Ed"
        ? generateKeyPairSync("ed25519")
        : generateKeyPairSync("rsa", { modulusLength: 2_048 });
  return { kid, alg, ...pair };
}

export function published({ kid, alg, publicKey }: SigningKey): Record<string, unknown> {
  return { ...publicKey.export({ format: "jwk" }), kid, alg, use: "sig" };
}

type Parts = Readonly<Record<string, unknown>> | string;

/** The header and claims may be given as text, for what no object can say. */
export function signed(key: SigningKey, header: Parts, claims: Parts): string {
  const input = `${encoded(header)}.${encoded(claims)}`;
  return `${input}.${signature(key, input).toString("base64url")}`;
}

/** With a shared secret. */
export function hashed(secret: string | Buffer, header: Parts, claims: Parts): string {
  const input = `${encoded(header)}.${encoded(claims)}`;
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
}

export function encoded(part: Parts): string {
  return Buffer.from(typeof part === "string" ? part : JSON.stringify(part)).toString("base64url");
}

function signature({ alg, privateKey }: SigningKey, input: string): Buffer {
  const bytes = Buffer.from(input);
  if (alg === "EdDSA") return sign(null, bytes, privateKey);
  const hash = `sha${alg.slice(2)}`;
  if (alg.startsWith("ES")) return sign(hash, bytes, { key: privateKey, dsaEncoding: "ieee-p1363" });
  if (alg.startsWith("RS")) return sign(hash, bytes, privateKey);
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  return sign(hash, bytes, { key: privateKey, padding, saltLength: constants.RSA_PSS_SALTLEN_DIGEST });
}
