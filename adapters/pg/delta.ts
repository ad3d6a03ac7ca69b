/** Reads a table by the column that tells when its rows changed: a range of an index, if there is one. */
import type { Client } from "pg";
import type { DatabaseAddress } from "../../core/database-address.ts";
import { MuaraError } from "../../core/errors.ts";
import type { SourceBinding } from "../../core/ports/source.ts";
import type { CopyTable } from "../../core/ports/source-copy.ts";
import type { DeltaPage, DeltaPageRequest, SourceDelta } from "../../core/ports/source-delta.ts";
import { BoundRelation } from "./bound-relation.ts";
import { type ConnectOptions, rowsOf } from "./connection.ts";
import {
  type CopyRelation,
  quoteIdentifier,
  quoteLiteral,
  readCopyRelation,
  wholeQuery,
} from "./copy-relation.ts";
import { connectCopy, copyRows, CopyWriter, textsOf } from "./copy-session.ts";

/** Of a timestamp, without and with a time zone. */
const TIMES: ReadonlyMap<number, string> = new Map([
  [1_114, "timestamp"],
  [1_184, "timestamptz"],
]);
const INDEX_NUMBERS = 2 ** 30;

export function openDelta(
  address: DatabaseAddress,
  options: Omit<ConnectOptions, "purpose" | "settings">,
): SourceDelta {
  let session: Promise<Client> | undefined;
  const close = async (): Promise<void> => {
    const client = await session?.catch(() => undefined);
    session = undefined;
    await client?.end().catch(() => undefined);
  };
  return {
    page: async (table, request) => {
      const client = await (session ??= connectCopy(address, options));
      try {
        return await readPage(client, address, table, request);
      } catch (error) {
        await close();
        throw error;
      }
    },
    close,
  };
}

async function readPage(
  client: Client,
  address: DatabaseAddress,
  table: CopyTable,
  request: DeltaPageRequest,
): Promise<DeltaPage> {
  const copy = await readCopyRelation(client, table);
  const { relation } = copy;
  const binding = await table.bind(relation);
  if (!binding || "outbox" in binding || binding.key.length === 0)
    throw invalid(table, "has no key to be read by");
  const time = relation.columns.findIndex(({ name }) => name === request.column);
  const type = TIMES.get(relation.columns[time]?.typeId ?? 0);
  if (type === undefined) throw invalid(table, `has no timestamp "${request.column}"`);
  const [{ now, now_us: nowUs }] = (await rowsOf<{ now: string; now_us: string }>(
    client,
    `SELECT clock_timestamp()::${type}::text AS now, floor(extract(epoch FROM now()) * 1000000)::int8::text AS now_us`,
  )) as [{ now: string; now_us: string }];
  const order = [time, ...binding.key];
  const writer = writerOf(table, copy, binding, request.number, Number(nowUs));
  let last: readonly string[] | null = null;
  let count = 0;
  // Rows of keys are compared by the same operators as they are ordered by.
  await rowsOf(client, `SET search_path = ${copy.searchPath}`);
  const source = { query: pageQuery(copy, order, type, request), columns: relation.columns.length };
  for await (const _ of copyRows(client, address, source, (tuple) => {
    last = textsOf(tuple, order);
    count++;
    if (request.isWanted(last)) writer.row(tuple);
    return true;
  }));
  const part = writer.batch.isEmpty ? undefined : writer.batch.take().parts[0];
  return { part, last, now, isLast: count < request.rows };
}

function writerOf(
  { shard, incarnation }: CopyTable,
  { relation }: CopyRelation,
  binding: SourceBinding,
  first: number,
  atUs: number,
): CopyWriter {
  return new CopyWriter(
    (batch) =>
      new BoundRelation(
        { shard, incarnation },
        relation,
        binding,
        batch.slot(binding.stream, binding.partition),
      ),
    (number) => ({
      incarnation,
      lsn: BigInt(Math.floor(number / INDEX_NUMBERS)),
      index: number % INDEX_NUMBERS,
    }),
    first,
    atUs,
  );
}

/** Rows without a time are in no range. */
function pageQuery(
  copy: CopyRelation,
  order: readonly number[],
  type: string,
  { from, overlapMs, after, rows }: DeltaPageRequest,
): string {
  const names = order.map((i) => quoteIdentifier(copy.relation.columns[i]!.name));
  const literals = (after ?? []).map((text, i) => `${quoteLiteral(text)}::${copy.types[order[i]!]!}`);
  const since = `${quoteLiteral(from ?? "")}::${type} - interval '${overlapMs} milliseconds'`;
  const conditions = [
    `${names[0]} IS NOT NULL`,
    ...(from === null ? [] : [`${names[0]} >= ${since}`]),
    ...(after === null ? [] : [`(${names.join(", ")}) > (${literals.join(", ")})`]),
  ];
  return `${wholeQuery(copy)} WHERE ${conditions.join(" AND ")} ORDER BY ${names.join(", ")} LIMIT ${rows}`;
}

function invalid({ schema, name }: CopyTable, what: string): MuaraError {
  return new MuaraError("config.invalid", `${schema}.${name} ${what}`, {
    details: { table: `${schema}.${name}` },
  });
}
