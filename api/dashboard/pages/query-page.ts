/** Query: SQL over the lake, with the limits that hold, the rows, a picture, a file, and an address to give on. */
import { useSignal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { askJson } from "../api-client.ts";
import type { PageComponent } from "../page-component.ts";
import { bytes, count, duration } from "../format.ts";
import { html } from "../html.ts";
import { PageHeader } from "../parts/page-header.ts";
import type { Asked, SqlSchema } from "../query/query-answer.ts";
import { placeOf } from "../query/query-answer.ts";
import { HistoryList } from "../query/history-list.ts";
import { QueryResult } from "../query/query-result.ts";
import { useQueryRun } from "../query/query-run.ts";
import { SchemaList } from "../query/schema-list.ts";
import { SqlEditor } from "../query/sql-editor.ts";
import { useResource } from "../resource.ts";
import { address, filterOf, navigate } from "../router.ts";
import "../query/query.css";

/** Longer ones do not fit into the first line of a request, which a reload would need. */
const LINK_LENGTH_MAX = 7_000;

export const Page: PageComponent = () => {
  const schema = useResource("sql schema", (signal) => askJson<SqlSchema>("/v1/sql/schema", { signal }));
  const text = useSignal(filterOf("sql"));
  const at = useSignal(filterOf("at"));
  const limit = useSignal(filterOf("limit"));
  const { state, run, cancel } = useQueryRun();
  const insert = useRef<((text: string) => void) | undefined>(undefined);
  const wanted = askedInAddress();
  const wantedKey = JSON.stringify(wanted);
  useEffect(() => {
    const { asked } = state.peek();
    if (wanted.sql === "" || JSON.stringify(asked) === wantedKey) return;
    [text.value, at.value, limit.value] = [wanted.sql, wanted.at, wanted.limit];
    run(wanted);
  }, [wantedKey]);
  const start = (): void => {
    const asked = { sql: text.value, at: at.value.trim(), limit: limit.value.trim() };
    if (asked.sql.trim() === "") return;
    run(asked);
    const link = linkOf(asked);
    const isLong = link.length > LINK_LENGTH_MAX;
    navigate(isLong ? "/query" : link, { replace: JSON.stringify(asked) === wantedKey });
  };
  const { error, asked, ran } = state.value;
  const place = error === undefined || !asked ? undefined : placeOf(error, asked.sql);
  const onInsert = (piece: string): void =>
    insert.current ? insert.current(piece) : void (text.value += piece);
  return html`
    <${PageHeader}
      title="Query"
      about="One SELECT over the lake, read-only, each table at one version."
      asOf=${ran?.asOfMs}
      completeThrough=${ran?.answer.complete_through}
      isLoading=${state.value.runningSinceMs !== undefined}
    />
    <div class="query-page">
      <div>
        <${SqlEditor}
          text=${text}
          schema=${schema.value}
          error=${place}
          onRun=${start}
          onReady=${(given: (text: string) => void) => (insert.current = given)}
        />
        <div class="query-actions">
          <${RunButton} sinceMs=${state.value.runningSinceMs} onRun=${start} onCancel=${cancel} />
          <${Field} id="query-at" label="As of version or time" value=${at} hint="now" onEnter=${start} />
          <${Field}
            id="query-limit"
            label="Rows at most"
            value=${limit}
            hint=${count(schema.value?.limits.rows)}
            onEnter=${start}
          />
          <${Limits} schema=${schema.value} />
        </div>
        <${QueryResult}
          state=${state.value}
          schema=${schema.value}
          isShareable=${wantedKey === JSON.stringify(asked)}
          onRetry=${start}
        />
      </div>
      <aside aria-label="Tables and history">
        <${SchemaList}
          schema=${schema.value}
          error=${schema.error}
          onInsert=${onInsert}
          onRetry=${schema.reload}
        />
        <${HistoryList} onPick=${(past: Asked) => navigate(linkOf(past))} />
      </aside>
    </div>
  `;
};

function askedInAddress(): Asked {
  void address.value;
  return { sql: filterOf("sql"), at: filterOf("at"), limit: filterOf("limit") };
}

/** With how the rows are looked at. */
function linkOf({ sql, at, limit }: Asked): string {
  const query = new URLSearchParams({ sql });
  if (at !== "") query.set("at", at);
  if (limit !== "") query.set("limit", limit);
  for (const name of ["view", "x", "y"]) if (filterOf(name) !== "") query.set(name, filterOf(name));
  return `/query?${query.toString()}`;
}

interface RunButtonProps {
  readonly sinceMs: number | undefined;
  readonly onRun: () => void;
  readonly onCancel: () => void;
}

const RunButton: FunctionComponent<RunButtonProps> = ({ sinceMs, onRun, onCancel }) => {
  const tookMs = useSignal(0);
  useEffect(() => {
    tookMs.value = 0;
    if (sinceMs === undefined) return undefined;
    const timer = setInterval(() => (tookMs.value = performance.now() - sinceMs), 100);
    return () => clearInterval(timer);
  }, [sinceMs]);
  if (sinceMs === undefined)
    return html`<button type="button" class="primary" onClick=${onRun} title="Ctrl+Enter">Run</button>`;
  return html`
    <button type="button" onClick=${onCancel}>Cancel</button>
    <span class="quiet running" role="timer">${duration(tookMs.value)}</span>
  `;
};

interface FieldProps {
  readonly id: string;
  readonly label: string;
  readonly value: { value: string };
  readonly hint: string;
  readonly onEnter: () => void;
}

const Field: FunctionComponent<FieldProps> = ({ id, label, value, hint, onEnter }) => html`
  <div class="field">
    <label for=${id}>${label}</label>
    <input
      id=${id}
      size="18"
      placeholder=${hint}
      value=${value.value}
      onInput=${(event: InputEvent) => (value.value = (event.target as HTMLInputElement).value)}
      onKeyDown=${(event: KeyboardEvent) => event.key === "Enter" && onEnter()}
    />
  </div>
`;

const Limits: FunctionComponent<{ readonly schema: SqlSchema | undefined }> = ({ schema }) => {
  if (!schema) return null;
  const {
    timeout_ms: time,
    memory_bytes: memory,
    rows,
    rows_max: most,
    answer_bytes: answer,
  } = schema.limits;
  return html`<p class="quiet limits">
    Limits: ${duration(time)}, ${bytes(memory)} of memory, ${count(rows)} rows unless you ask for up to
    ${" "}${count(most)}, answers up to ${bytes(answer)}.
  </p>`;
};
