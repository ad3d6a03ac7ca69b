/** Rows of a tail, of which only those that can be seen are in the page: two thousand cost as much as twenty. */
import { useSignal } from "@preact/signals";
import type { FunctionComponent, VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { FateBadge } from "../fate-badge.ts";
import { count, utcClock } from "../format.ts";
import { html } from "../html.ts";
import { bodyText } from "./body-text.ts";
import type { TailRow } from "./tail-store.ts";

const ROW_PX = 34;
/** Beyond the edges, so that scrolling shows no gaps. */
const SPARE = 6;
const TEXT_MAX = 240;

interface TailListProps {
  readonly rows: readonly TailRow[];
  readonly openKey: string | undefined;
  readonly onOpen: (row: TailRow) => void;
}

export const TailList: FunctionComponent<TailListProps> = ({ rows, openKey, onOpen }) => {
  const frame = useRef<HTMLDivElement>(null);
  const top = useSignal(0);
  const height = useSignal(600);
  const before = useRef<string | undefined>(undefined);
  useEffect(() => {
    const sized = new ResizeObserver(() => (height.value = frame.current?.clientHeight ?? 600));
    sized.observe(frame.current!);
    return () => sized.disconnect();
  }, []);
  // Who has scrolled down reads: what he reads stays where it is while rows come above it.
  useEffect(() => {
    const added = rows.findIndex(({ key }) => key === before.current);
    if (added > 0 && frame.current && frame.current.scrollTop > ROW_PX)
      frame.current.scrollTop += added * ROW_PX;
    before.current = rows[0]?.key;
  }, [rows]);
  const first = Math.max(0, Math.floor(top.value / ROW_PX) - SPARE);
  const shown = rows.slice(first, first + Math.ceil(height.value / ROW_PX) + 2 * SPARE);
  return html`
    <div
      class="tail-frame"
      ref=${frame}
      tabindex="0"
      role="region"
      aria-label="Events, the newest first"
      onScroll=${() => (top.value = frame.current!.scrollTop)}
    >
      <div role="table" aria-rowcount=${rows.length + 1} aria-label="Events">
        <div class="tail-row tail-head" role="row" aria-rowindex="1">
          <span role="columnheader">accepted<span class="unit">, UTC</span></span>
          ${["fate", "partition : offset", "event"].map(
            (title) => html`<span role="columnheader">${title}</span>`,
          )}
        </div>
        <div role="rowgroup" style=${{ height: `${rows.length * ROW_PX}px`, position: "relative" }}>
          ${shown.map((row, at) => tailRow(row, first + at, row.key === openKey, onOpen))}
        </div>
      </div>
    </div>
  `;
};

function tailRow(row: TailRow, at: number, isOpen: boolean, onOpen: (row: TailRow) => void): VNode {
  const { event, key } = row;
  const text = event.payload === null ? (event.about ?? "") : bodyText(event.payload);
  return html`
    <div
      class="tail-row"
      role="row"
      key=${key}
      aria-rowindex=${at + 2}
      data-open=${isOpen}
      style=${{ transform: `translateY(${at * ROW_PX}px)` }}
      onClick=${() => onOpen(row)}
    >
      <span role="cell">${utcClock(event.ingest_time)}</span>
      <span role="cell"><${FateBadge} fate=${event.fate} /></span>
      <span role="cell" class="place">${event.partition} : ${count(event.offset)}</span>
      <span role="cell" class="event"
        ><button
          type="button"
          class="row-button"
          onClick=${(click: Event) => {
            click.stopPropagation();
            onOpen(row);
          }}
        >
          ${text.slice(0, TEXT_MAX)}
        </button></span
      >
    </div>
  `;
}
