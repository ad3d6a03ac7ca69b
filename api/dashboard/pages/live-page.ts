/** Live: events of a type as they come, each with its fate, filtered by the server. */
import { useSignal, type Signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { systemClock } from "../../../core/clock.ts";
import { askJson } from "../api-client.ts";
import type { PageComponent } from "../page-component.ts";
import { count, rate } from "../format.ts";
import { html, type Content } from "../html.ts";
import { liveState, watchLive } from "../live/live-client.ts";
import type { TailEvent } from "../../live/tail-event.ts";
import { Empty } from "../parts/empty.ts";
import { ErrorBox } from "../parts/error-box.ts";
import { LiveNote } from "../parts/live-note.ts";
import { Loading } from "../parts/loading.ts";
import { PageHeader } from "../parts/page-header.ts";
import { useResource } from "../resource.ts";
import { filterOf, setFilters } from "../router.ts";
import { EventPanel } from "../tail/event-panel.ts";
import { TailList } from "../tail/tail-list.ts";
import { ROWS_MAX, TailStore, type TailRow } from "../tail/tail-store.ts";
import "../tail/tail.css";

const TYPING_MS = 400;
const FATES = [
  ["", "any fate"],
  ["landed", "landed"],
  ["duplicate", "duplicates"],
  ["dead_letter", "dead letters"],
] as const;

interface TableItem {
  readonly name: string;
  readonly kind: string;
}

export const Page: PageComponent = () => {
  const { value, error, reload } = useResource("tables", (signal) =>
    askJson<{ items: readonly TableItem[] }>("/v1/tables", { signal }),
  );
  const types = (value?.items ?? []).filter(({ kind }) => kind === "event_type").map(({ name }) => name);
  const type = types.includes(filterOf("type")) ? filterOf("type") : types[0];
  if (type !== undefined) return html`<${Tail} key=${type} type=${type} types=${types} />`;
  return html`
    <${PageHeader} title="Live" />
    ${
      error !== undefined
        ? html`<${ErrorBox} error=${error} onRetry=${reload} />`
        : value
          ? html`<${Empty} title="No event type that you may read" command="npm run demo" />`
          : html`<${Loading} what="event types" />`
    }
  `;
};

function Tail({ type, types }: { readonly type: string; readonly types: readonly string[] }): Content {
  const contains = filterOf("contains");
  const fate = filterOf("fate");
  const store = useRef(new TailStore());
  const rows = useSignal<readonly TailRow[]>([]);
  const asOfMs = useSignal<number | undefined>(undefined);
  const isMissed = useSignal(false);
  const isPaused = useSignal(false);
  const openKey = useSignal<{ key: string; event: TailEvent } | undefined>(undefined);
  useEffect(() => {
    store.current.clear();
    rows.value = [];
    openKey.value = undefined;
  }, [contains, fate]);
  useEffect(() => {
    if (isPaused.value) return undefined;
    return watchLive(
      { isNow: false, tail: { type, contains, fate } },
      (frames) => {
        store.current.take(frames);
        rows.value = store.current.rows;
        asOfMs.value = systemClock.nowMs();
      },
      () => (isMissed.value = true),
    );
  }, [contains, fate, isPaused.value]);
  const opened = openKey.value && (rows.value.find(({ key }) => key === openKey.value!.key) ?? openKey.value);
  return html`
    <${PageHeader} title="Live" about="What comes in, and what becomes of it." asOf=${asOfMs.value}>
      ${filters(type, types)}
      <button
        type="button"
        aria-pressed=${isPaused.value}
        onClick=${() => (isPaused.value = !isPaused.value)}
      >
        ${isPaused.value ? "Go on" : "Pause"}
      </button>
    <//>
    ${note(store.current, asOfMs.value, rows.value.length, isMissed)}
    ${
      rows.value.length === 0
        ? nothing(type, contains, fate)
        : html`
            <div class="live-columns" data-open=${opened !== undefined}>
              <${TailList}
                rows=${rows.value}
                openKey=${opened?.key}
                onOpen=${(row: TailRow) => (openKey.value = row)}
              />
              ${
                opened &&
                html`<${EventPanel}
                  type=${type}
                  event=${opened.event}
                  onClose=${() => (openKey.value = undefined)}
                />`
              }
            </div>
          `
    }
  `;
}

const changed = (name: string) => (event: Event) =>
  setFilters({ [name]: (event.target as HTMLSelectElement).value });

function filters(type: string, types: readonly string[]): Content {
  return html`
    <label class="field">
      <span>Event type</span>
      <select onChange=${changed("type")}>
        ${types.map((name) => html`<option value=${name} selected=${name === type}>${name}</option>`)}
      </select>
    </label>
    <label class="field">
      <span>Contains</span>
      <input
        data-filter
        type="search"
        maxlength="200"
        value=${filterOf("contains")}
        placeholder="any text of the event"
        onInput=${later(changed("contains"))}
      />
    </label>
    <label class="field">
      <span>Fate</span>
      <select onChange=${changed("fate")}>
        ${FATES.map(fateOption)}
      </select>
    </label>
  `;
}

function fateOption([value, title]: (typeof FATES)[number]): Content {
  return html`<option value=${value} selected=${value === filterOf("fate")}>${title}</option>`;
}

let typing: ReturnType<typeof setTimeout> | undefined;

/** Each change opens another stream: not with every letter. */
function later(change: (event: Event) => void): (event: Event) => void {
  return (event) => {
    clearTimeout(typing);
    typing = setTimeout(() => change(event), TYPING_MS);
  };
}

function note(
  store: TailStore,
  asOfMs: number | undefined,
  kept: number,
  isMissed: Signal<boolean>,
): Content {
  const { came, shown } = store.rates(asOfMs ?? 0);
  return html`<p class="tail-note">
    <${LiveNote} />
    <span data-note="rate">showing ${rate(Math.min(shown, came))} of ${rate(came)}/s</span>
    <span>${count(kept)} kept${kept >= ROWS_MAX && ", older ones go"}</span>
    ${
      isMissed.value &&
      html`<span
        >some were missed meanwhile
        <button type="button" class="copy" onClick=${() => (isMissed.value = false)}>Understood</button></span
      >`
    }
  </p>`;
}

function nothing(type: string, contains: string, fate: string): Content {
  const { kind, error } = liveState.value;
  if (kind === "refused")
    return html`<section class="error" role="alert">
      <h2>No live data</h2>
      <p>${error?.message}</p>
    </section>`;
  if (kind === "connecting") return html`<${Loading} what="the newest events" />`;
  const isFiltered = contains !== "" || fate !== "";
  return html`<${Empty}
    title=${isFiltered ? "Nothing that fits came yet" : "Nothing came yet"}
    command=${isFiltered ? undefined : `npx muara send ${type} events.ndjson`}
    >${isFiltered && "It appears here as soon as it comes."}<//
  >`;
}
