/** What came of a query: an error with its place, or the rows as a table or a picture, to be taken along as a file. */
import { useSignal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { useEffect } from "preact/hooks";
import { ApiError } from "../api-client.ts";
import { count, duration } from "../format.ts";
import { html } from "../html.ts";
import { queryLink, tableLink } from "../links.ts";
import { CopyButton } from "../parts/copy-button.ts";
import { Empty } from "../parts/empty.ts";
import { ErrorBox } from "../parts/error-box.ts";
import { filterOf, setFilters } from "../router.ts";
import { saveFile } from "../save-file.ts";
import { downloadQuery, placeOf, type SqlSchema } from "./query-answer.ts";
import type { QueryState, Ran } from "./query-run.ts";
import { ResultChart } from "./result-chart.ts";
import { ResultGrid } from "./result-grid.ts";

const EXAMPLE = "SHOW TABLES";
const FORMATS = [
  { title: "CSV", accept: "text/csv", ending: "csv" },
  { title: "Parquet", accept: "application/vnd.apache.parquet", ending: "parquet" },
  { title: "NDJSON", accept: "application/x-ndjson", ending: "ndjson" },
] as const;

interface QueryResultProps {
  readonly state: QueryState;
  readonly schema: SqlSchema | undefined;
  /** Whether the address holds the query. */
  readonly isShareable: boolean;
  readonly onRetry: () => void;
}

export const QueryResult: FunctionComponent<QueryResultProps> = ({ state, schema, isShareable, onRetry }) => {
  const { error, asked, ran, runningSinceMs, isCancelled } = state;
  const isRunning = runningSinceMs !== undefined;
  const isOld = ran !== undefined && ran.asked !== asked;
  return html`
    <div aria-live="polite" class="query-said">
      ${isCancelled && html`<p>Cancelled. It is ended on the server, too.</p>`}
      ${isRunning && html`<p class="visually-hidden">The query runs.</p>`}
      ${!isRunning && !isOld && ran && html`<${Said} ran=${ran} />`}
    </div>
    ${error !== undefined && asked && html`<${QueryError} error=${error} sql=${asked.sql} onRetry=${onRetry} />`}
    ${
      ran
        ? html`<section class="query-answer" aria-label="Answer" aria-busy=${isRunning} data-old=${isOld}>
            ${isOld && html`<p class="quiet">Below are the rows of the query before.</p>`}
            <${Answer}
              ran=${ran}
              rowsMax=${schema?.limits.rows_max ?? ran.answer.rows.length}
              isShareable=${isShareable}
            />
          </section>`
        : !isRunning && error === undefined && !isCancelled && html`<${Nothing} schema=${schema} />`
    }
  `;
};

const Said: FunctionComponent<{ readonly ran: Ran }> = ({ ran: { answer, tookMs, asked } }) => html`
  <p>
    ${`${count(answer.rows.length)} rows in ${duration(tookMs)}${asked.at === "" ? "" : `, as of ${asked.at}`}.`}
    ${answer.truncated && html` <strong>There are more:</strong> ask for more rows, or take a file.`}
    ${Object.entries(answer.versions).map(
      ([name, version]) =>
        html` <span class="quiet"><a href=${tableLink(name)}>${name}</a> at version ${count(version)}</span>`,
    )}
  </p>
`;

const QueryError: FunctionComponent<{
  readonly error: unknown;
  readonly sql: string;
  readonly onRetry: () => void;
}> = ({ error, sql, onRetry }) => {
  const place = placeOf(error, sql);
  const hint = error instanceof ApiError ? error.problem["hint"] : undefined;
  return html`
    <${ErrorBox} error=${error} onRetry=${onRetry} />
    ${
      (place || typeof hint === "string") &&
      html`<p class="query-place">
        ${place && html`<strong>Line ${place.line}, column ${place.column}.</strong>${" "}`}
        ${typeof hint === "string" && hint}
      </p>`
    }
  `;
};

const Nothing: FunctionComponent<{ readonly schema: SqlSchema | undefined }> = ({ schema }) => {
  const first = schema?.tables.find(({ kind }) => kind === "event_type");
  const example = first ? `SELECT * FROM ${first.alias ?? first.name} LIMIT 100` : EXAMPLE;
  return html`<${Empty} title="Nothing is asked yet">
    Write a query and press Ctrl+Enter, or begin with${" "}
    <a href=${queryLink(example)}><code>${example}</code></a
    >.
  <//>`;
};

interface AnswerProps {
  readonly ran: Ran;
  readonly rowsMax: number;
  readonly isShareable: boolean;
}

const Answer: FunctionComponent<AnswerProps> = ({ ran, rowsMax, isShareable }) => {
  const { answer } = ran;
  const isChart = filterOf("view") === "chart";
  return html`
    <div class="answer-bar">
      <div role="group" aria-label="How the rows are shown">
        <button
          type="button"
          aria-pressed=${!isChart}
          onClick=${() => setFilters({ view: "", x: "", y: "" })}
        >
          Rows
        </button>
        <button type="button" aria-pressed=${isChart} onClick=${() => setFilters({ view: "chart" })}>
          Chart
        </button>
      </div>
      <${Downloads} ran=${ran} rowsMax=${rowsMax} />
      ${
        isShareable
          ? html`<${CopyButton} label="Copy link" text=${() => location.href} />`
          : html`<span class="quiet">Too long for a link.</span>`
      }
    </div>
    ${
      answer.rows.length === 0
        ? html`<${Empty} title="No rows">The query ran; nothing fits it.<//>`
        : isChart
          ? html`<${ResultChart} answer=${answer} />`
          : html`<${ResultGrid} answer=${answer} />`
    }
  `;
};

const Downloads: FunctionComponent<{ readonly ran: Ran; readonly rowsMax: number }> = ({ ran, rowsMax }) => {
  const underWay = useSignal("");
  const failure = useSignal<unknown>(undefined);
  useEffect(() => void (failure.value = undefined), [ran]);
  const take = async ({ title, accept, ending }: (typeof FORMATS)[number]): Promise<void> => {
    underWay.value = title;
    failure.value = undefined;
    try {
      saveFile(await downloadQuery(ran.asked, ran.answer, { accept, limit: rowsMax }), `query.${ending}`);
    } catch (error) {
      failure.value = error;
    }
    underWay.value = "";
  };
  return html`
    <div
      role="group"
      aria-label="Take the rows as a file"
      title=${`Up to ${count(rowsMax)} rows, of the same versions`}
    >
      ${FORMATS.map(
        (format) =>
          html`<button type="button" disabled=${underWay.value !== ""} onClick=${() => void take(format)}>
            ${underWay.value === format.title ? "…" : format.title}
          </button>`,
      )}
    </div>
    ${failure.value !== undefined && html`<${ErrorBox} what="The file" error=${failure.value} />`}
  `;
};
