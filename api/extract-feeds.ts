/** What the routes of extracts share: the feeds that the asker may read, and where they lie. */
import { isAuthorized, type Action, type Principal } from "../core/authorize.ts";
import { MuaraError } from "../core/errors.ts";
import type { Feed } from "../core/extract-feed.ts";
import { FeedStore } from "../lake/extract/feed-store.ts";
import { FetchNotes, type Fetched } from "../lake/extract/fetches.ts";
import { describeSql, isRequired, planFeed } from "../lake/extract/feed-plan.ts";
import { EXTRACT_SYSTEM } from "../lake/extract/make-window.ts";
import type { Manifest, ManifestColumn } from "../lake/extract/manifest.ts";
import type { ApiContext, ApiPorts } from "./context.ts";

export interface OpenFeed {
  readonly feed: Feed;
  readonly store: FeedStore;
}

/** Opens feeds, each once. */
export class FeedShelf {
  readonly #ports: ApiPorts;
  readonly #stores = new Map<string, FeedStore>();
  readonly #notes: FetchNotes;

  constructor(ports: ApiPorts) {
    this.#ports = ports;
    this.#notes = new FetchNotes(ports.clock);
  }

  /** Writes down that the asker has it. A note that cannot be written is no reason to give nothing. */
  async fetched(context: ApiContext, { feed, store }: OpenFeed, what: Fetched): Promise<void> {
    try {
      await this.#notes.note(store, what, context.get("principal").id);
    } catch (error) {
      const code = error instanceof MuaraError ? error.code : "internal";
      this.#ports.logger.warn("a fetch of an extract was not noted", { feed: feed.name, code });
    }
  }

  readable(principal: Principal): readonly OpenFeed[] {
    const feeds = this.#ports.extracts?.feeds ?? [];
    return feeds.filter((feed) => isAllowed(principal, "read", feed.name)).map((feed) => this.#open(feed));
  }

  /** @throws extract.not_found also for a feed that the asker may not read, auth.forbidden for other rights */
  open(context: ApiContext, action: Action = "read"): OpenFeed {
    const name = context.req.param("feed") ?? "";
    const feed = this.#ports.extracts?.feeds.find((one) => one.name === name);
    const principal = context.get("principal");
    const maySee = isAllowed(principal, "read", name) || isAllowed(principal, action, name);
    if (!feed || !maySee) throw notFound(`There is no feed "${name}".`, { feed: name });
    if (!isAllowed(principal, action, name))
      throw new MuaraError("auth.forbidden", `${principal.id} may not ${action} extract "${name}".`);
    return this.#open(feed);
  }

  /** The manifest of the version in the address. @throws extract.not_found, extract.expired, request.malformed */
  async manifest(context: ApiContext, { store }: OpenFeed): Promise<Manifest> {
    const version = versionIn(context.req.param("version") ?? "");
    const isFull = context.req.query("full") === "true";
    const manifest = await store.manifest(version, isFull ? "_full" : "_versions");
    if (manifest) return manifest;
    const state = await store.state();
    if (isFull || version > state.version || version === 0)
      throw notFound(`The feed "${store.feed}" has no ${isFull ? "full " : ""}version ${version}.`, {
        version,
      });
    throw await expired(store, `Version ${version} is no longer kept.`);
  }

  /** Columns of the newest version, or, before the first, of the SQL. */
  async columns({ feed, store }: OpenFeed, signal: AbortSignal): Promise<readonly ManifestColumn[]> {
    const { newest } = await store.state();
    if (newest) return newest.schema;
    const { columns } = await this.#ports.query.rows(
      { sql: describeSql(feed), principal: EXTRACT_SYSTEM },
      signal,
    );
    return planFeed(feed, columns).columns.map(({ name, type }) => ({
      name,
      type,
      required: isRequired(feed, name),
      doc: feed.columns[name]?.description ?? "",
    }));
  }

  #open(feed: Feed): OpenFeed {
    const { store, clock } = this.#ports;
    if (!store) throw new MuaraError("request.not_found", "This process does not see the lake's files.");
    let known = this.#stores.get(feed.name);
    if (!known) this.#stores.set(feed.name, (known = new FeedStore(store, feed.name, clock)));
    return { feed, store: known };
  }
}

/** 410 with the full version to start from. */
export async function expired(store: FeedStore, message: string): Promise<MuaraError> {
  const full = (await store.versions("_full")).at(-1) ?? null;
  const manifest = `/v1/extracts/${store.feed}/versions/${full}/manifest?full=true`;
  const details = { full_version: full, ...(full === null ? {} : { manifest }) };
  return new MuaraError("extract.expired", message, { details });
}

export function notFound(message: string, details: Readonly<Record<string, unknown>>): MuaraError {
  return new MuaraError("extract.not_found", message, { details });
}

export function versionIn(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new MuaraError("request.malformed", "A version is a whole number.", {
    details: { parameter: "version" },
  });
}

function isAllowed(principal: Principal, action: Action, name: string): boolean {
  return isAuthorized(principal, action, { kind: "extract", name });
}
