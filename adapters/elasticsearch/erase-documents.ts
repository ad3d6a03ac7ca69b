/**
 * Deletes the documents that have a value, page by page: not every cluster has `_delete_by_query`, and this one tells
 * how many it was. How many is noted in the cluster first of all, so that an erasure that is asked for again is the
 * same one. What is inside of a JSON column is not indexed: there every document is looked at.
 */
import type { Client } from "@elastic/elasticsearch";
import type { Column } from "../../core/columns.ts";
import type { SinkErased, SinkErasure } from "../../core/ports/sink.ts";
import { JSON_HEADERS, LINES_HEADERS, reasonOf, statusOf } from "./client.ts";
import { KEYWORD_LENGTH_MAX } from "./mapping.ts";

const NOTES = "muara-erasures";
const PAGE = 1_000;
const KEEP_ALIVE = "2m";

interface Note {
  readonly rows: number;
  readonly done: boolean;
}

interface Place {
  readonly _index: string;
  readonly _id: string;
}

interface Where {
  /** Of the declaration. */
  readonly delivery: string;
  readonly pattern: string;
}

/** Never throws for what the cluster does. */
export async function eraseDocuments(
  client: Client,
  where: Where,
  erasure: SinkErasure,
  signal: AbortSignal,
): Promise<SinkErased> {
  const note = { index: NOTES, id: `${where.delivery}:${erasure.id}` };
  try {
    const before = await readNote(client, note, signal);
    if (before?.done) return { rows: before.rows };
    let rows = before?.rows ?? 0;
    const write = (done: boolean): Promise<unknown> =>
      client.index({ ...note, document: { rows, done }, refresh: true }, { signal, headers: JSON_HEADERS });
    for await (const page of pagesOf(client, where.pattern, erasure, signal)) {
      // Told before they go: a crash in between counts some twice, and forgets none.
      rows += page.length;
      await write(false);
      const operations = page.map(({ _index, _id }) => JSON.stringify({ delete: { _index, _id } }));
      const answer = await client.bulk({ operations, refresh: true }, { signal, headers: LINES_HEADERS });
      if (answer.errors) return { reason: "the cluster does not delete some documents" };
    }
    await write(true);
    return { rows };
  } catch (error) {
    return { reason: reasonOf(error) };
  }
}

/** Documents that have the value, as they were when it began. */
async function* pagesOf(
  client: Client,
  pattern: string,
  { column, value, columns }: SinkErasure,
  signal: AbortSignal,
): AsyncGenerator<readonly Place[]> {
  const options = { signal, headers: JSON_HEADERS };
  const isIndexed = value.length <= KEYWORD_LENGTH_MAX && isSearchable(columns, column.split("."));
  const { indices } = await client.indices.resolveIndex({ name: pattern }, options);
  if (indices.length === 0) return;
  await client.indices.refresh({ index: pattern }, options);
  const { id } = await client.openPointInTime({ index: pattern, keep_alive: KEEP_ALIVE }, options);
  try {
    const query = isIndexed ? { term: { [column]: { value } } } : { match_all: {} };
    for (let after: unknown[] | undefined; ;) {
      const answer = await client.search<Record<string, unknown>>(
        {
          pit: { id, keep_alive: KEEP_ALIVE },
          size: PAGE,
          _source: !isIndexed,
          query,
          sort: [{ _shard_doc: "asc" }],
          track_total_hits: false,
          ...(after ? { search_after: after as string[] } : {}),
        },
        options,
      );
      const found = answer.hits.hits;
      const last = found.at(-1);
      if (!last) return;
      after = last.sort;
      const page = found.flatMap(({ _index, _id, _source }) =>
        _id !== undefined && (isIndexed || hasValue(_source, column.split("."), value))
          ? [{ _index, _id }]
          : [],
      );
      if (page.length > 0) yield page;
    }
  } finally {
    await client.closePointInTime({ id }, { headers: JSON_HEADERS }).catch(() => undefined);
  }
}

function isSearchable(columns: readonly Column[], path: readonly string[]): boolean {
  const [name, ...rest] = path;
  const type = columns.find((one) => one.name === name)?.type;
  const inside = type?.kind === "list" ? type.element : type;
  if (inside?.kind === "struct" && rest.length > 0) return isSearchable(inside.fields, rest);
  return inside !== undefined && inside.kind !== "json" && rest.length === 0;
}

function hasValue(value: unknown, path: readonly string[], wanted: string): boolean {
  if (Array.isArray(value)) return value.some((one) => hasValue(one, path, wanted));
  const [name, ...rest] = path;
  if (name === undefined) return (typeof value === "string" ? value : JSON.stringify(value)) === wanted;
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? hasValue((value as Record<string, unknown>)[name], rest, wanted)
    : false;
}

async function readNote(
  client: Client,
  note: { readonly index: string; readonly id: string },
  signal: AbortSignal,
): Promise<Note | undefined> {
  try {
    return (await client.get<Note>(note, { signal, headers: JSON_HEADERS }))._source;
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}
