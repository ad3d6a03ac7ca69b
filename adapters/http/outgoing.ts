/**
 * The one way out to addresses that somebody else may choose (`core/ports/outgoing.ts`). `fetch` cannot be used for it:
 * it resolves the name itself, after any check, so that a name whose addresses change in between (DNS rebinding) gets
 * anywhere. Here the connection is made to the very address that was checked; the name goes into `Host` and into TLS.
 */
import { lookup } from "node:dns/promises";
import http, { type ClientRequest, type IncomingMessage } from "node:http";
import https from "node:https";
import { isIP } from "node:net";
import { rootCertificates } from "node:tls";
import { concatenate } from "../../core/bytes.ts";
import { MuaraError } from "../../core/errors.ts";
import { isPublicAddress } from "../../core/network-address.ts";
import type {
  Outgoing,
  OutgoingAnswer,
  OutgoingRequest,
  OutgoingStream,
  OutgoingStreamRequest,
} from "../../core/ports/outgoing.ts";

const TIMEOUT_MS_DEFAULT = 10_000;
const IDLE_MS_DEFAULT = 60_000;
const ANSWER_BYTES_DEFAULT = 65_536;
const HEADER_BYTES_MAX = 16_384;
const SOCKETS_MAX = 256;
const URL_LENGTH_MAX = 2_048;
const PORTS: Readonly<Record<string, string>> = { "http:": "80", "https:": "443" };
/** Of a connection that was not made: another address of the same name may do. */
const NOT_CONNECTED = new Set(["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EADDRNOTAVAIL", "ETIMEDOUT"]);
const OURS = new Set(["host", "content-length", "connection", "transfer-encoding", "upgrade", "expect"]);

/** All addresses of a name. */
export type Resolve = (hostname: string) => Promise<readonly string[]>;

export interface OutgoingOptions {
  /** `host` (any port) or `host:port`, an IPv6 address in brackets: to these a request may go wherever they are. */
  readonly allow: readonly string[];
  /** Replaced in tests. */
  readonly resolve?: Resolve;
  /** Beside the system's authorities, PEM; for tests and for companies' own. */
  readonly authorities?: readonly string[];
}

interface Target {
  readonly url: URL;
  /** Without brackets and final dot. */
  readonly hostname: string;
  readonly addresses: readonly string[];
}

export function createOutgoing(options: OutgoingOptions): Outgoing {
  return new GuardedOutgoing(options);
}

class GuardedOutgoing implements Outgoing {
  readonly #allowed: ReadonlySet<string>;
  readonly #resolve: Resolve;
  readonly #authorities: readonly string[] | undefined;
  // Connections are kept by address, port and TLS name, so a kept one leads where its check said.
  readonly #agents = {
    "http:": new http.Agent({ keepAlive: true, maxSockets: SOCKETS_MAX }),
    "https:": new https.Agent({ keepAlive: true, maxSockets: SOCKETS_MAX }),
  };

  constructor({ allow, resolve, authorities }: OutgoingOptions) {
    this.#allowed = new Set(allow.map(allowedName));
    this.#resolve = resolve ?? systemResolve;
    this.#authorities = authorities;
  }

  async send(request: OutgoingRequest): Promise<OutgoingAnswer> {
    const deadline = new Deadline(request.timeoutMs ?? TIMEOUT_MS_DEFAULT, request.signal);
    try {
      const { response } = await this.#exchange(request, deadline);
      const body = await readWhole(response, request.answerBytes ?? ANSWER_BYTES_DEFAULT, request.url);
      return { status: response.statusCode ?? 0, headers: headersOf(response), body };
    } finally {
      deadline.clear();
    }
  }

  async open(request: OutgoingStreamRequest): Promise<OutgoingStream> {
    const deadline = new Deadline(request.timeoutMs ?? TIMEOUT_MS_DEFAULT, request.signal);
    try {
      const { response, sent } = await this.#exchange(request, deadline);
      deadline.rest();
      const chunks = chunksOf(response, sent, deadline, request.idleMs ?? IDLE_MS_DEFAULT, request.url);
      return { status: response.statusCode ?? 0, headers: headersOf(response), chunks };
    } catch (error) {
      deadline.clear();
      throw error;
    }
  }

  close(): void {
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  async #exchange(
    request: OutgoingRequest,
    deadline: Deadline,
  ): Promise<{ response: IncomingMessage; sent: ClientRequest }> {
    const target = await deadline.race(this.#check(request.url), request.url);
    for (const [i, address] of target.addresses.entries()) {
      try {
        const answered = await this.#dial(request, target, address, deadline);
        const { statusCode = 0 } = answered.response;
        if (statusCode < 300 || statusCode > 399 || statusCode === 304) return answered;
        answered.sent.destroy();
        throw refused(request.url, `it answers ${statusCode}: redirects are not followed`);
      } catch (error) {
        const isLast = i === target.addresses.length - 1;
        if (isLast || !(error instanceof MuaraError) || error.code !== "outgoing.unreachable") throw error;
        if (deadline.signal.aborted) throw error;
      }
    }
    throw unreachable(request.url);
  }

  /** @throws outgoing.refused, outgoing.unreachable */
  async #check(text: string): Promise<Target> {
    const url = parseUrl(text);
    const hostname = url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
    const port = url.port || PORTS[url.protocol]!;
    const isListed = this.#allowed.has(hostname) || this.#allowed.has(`${bracketed(hostname)}:${port}`);
    if (!isListed && port !== "80" && port !== "443")
      throw refused(text, `port ${port} is not 80 or 443, and the host is not listed in outgoing.allow`);
    const addresses = isIP(hostname) ? [hostname] : await this.#addressesOf(hostname, text);
    if (!isListed && !addresses.every(isPublicAddress))
      throw refused(text, "it is, or has, an address that is not of the public Internet");
    return { url, hostname, addresses };
  }

  async #addressesOf(hostname: string, url: string): Promise<readonly string[]> {
    const addresses = await this.#resolve(hostname).catch((cause: unknown) => {
      throw unreachable(url, cause);
    });
    if (addresses.length === 0) throw unreachable(url);
    return addresses;
  }

  #dial(
    { method, url: text, headers = {}, body }: OutgoingRequest,
    { url, hostname }: Target,
    address: string,
    deadline: Deadline,
  ): Promise<{ response: IncomingMessage; sent: ClientRequest }> {
    const isTls = url.protocol === "https:";
    const own = Object.entries(headers).filter(([name]) => !OURS.has(name.toLowerCase()));
    const settings: https.RequestOptions = {
      method,
      host: address,
      family: isIP(address),
      port: url.port || PORTS[url.protocol],
      path: `${url.pathname}${url.search}`,
      agent: this.#agents[url.protocol as "http:" | "https:"],
      maxHeaderSize: HEADER_BYTES_MAX,
      headers: {
        "accept-encoding": "identity",
        ...Object.fromEntries(own),
        host: url.host,
        ...(body === undefined ? {} : { "content-length": String(body.length) }),
      },
      ...(isTls && !isIP(hostname) ? { servername: hostname } : {}),
      ...(isTls && this.#authorities ? { ca: [...rootCertificates, ...this.#authorities] } : {}),
    };
    return new Promise((done, fail) => {
      if (deadline.signal.aborted) return fail(failed(text, "it took too long, or was given up"));
      const sent = (isTls ? https : http).request(settings);
      let wasConnected = false;
      const abort = (): void => void sent.destroy(new Error("it took too long, or was given up"));
      deadline.signal.addEventListener("abort", abort, { once: true });
      sent.once("close", () => deadline.signal.removeEventListener("abort", abort));
      sent.on("socket", (socket) => {
        if (!socket.connecting) wasConnected = true;
        else socket.once(isTls ? "secureConnect" : "connect", () => (wasConnected = true));
      });
      sent.on("error", (error: NodeJS.ErrnoException) => {
        const isConnectError = !wasConnected || NOT_CONNECTED.has(error.code ?? "");
        fail(isConnectError ? unreachable(text, error) : failed(text, error.message, error));
      });
      sent.on("response", (response) => done({ response, sent }));
      sent.end(body);
    });
  }
}

/** One time for all steps of a request, and the caller's own signal. */
class Deadline {
  readonly #abort = new AbortController();
  readonly #given: AbortSignal | undefined;
  readonly #onAbort = (): void => this.#abort.abort();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(timeoutMs: number, given: AbortSignal | undefined) {
    this.#given = given;
    if (given?.aborted) this.#abort.abort();
    given?.addEventListener("abort", this.#onAbort, { once: true });
    this.#timer = setTimeout(this.#onAbort, timeoutMs);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Aborts when nothing is heard for so long. */
  restart(timeoutMs: number): void {
    this.rest();
    this.#timer = setTimeout(this.#onAbort, timeoutMs);
  }

  rest(): void {
    clearTimeout(this.#timer);
  }

  clear(): void {
    this.rest();
    this.#given?.removeEventListener("abort", this.#onAbort);
  }

  /** For what cannot be aborted: resolving a name. */
  race<T>(work: Promise<T>, url: string): Promise<T> {
    const givenUp = new Promise<never>((_, fail) => {
      if (this.signal.aborted) fail(unreachable(url));
      this.signal.addEventListener("abort", () => fail(unreachable(url)), { once: true });
    });
    return Promise.race([work, givenUp]);
  }
}

async function readWhole(response: IncomingMessage, maxBytes: number, url: string): Promise<Uint8Array> {
  const announced = Number(response.headers["content-length"] ?? 0);
  const chunks: Uint8Array[] = [];
  let length = announced > maxBytes ? announced : 0;
  try {
    if (length === 0)
      for await (const chunk of response as AsyncIterable<Uint8Array>) {
        length += chunk.length;
        if (length > maxBytes) break;
        chunks.push(chunk);
      }
  } catch (error) {
    throw failed(url, "the answer broke off", error);
  }
  if (length <= maxBytes) return concatenate(chunks, length);
  response.destroy();
  throw new MuaraError("outgoing.too_large", `${originOf(url)} answers more than ${maxBytes} bytes.`, {
    details: { limit_bytes: maxBytes },
  });
}

async function* chunksOf(
  response: IncomingMessage,
  sent: ClientRequest,
  deadline: Deadline,
  idleMs: number,
  url: string,
): AsyncGenerator<Uint8Array> {
  try {
    deadline.restart(idleMs);
    for await (const chunk of response as AsyncIterable<Uint8Array>) {
      // How long the reader takes is its own affair.
      deadline.rest();
      yield chunk;
      deadline.restart(idleMs);
    }
  } catch (error) {
    throw failed(url, "the answer broke off", error);
  } finally {
    deadline.clear();
    sent.destroy();
  }
}

function parseUrl(text: string): URL {
  const url = text.length <= URL_LENGTH_MAX && URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !Object.hasOwn(PORTS, url.protocol)) throw refused(text, "it is not an http or https address");
  if (url.username !== "" || url.password !== "") throw refused(text, "it has a user or password in it");
  return url;
}

const systemResolve: Resolve = async (hostname) =>
  (await lookup(hostname, { all: true, order: "ipv4first" })).map(({ address }) => address);

function allowedName(entry: string): string {
  const lower = entry.toLowerCase();
  return /^\[[^\]]*\]$/.test(lower) ? lower.slice(1, -1) : lower;
}

function bracketed(hostname: string): string {
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}

function headersOf({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) headers.append(rawHeaders[i]!, rawHeaders[i + 1]!);
  return headers;
}

/** Of an address only this is told: paths and queries hold secrets. */
function originOf(text: string): string {
  return URL.canParse(text) ? new URL(text).origin : "the address";
}

function refused(url: string, reason: string): MuaraError {
  return new MuaraError("outgoing.refused", `No request goes to ${originOf(url)}: ${reason}.`, {
    details: { origin: originOf(url) },
  });
}

function unreachable(url: string, cause?: unknown): MuaraError {
  const details = { origin: originOf(url) };
  return new MuaraError("outgoing.unreachable", `${originOf(url)} cannot be reached.`, { details, cause });
}

function failed(url: string, reason: string, cause?: unknown): MuaraError {
  const details = { origin: originOf(url) };
  return new MuaraError("outgoing.failed", `${originOf(url)} gave no whole answer: ${reason}.`, {
    details,
    cause,
  });
}
