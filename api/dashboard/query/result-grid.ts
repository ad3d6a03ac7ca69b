/**
 * The rows of an answer. Only those that can be seen are in the page, so a hundred thousand scroll as ten do. A value
 * that is not there is not an empty one: it says NULL.
 */
import { useSignal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { html, type Content } from "../html.ts";
import type { QueryAnswer, ResultColumn } from "./query-answer.ts";
import { isNumeric, valueText } from "./result-value.ts";

const ROW_PX = 31;
const BEYOND = 12;
const SAMPLED = 100;
const WIDTH_MIN = 7;
const WIDTH_MAX = 38;

interface Seen {
  readonly from: number;
  readonly until: number;
}

export const ResultGrid: FunctionComponent<{ readonly answer: QueryAnswer }> = ({ answer }) => {
  const { columns, rows } = answer;
  const frame = useRef<HTMLDivElement>(null);
  const seen = useSignal<Seen>({ from: 0, until: 40 });
  const open = useSignal<number | undefined>(undefined);
  const widths = useMemo(() => columns.map((column, at) => widthOf(column, at, rows)), [answer]);
  const look = (): void => {
    const { scrollTop, clientHeight } = frame.current!;
    const from = Math.max(0, Math.floor(scrollTop / ROW_PX) - BEYOND);
    const until = Math.min(rows.length, Math.ceil((scrollTop + clientHeight) / ROW_PX) + BEYOND);
    if (from !== seen.value.from || until !== seen.value.until) seen.value = { from, until };
  };
  useEffect(() => {
    open.value = undefined;
    frame.current?.scrollTo({ top: 0 });
    look();
  }, [answer]);
  const { from, until } = seen.value;
  const last = Math.min(until, rows.length);
  const first = Math.min(from, last);
  const place = (height: number): Content =>
    height > 0 &&
    html`<tr aria-hidden="true" class="grid-gap" style=${{ height: `${height}px` }}>
      <td colspan=${columns.length + 1}></td>
    </tr>`;
  return html`
    <div
      class="table-frame result-grid"
      ref=${frame}
      onScroll=${look}
      role="region"
      aria-label="Rows"
      tabindex="0"
    >
      <table
        aria-rowcount=${rows.length + 1}
        style=${{ width: `${widths.reduce((sum, one) => sum + one, 8)}ch` }}
      >
        <colgroup>
          <col style=${{ width: "8ch" }} />
          ${widths.map((width) => html`<col style=${{ width: `${width}ch` }} />`)}
        </colgroup>
        <thead>
          <tr>
            <th scope="col" class="number"><span class="visually-hidden">Row</span></th>
            ${columns.map(
              ({ name, type }) =>
                html`<th scope="col" class=${isNumeric(type) ? "number" : ""} title=${`${name}: ${type}`}>
                  ${name} <span class="type">${type.toLowerCase()}</span>
                </th>`,
            )}
          </tr>
        </thead>
        <tbody>
          ${place(first * ROW_PX)}
          ${rows.slice(first, last).map(
            (row, at) =>
              html`<tr key=${first + at} aria-rowindex=${first + at + 2}>
                <td class="number">
                  <button
                    type="button"
                    class="plain"
                    aria-label=${`Row ${first + at + 1}, all its values`}
                    onClick=${() => (open.value = first + at)}
                  >
                    ${first + at + 1}
                  </button>
                </td>
                ${row.map((value, column) => cell(value, columns[column]!))}
              </tr>`,
          )}
          ${place((rows.length - last) * ROW_PX)}
        </tbody>
      </table>
    </div>
    <${RowDialog} answer=${answer} row=${open.value} onClose=${() => (open.value = undefined)} />
  `;
};

function cell(value: unknown, { type }: ResultColumn): Content {
  if (value === null || value === undefined) return html`<td class="null">NULL</td>`;
  const text = valueText(value);
  return html`<td class=${isNumeric(type) ? "number" : ""} title=${text.length > 30 ? text : undefined}>
    ${text}
  </td>`;
}

/** In characters, from the name and the first rows. */
function widthOf({ name, type }: ResultColumn, at: number, rows: QueryAnswer["rows"]): number {
  let longest = name.length + type.length + 2;
  for (const row of rows.slice(0, SAMPLED)) longest = Math.max(longest, valueText(row[at]).length);
  return Math.min(WIDTH_MAX, Math.max(WIDTH_MIN, longest)) + 4;
}

interface RowDialogProps {
  readonly answer: QueryAnswer;
  readonly row: number | undefined;
  readonly onClose: () => void;
}

const RowDialog: FunctionComponent<RowDialogProps> = ({ answer, row, onClose }) => {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (row === undefined) dialog.current?.close();
    else dialog.current?.showModal();
  }, [row]);
  const values = row === undefined ? undefined : answer.rows[row];
  return html`
    <dialog ref=${dialog} class="row-dialog" aria-labelledby="row-title" onClose=${onClose}>
      <h2 id="row-title">Row ${(row ?? 0) + 1}</h2>
      ${
        values &&
        html`<dl class="facts">
          ${answer.columns.map(
            ({ name }, at) =>
              html`<dt>${name}</dt>
                <dd class=${values[at] === null ? "null" : ""}>${valueText(values[at])}</dd>`,
          )}
        </dl>`
      }
      <button type="button" onClick=${onClose}>Close</button>
    </dialog>
  `;
};
