/**
 * Rows as documents, by bulk requests with external versions: a version says when the row was accepted, so the same
 * row again is the same document, and an older one never replaces a newer one. Each document's
 * answer is looked at: what the mapping refuses is refused, a cluster that is too busy is asked later.
 *
 * Index template and mapping are made of the table's columns before their first row. The engine adds fields to an
 * index, and never changes one: where a column has changed its type, indices of a later day have the new one.
 *
 * Bulk API, index templates, optimistic concurrency: Elasticsearch guide, 9.x.
 */
import type { Client } from "@elastic/elasticsearch";
import type { Clock } from "../../core/clock.ts";
import type { Column } from "../../core/columns.ts";
import type { Sink, SinkBatch, SinkErased, SinkErasure, SinkOutcome } from "../../core/ports/sink.ts";
import { JSON_HEADERS, LINES_HEADERS, reasonOf, statusOf } from "./client.ts";
import { bulkLines, type Owner } from "./document.ts";
import { eraseDocuments } from "./erase-documents.ts";
import { indexEndMs, indexPattern } from "./index-names.ts";
import { mappingOf } from "./mapping.ts";

const DAY_MS = 86_400_000;
const RETAIN_EVERY_MS = 600_000;
/** Above the templates that come with the engine (100 to 200). */
const PRIORITY = 500;
const FIELDS_MAX = 2_000;
/** Statuses that are about the document. */
const REFUSED: ReadonlySet<number> = new Set([400, 404, 413]);
const TOO_BUSY = 429;
const STALE = 409;

export interface SearchSinkOptions extends Owner {
  /** Of the declaration. */
  readonly id: string;
  readonly replicas: number;
}

interface ItemAnswer {
  readonly status: number;
  readonly error?: { readonly type?: string; readonly reason?: string | null };
}

export class SearchSink implements Sink {
  readonly guarantee = "idempotent";
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #options: SearchSinkOptions;
  /** For which the indices are prepared. */
  #columns: readonly Column[] | undefined;
  #retainedAtMs = -Infinity;

  constructor(client: Client, clock: Clock, options: SearchSinkOptions) {
    this.#client = client;
    this.#clock = clock;
    this.#options = options;
  }

  async write(batch: SinkBatch, signal: AbortSignal): Promise<SinkOutcome> {
    try {
      if (this.#columns !== batch.columns) await this.#prepare(batch.columns, signal);
      this.#columns = batch.columns;
      await this.#retain(signal);
      const operations = batch.rows.flatMap((_, i) => bulkLines(this.#options, batch, i));
      const answer = await this.#client.bulk({ operations }, { signal, headers: LINES_HEADERS });
      return judge(answer.items.map((item) => Object.values(item)[0] as ItemAnswer));
    } catch (error) {
      return { outcome: "later", reason: reasonOf(error) };
    }
  }

  async erase(erasure: SinkErasure, signal: AbortSignal): Promise<SinkErased> {
    const { id, target } = this.#options;
    return eraseDocuments(this.#client, { delivery: id, pattern: indexPattern(target) }, erasure, signal);
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async #prepare(columns: readonly Column[], signal: AbortSignal): Promise<void> {
    const { id, target, replicas } = this.#options;
    const index = indexPattern(target);
    const mappings = mappingOf(columns, id);
    const settings = { number_of_replicas: replicas, mapping: { total_fields: { limit: FIELDS_MAX } } };
    const options = { signal, headers: JSON_HEADERS };
    await this.#client.indices.putIndexTemplate(
      {
        name: `muara-${target.index}`,
        index_patterns: [index],
        priority: PRIORITY,
        template: { settings, mappings },
      },
      options,
    );
    const { properties = {}, _meta = {} } = mappings;
    try {
      await this.#client.indices.putMapping({ index, properties, _meta, allow_no_indices: true }, options);
    } catch (error) {
      // A field of another type: documents that do not fit are refused one by one, those of a new index fit.
      if (statusOf(error) !== 400 && statusOf(error) !== 404) throw error;
    }
  }

  /** Whole indices go, which costs nothing; a failure is the next look's. */
  async #retain(signal: AbortSignal): Promise<void> {
    const { target } = this.#options;
    const days = target.time?.retention_days;
    const nowMs = this.#clock.nowMs();
    if (days === undefined || nowMs - this.#retainedAtMs < RETAIN_EVERY_MS) return;
    this.#retainedAtMs = nowMs;
    const options = { signal, headers: JSON_HEADERS };
    const { indices } = await this.#client.indices.resolveIndex({ name: indexPattern(target) }, options);
    for (const { name } of indices) {
      const endMs = indexEndMs(target, name);
      if (endMs === undefined || endMs + days * DAY_MS > nowMs) continue;
      await this.#client.indices.delete({ index: name, ignore_unavailable: true }, options);
    }
  }
}

function judge(items: readonly ItemAnswer[]): SinkOutcome {
  const failed = items.filter(({ status }) => status >= 300 && status !== STALE);
  const waits = failed.find(({ status }) => !REFUSED.has(status));
  const told = ({ status, error }: ItemAnswer): string =>
    `${status} ${error?.type ?? ""}: ${error?.reason ?? ""}`.slice(0, 300);
  if (waits) {
    const what = waits.status === TOO_BUSY ? "the cluster is too busy" : "the cluster does not take it";
    return { outcome: "later", reason: `${what}: ${told(waits)}` };
  }
  const [refused] = failed;
  return refused ? { outcome: "refused", reason: told(refused) } : { outcome: "taken" };
}
