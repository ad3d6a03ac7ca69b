/** The frame of every page: navigation, the page that the address names, sign-in, and help with the keys. */
import { effect, useSignal, useSignalEffect } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { useEffect } from "preact/hooks";
import type { PageName } from "./addresses.ts";
import { ErrorBox } from "./parts/error-box.ts";
import { Help } from "./parts/help.ts";
import { Loading } from "./parts/loading.ts";
import { Navigation } from "./parts/navigation.ts";
import { SignIn } from "./parts/sign-in.ts";
import { html } from "./html.ts";
import { matched } from "./router.ts";
import { isRefused } from "./token.ts";
import type { PageComponent } from "./page-component.ts";

/** Each page is a file of its own for the browser, fetched when it is opened. */
const LOADERS: Readonly<Record<PageName, () => Promise<{ readonly Page: PageComponent }>>> = {
  now: () => import("./pages/now-page.ts"),
  live: () => import("./pages/live-page.ts"),
  event: () => import("./pages/event-page.ts"),
  tables: () => import("./pages/tables-page.ts"),
  table: () => import("./pages/table-page.ts"),
  query: () => import("./pages/query-page.ts"),
  extracts: () => import("./pages/extracts-page.ts"),
  "dead-letters": () => import("./pages/dead-letters-page.ts"),
  jobs: () => import("./pages/jobs-page.ts"),
  job: () => import("./pages/job-page.ts"),
  process: () => import("./pages/process-page.ts"),
  case: () => import("./pages/case-page.ts"),
  alerts: () => import("./pages/alerts-page.ts"),
  system: () => import("./pages/system-page.ts"),
};

effect(() => {
  const { title, params } = matched.value ?? { title: "Nothing here", params: {} };
  const named = Object.values(params)[0];
  document.title = `${named ? `${named} · ` : ""}${title} · Muara`;
});

export const App: FunctionComponent = () => html`
  <a class="skip" href="#content">Skip to the content</a>
  <div class="frame">
    <${Navigation} />
    <main id="content" tabindex="-1">${isRefused.value ? html`<${SignIn} />` : html`<${Opened} />`}</main>
  </div>
  <${Help} />
`;

const Opened: FunctionComponent = () => {
  const loaded = useSignal<{ readonly name: PageName; readonly Page: PageComponent } | undefined>(undefined);
  const failure = useSignal<unknown>(undefined);
  const round = useSignal(0);
  useSignalEffect(() => {
    const name = matched.value?.page;
    void round.value;
    failure.value = undefined;
    if (!name || loaded.peek()?.name === name) return;
    LOADERS[name]().then(
      ({ Page }) => matched.peek()?.page === name && (loaded.value = { name, Page }),
      (error: unknown) => (failure.value = error),
    );
  });
  useEffect(
    () => document.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true }),
    [loaded.value?.name],
  );
  const here = matched.value;
  if (!here) return html`<${Missing} />`;
  if (failure.value !== undefined)
    return html`<${ErrorBox} error=${failure.value} onRetry=${() => round.value++} />`;
  const { name, Page } = loaded.value ?? {};
  if (!Page || name !== here.page) return html`<${Loading} />`;
  return html`<${Page} key=${name} params=${here.params} />`;
};

const Missing: FunctionComponent = () => html`
  <h1 tabindex="-1">Nothing is here</h1>
  <p>No page has this address. <a href="/">Go to Now</a></p>
`;
