/** GET /v1/books: the balance of every event type; `by=partition` or `by=hour` in detail, `event_type=` for one. */
import type { Hono } from "hono";
import { MuaraError } from "../../core/errors.ts";
import type { CatalogTable } from "../../lake/catalog.ts";
import { quoteText } from "../../lake/query/view.ts";
import {
  hourAccounts,
  partitionAccounts,
  rowAccount,
  totalAccount,
  type Account,
  type LedgerSum,
} from "../accounts.ts";
import { duplicateCounter } from "../duplicate-counts.ts";
import { isoOrNull, SYSTEM, wholeTable, wholeTables, type ApiEnv, type ApiPorts } from "../context.ts";

const ROWS_MAX = 1_000_000;
const BY = ["event_type", "partition", "hour"];

export function addBooksRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  app.get("/v1/books", async (context) => {
    const by = context.req.query("by") ?? "event_type";
    if (!BY.includes(by))
      throw new MuaraError("request.malformed", `by is one of ${BY.join(", ")}.`, {
        details: { parameter: "by" },
      });
    const principal = context.get("principal");
    const only = context.req.query("event_type");
    const tables = only
      ? [await wholeTable(ports, principal, only)]
      : (await wholeTables(ports, principal)).filter((table) => table.kind === "event_type");
    const items: Record<string, unknown>[] = [];
    for (const table of tables) items.push(...(await accountsOf(ports, table, by, context.req.raw.signal)));
    const balanced = items.every((item) => item["balanced"] === true);
    return context.json({ as_of: isoOrNull(ports.clock.nowMs()), balanced, items });
  });
}

async function accountsOf(
  ports: ApiPorts,
  table: CatalogTable,
  by: string,
  signal: AbortSignal,
): Promise<Record<string, unknown>[]> {
  const event_type = table.name;
  const stream = await ports.log.stream(table.name);
  if (!stream) return [];
  if (by === "hour") {
    const ledger = await ledgerOf(ports, table.name, stream.topicId, signal);
    const hours = hourAccounts(await ports.log.accepted(table.name), ledger);
    return hours.map((hour) => ({
      event_type,
      partition: hour.partition,
      hour: isoOrNull(hour.hourMs),
      ...shown(hour),
    }));
  }
  const snapshot = await ports.catalog.snapshot(table.name);
  const partitions = await partitionAccounts(ports.log, stream, snapshot);
  if (by === "partition")
    return partitions.map((one) => ({
      event_type,
      partition: one.partition,
      ...shown(one),
      gap: one.gap,
      cursor: one.cursor,
      end_offset: one.endOffset,
    }));
  const duplicates_different = (await duplicateCounter(ports))(snapshot).different;
  const { rows, removed, isBalanced } = rowAccount(snapshot);
  const total = totalAccount(partitions);
  const counts = { ...shown({ ...total, isBalanced: total.isBalanced && isBalanced }), duplicates_different };
  return [{ event_type, partitions: partitions.length, ...counts, removed, rows }];
}

function shown(account: Account): Record<string, unknown> {
  return {
    accepted: account.accepted,
    landed: account.landed,
    duplicates: account.duplicates,
    dead_letters: account.deadLetters,
    in_flight: account.inFlight,
    balanced: account.isBalanced,
  };
}

async function ledgerOf(
  ports: ApiPorts,
  eventType: string,
  topicId: string,
  signal: AbortSignal,
): Promise<readonly LedgerSum[]> {
  if (!(await ports.catalog.find("books"))) return [];
  const { rows } = await ports.query.rows(
    {
      sql: `SELECT log_partition, epoch_ms(ingest_hour), sum(landed), sum(duplicates), sum(dead_letters)
        FROM books WHERE event_type = ${quoteText(eventType)} AND topic_id = ${quoteText(topicId)} GROUP BY ALL`,
      limit: ROWS_MAX,
      principal: SYSTEM,
    },
    signal,
  );
  return rows.map((row) => {
    const [partition, hourMs, landed, duplicates, deadLetters] = row.map(Number);
    return {
      partition: partition!,
      hourMs: hourMs!,
      landed: landed!,
      duplicates: duplicates!,
      deadLetters: deadLetters!,
    };
  });
}
