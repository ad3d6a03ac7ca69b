/** What became of records that landing has passed, by their places: one query over the table and the ledger tables. */
import { quoteName, quoteText } from "../../lake/query/view.ts";
import { SYSTEM, type ApiPorts } from "../context.ts";

export interface SettledFate {
  readonly partition: number;
  readonly offset: number;
  readonly fate: "landed" | "landed late" | "duplicate" | "dead_letter";
  readonly about?: string;
}

interface Place {
  readonly partition: number;
  readonly offset: number;
}

const PLACES_MAX = 400;

/** Those that are known by now; the ledger tables follow a commit by about a second. */
export async function settledFates(
  ports: ApiPorts,
  type: string,
  places: readonly Place[],
  signal: AbortSignal,
): Promise<readonly SettledFate[]> {
  const asked = places.slice(0, PLACES_MAX);
  const byPartition = Map.groupBy(asked, ({ partition }) => partition);
  const conditions = [...byPartition].map(
    ([partition, those]) =>
      `(log_partition = ${partition} AND log_offset IN (${those.map(({ offset }) => offset).join(", ")}))`,
  );
  const where = `(${conditions.join(" OR ")})`;
  const late = "CASE WHEN event_time < watermark THEN 'landed late' ELSE 'landed' END";
  const parts = [`SELECT log_partition, log_offset, ${late}, '' FROM ${quoteName(type)} WHERE ${where}`];
  const ofType = `event_type = ${quoteText(type)} AND ${where}`;
  if (await ports.catalog.find("duplicates"))
    parts.push(
      `SELECT log_partition, log_offset, 'duplicate', 'bytes ' || verdict FROM duplicates WHERE ${ofType}`,
    );
  if (await ports.catalog.find("dead_letters"))
    parts.push(
      `SELECT log_partition, log_offset, 'dead_letter', concat_ws(' ', reason, pointer, detail)
        FROM dead_letters WHERE ${ofType}`,
    );
  const { rows } = await ports.query.rows(
    { sql: parts.join(" UNION ALL "), limit: 2 * PLACES_MAX, principal: SYSTEM },
    signal,
  );
  return rows.map(([partition, offset, fate, about]) => ({
    partition: Number(partition),
    offset: Number(offset),
    fate: fate as SettledFate["fate"],
    ...(typeof about === "string" && about !== "" ? { about } : {}),
  }));
}
