/** Queries of before, newest first; one click asks again. */
import type { FunctionComponent } from "preact";
import { count, duration } from "../format.ts";
import { html } from "../html.ts";
import { Time } from "../parts/time.ts";
import type { Asked } from "./query-answer.ts";
import { forgetQueries, pastQueries } from "./query-history.ts";

export const HistoryList: FunctionComponent<{ readonly onPick: (past: Asked) => void }> = ({ onPick }) => {
  const past = pastQueries.value;
  return html`
    <section class="history">
      <h2>History</h2>
      ${
        past.length === 0
          ? html`<p class="quiet">Queries that you run are kept in this browser, and nowhere else.</p>`
          : html`<ol>
                ${past.map(
                  ({ sql, at, limit, whenMs, tookMs, rows }) =>
                    html`<li>
                      <button
                        type="button"
                        class="plain"
                        title=${sql}
                        onClick=${() => onPick({ sql, at, limit })}
                      >
                        <code>${sql.replaceAll(/\s+/g, " ").slice(0, 90)}</code>
                        <span class="quiet">
                          <${Time} at=${whenMs} /> · ${rows === null ? "failed" : `${count(rows)} rows`} ·
                          ${" "}${duration(tookMs)}${at === "" ? "" : ` · as of ${at}`}
                        </span>
                      </button>
                    </li>`,
                )}
              </ol>
              <button type="button" class="copy" onClick=${forgetQueries}>Forget them</button>`
      }
    </section>
  `;
};
