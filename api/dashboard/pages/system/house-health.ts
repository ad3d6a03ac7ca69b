/** The process that answers: what it checks of itself, what it is, and where help is. */
import type { FunctionComponent } from "preact";
import { ApiError, askJson } from "../../api-client.ts";
import { duration, msOf } from "../../format.ts";
import { html, type Content } from "../../html.ts";
import { CopyButton } from "../../parts/copy-button.ts";
import { loaded } from "../../parts/loaded.ts";
import { StateBadge } from "../../parts/states.ts";
import { Time } from "../../parts/time.ts";
import { type Resource, useResource } from "../../resource.ts";

const EVERY_MS = 3_000;

export interface HealthTold {
  readonly status: string;
  readonly checks: Readonly<Record<string, string>>;
}

interface SystemTold {
  readonly version: string;
  readonly runtime: string;
  readonly platform: string;
  readonly workers: readonly string[];
  readonly started_at: string;
  readonly now: string;
}

const MEANINGS: Readonly<Record<string, string>> = {
  log: "the log can be read",
  lake: "the lake can be listed",
  append: "events are accepted",
  landing: "tables take what was accepted",
  captures: "no capture has stopped or endangers its source",
};

/** What each worker does. */
const WORKERS: Readonly<Record<string, string>> = {
  ingest: "takes events by HTTP",
  pull: "takes events from other Nakadis",
  capture: "listens to databases",
  land: "makes tables of the log",
  stream: "runs jobs",
  alert: "asks rules and tells receivers",
  deliver: "sends rows to other systems",
  extract: "makes files for the warehouse",
  api: "answers questions, and this page",
};

export const HouseHealth: FunctionComponent<{ readonly health: Resource<HealthTold> }> = ({ health }) => {
  const system = useResource("system", (signal) => askJson<SystemTold>("/v1/system", { signal }), EVERY_MS);
  return html`
    <section class="card">
      <h2>Health</h2>
      ${loaded({ of: health, what: "health", show: healthShown })}
    </section>
    <section class="card">
      <h2>This process</h2>
      ${loaded({ of: system, what: "versions", show: systemShown })}
    </section>
    <section class="card">
      <h2>When something is wrong</h2>
      <p>
        <code>npx muara doctor</code> <${CopyButton} text="npx muara doctor" /> checks the machine, the
        configuration and what it names, and says what to do. Figures are at <code>/metrics</code>.
      </p>
      <p>
        <code>npx muara verify</code> <${CopyButton} text="npx muara verify" /> proves from the lake that
        nothing is missing.
      </p>
    </section>
  `;
};

/** A process that is not ready says so with 503, and with its checks. */
export async function readHealth(signal: AbortSignal): Promise<HealthTold> {
  try {
    return await askJson<HealthTold>("/health/ready", { signal });
  } catch (error) {
    if (error instanceof ApiError && "checks" in error.problem) return error.problem as unknown as HealthTold;
    throw error;
  }
}

function healthShown({ status, checks }: HealthTold): Content {
  return html`
    <p><${StateBadge} state=${status} /></p>
    <dl class="facts">
      ${Object.entries(checks).map(
        ([name, code]) => html`
          <dt>${name}</dt>
          <dd><${StateBadge} state=${code} /> <span class="quiet">${MEANINGS[name] ?? ""}</span></dd>
        `,
      )}
    </dl>
  `;
}

function systemShown(told: SystemTold): Content {
  const { version, runtime, platform, workers, started_at: started, now } = told;
  return html`<dl class="facts">
    <dt>Muara</dt>
    <dd>${version}</dd>
    <dt>Runs on</dt>
    <dd>${runtime}, ${platform}</dd>
    <dt>Since</dt>
    <dd><${Time} at=${started} /> UTC, ${duration((msOf(now) ?? 0) - (msOf(started) ?? 0))}</dd>
    <dt>Does</dt>
    <dd>
      <ul>
        ${workers.map((name) => html`<li><code>${name}</code> ${WORKERS[name] ?? ""}</li>`)}
      </ul>
    </dd>
  </dl>`;
}
