/** Where the rows of a table lie, and how fresh each partition of its log is: one that is stuck is not hidden. */
import type { FunctionComponent } from "preact";
import { bytes, count, duration } from "../format.ts";
import { html } from "../html.ts";
import { Badge } from "../parts/badge.ts";
import { AnyTable, type Column } from "../parts/data-table.ts";
import { Time } from "../parts/time.ts";
import type { LogPartition, PartitionsAnswer } from "./table-answer.ts";

type Item = PartitionsAnswer["items"][number];

export const TablePartitions: FunctionComponent<{ readonly partitions: PartitionsAnswer }> = ({
  partitions,
}) => {
  const { items, log_partitions: log, freshness_target_ms: target, count: total } = partitions;
  return html`
    ${
      log.length > 0 &&
      html`<h2>By partition of the log</h2>
        <${AnyTable} label="Freshness by partition of the log" columns=${logColumns(target)} rows=${log} />`
    }
    <h2>By partition of the table</h2>
    <${AnyTable} label="Partitions of the table" columns=${columnsOf(partitions)} rows=${items} />
    ${items.length < total && html`<p class="quiet">The last ${count(items.length)} of ${count(total)}.</p>`}
  `;
};

function logColumns(target: number | null): readonly Column<LogPartition>[] {
  return [
    { title: "Partition", isNumber: true, show: ({ partition }) => partition },
    { title: "Behind", show: (one) => html`<${Lag} one=${one} target=${target} />` },
    {
      title: "Waiting",
      isNumber: true,
      show: ({ cursor, end_offset: end }) => count(Math.max(0, end - cursor)),
    },
    { title: "Next offset", isNumber: true, show: ({ cursor }) => count(cursor) },
    { title: "Newest event, UTC", show: (one) => html`<${Time} at=${one.newest_event_time} />` },
    { title: "Newest accepted, UTC", show: (one) => html`<${Time} at=${one.newest_ingest_time} />` },
    { title: "Watermark", show: ({ idle }) => (idle ? "left out, since it is quiet" : "counts") },
  ];
}

const Lag: FunctionComponent<{ readonly one: LogPartition; readonly target: number | null }> = ({
  one,
  target,
}) => {
  if (one.lag_ms === null) return html`<${Badge} tone="bad">the log has it no more<//>`;
  if (one.lag_ms === 0) return html`<${Badge} tone="good">nothing waits<//>`;
  const tone = target !== null && one.lag_ms > target ? "bad" : "main";
  return html`<${Badge} tone=${tone}>${duration(one.lag_ms)}<//>`;
};

function columnsOf({ partition_columns: names }: PartitionsAnswer): readonly Column<Item>[] {
  const own = names.map((name): Column<Item> => ({
    title: name,
    show: ({ values }) => values[name] ?? "none",
  }));
  return [
    ...(own.length > 0 ? own : [{ title: "Partition", show: () => "all" }]),
    { title: "Rows", isNumber: true, show: ({ rows }) => count(rows) },
    { title: "Files", isNumber: true, show: ({ files }) => count(files) },
    { title: "Size", isNumber: true, show: (one) => bytes(one.bytes) },
    { title: "Newest file, UTC", show: (one) => html`<${Time} at=${one.newest_file_at} />` },
  ];
}
