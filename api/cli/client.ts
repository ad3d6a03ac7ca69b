/**
 * The commands' way to a running Muara: HTTP with a bearer token. The token is the one given, else, only for an
 * address of this machine, the one that `muara dev` wrote to DIR/token. It never goes to another host by itself.
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { CliFailure, EXIT, exitCodeOfStatus } from "./exit.ts";
import type { CliIo } from "./services.ts";

export const URL_DEFAULT = "http://127.0.0.1:8080";
export const DATA_DEFAULT = ".muara";
export const CUT_OFF =
  "the answer broke off; the query ran into one of its limits, or the server was stopped.";
const LOOPBACK = new Set(["127.0.0.1", "localhost", "[::1]"]);

export interface ClientOptions {
  readonly url: string;
  readonly token: string | undefined;
  readonly data: string;
}

export class Client {
  readonly #io: CliIo;
  readonly #options: ClientOptions;
  readonly url: URL;
  #token: string | undefined;

  constructor(io: CliIo, options: ClientOptions) {
    this.#io = io;
    this.#options = options;
    // `localhost:8080` parses, with a scheme of its own.
    const url = URL.parse(options.url);
    if (url?.protocol !== "http:" && url?.protocol !== "https:")
      throw new CliFailure(EXIT.usage, `"${options.url}" is no address.`, `Give --url like ${URL_DEFAULT}`);
    this.url = url;
  }

  async get<Answer>(route: string): Promise<Answer> {
    return (await this.json(await this.fetch("GET", route))) as Answer;
  }

  async send<Answer>(method: string, route: string, body?: unknown): Promise<Answer> {
    const response = await this.fetch(method, route, body === undefined ? undefined : JSON.stringify(body));
    return (response.status === 204 ? undefined : await this.json(response)) as Answer;
  }

  /** @throws CliFailure where the answer broke off */
  async json(response: Response): Promise<unknown> {
    try {
      return await response.json();
    } catch (error) {
      if (this.#io.signal.aborted) throw error;
      throw new CliFailure(EXIT.failed, CUT_OFF);
    }
  }

  /** @throws CliFailure for every answer that is no success, unless its status is in `accepted` */
  async fetch(
    method: string,
    route: string,
    body?: string | Uint8Array,
    headers: Readonly<Record<string, string>> = {},
    accepted: readonly number[] = [],
  ): Promise<Response> {
    const token = await this.token();
    let response: Response;
    try {
      response = await this.#io.fetch(new URL(route, this.url), {
        method,
        redirect: "error",
        signal: this.#io.signal,
        headers: {
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: body as BodyInit }),
      });
    } catch (error) {
      if (this.#io.signal.aborted) throw error;
      throw this.#unreachable(error);
    }
    if (response.ok || accepted.includes(response.status)) return response;
    throw await failureOf(response, token !== undefined);
  }

  /** @returns undefined where none is known */
  async token(): Promise<string | undefined> {
    this.#token ??= this.#options.token ?? (await this.#writtenToken());
    return this.#token;
  }

  async #writtenToken(): Promise<string | undefined> {
    if (!LOOPBACK.has(this.url.hostname)) return undefined;
    try {
      return (await readFile(path.join(this.#options.data, "token"), "utf8")).trim() || undefined;
    } catch {
      return undefined;
    }
  }

  #unreachable(error: unknown): CliFailure {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const code = (cause as { code?: string }).code;
    const reason = code === "ECONNREFUSED" ? "nothing listens there" : (code ?? String(cause));
    return new CliFailure(
      EXIT.unreachable,
      `cannot reach ${this.url.origin}: ${reason}.`,
      "Start it with `npm run dev` or `npm run demo`, or name another with --url or MUARA_URL.",
    );
  }
}

/** Of answers that name a way over HTTP, the way by a command. */
const COMMANDS: Readonly<Record<string, string>> = {
  "event_type.not_found": "Those there are: muara event-type list. Declare one: muara event-type set FILE",
  "extract.not_found": "Those that you may read: muara extract list, muara extract show FEED",
  "table.not_found": "Those that you may read: muara table list",
  "table.version_not_found": "Those there are: muara table history TABLE",
  "dead_letter.not_found": "Those that you may read: muara dead-letters list",
};

interface ProblemText {
  readonly detail?: string;
  readonly code?: string;
  readonly hint?: string;
  readonly line?: number;
  readonly column?: number;
}

async function failureOf(response: Response, hadToken: boolean): Promise<CliFailure> {
  const text = await response.text();
  let problem: ProblemText = {};
  try {
    problem = JSON.parse(text) as ProblemText;
  } catch {
    // Not from Muara, or cut off: the status says what can be said.
  }
  const at = problem.line ? ` (line ${problem.line}, column ${problem.column})` : "";
  const code = problem.code ? ` [${problem.code}]` : "";
  const message = `${problem.detail ?? `the server answered ${response.status}`}${at}${code}`;
  const hint =
    response.status === 401 && !hadToken
      ? "Give a token with --token or MUARA_TOKEN; `muara dev` writes one to DIR/token (--data DIR)."
      : (COMMANDS[problem.code ?? ""] ?? problem.hint);
  const requestId = response.headers.get("x-flow-id") ?? undefined;
  return new CliFailure(exitCodeOfStatus(response.status), message, hint, requestId);
}
