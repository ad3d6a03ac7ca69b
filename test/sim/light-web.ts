/**
 * The few web objects that a history makes thousands of, as small as they can be: routing, answers, abort signals.
 * `hooks.ts` gives the first to the door in the place of hono and sets the others as globals; of the originals they
 * have what the product uses, and a use of anything else fails loudly.
 */

type Handler = (context: Context) => Response | Promise<Response>;

interface Context {
  readonly req: { readonly raw: Request; param(name: string): string | undefined };
}

interface Route {
  readonly method: string | undefined;
  readonly segments: readonly string[];
  readonly handler: Handler;
}

export class Hono {
  readonly #routes: Route[] = [];
  #notFound: Handler | undefined;

  on(method: string, path: string, handler: Handler): void {
    this.#routes.push({ method, segments: path.split("/"), handler });
  }

  get(path: string, handler: Handler): void {
    this.on("GET", path, handler);
  }

  all(path: string, handler: Handler): void {
    this.#routes.push({ method: undefined, segments: path.split("/"), handler });
  }

  notFound(handler: Handler): void {
    this.#notFound = handler;
  }

  /** The door's own handlers throw nothing: what gets here is a bug of the simulator. */
  onError(): void {}

  fetch(request: Request): Response | Promise<Response> {
    const path = request.url.slice(request.url.indexOf("/", 8)).split("/");
    const route = this.#routes.find(
      ({ method, segments }) => (method ?? request.method) === request.method && isMatch(segments, path),
    );
    const param = (name: string): string | undefined => path[route!.segments.indexOf(`:${name}`)];
    return (route?.handler ?? this.#notFound!)({ req: { raw: request, param } });
  }
}

function isMatch(segments: readonly string[], path: readonly string[]): boolean {
  return (
    segments.length === path.length &&
    segments.every((segment, i) => segment.startsWith(":") || segment === path[i])
  );
}

interface Init {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

class LightResponse {
  readonly status: number;
  readonly headers: Map<string, string>;
  readonly #body: string | null;

  constructor(body: string | null, { status = 200, headers = {} }: Init = {}) {
    this.status = status;
    this.headers = new Map(Object.entries(headers));
    this.#body = body;
  }

  async text(): Promise<string> {
    return this.#body ?? "";
  }

  async json(): Promise<unknown> {
    return JSON.parse(this.#body ?? "");
  }
}

class LightSignal {
  static any(signals: readonly LightSignal[]): LightSignal {
    const any = new LightSignal();
    for (const signal of signals)
      if (signal.aborted) any.abort();
      else signal.addEventListener("abort", () => any.abort());
    return any;
  }

  aborted = false;
  readonly #listeners = new Set<() => void>();

  addEventListener(_type: "abort", listener: () => void): void {
    this.#listeners.add(listener);
  }

  throwIfAborted(): void {
    if (this.aborted) throw new Error("aborted");
  }

  removeEventListener(_type: "abort", listener: () => void): void {
    this.#listeners.delete(listener);
  }

  abort(): void {
    if (this.aborted) return;
    this.aborted = true;
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
  }
}

class LightController {
  readonly signal = new LightSignal();

  abort(): void {
    this.signal.abort();
  }
}

export function setGlobals(): void {
  Object.assign(globalThis, {
    Response: LightResponse,
    AbortController: LightController,
    AbortSignal: LightSignal,
  });
}
