/** What failed, why, and a way to try again. */
import type { FunctionComponent } from "preact";
import { ApiError } from "../api-client.ts";
import { html } from "../html.ts";

interface ErrorBoxProps {
  readonly error: unknown;
  readonly onRetry?: () => void;
  /** Of what could not be read. */
  readonly what?: string;
}

export const ErrorBox: FunctionComponent<ErrorBoxProps> = ({ error, onRetry, what }) => {
  const { title, message, code, request } = explain(error);
  return html`
    <section class="error" role="alert">
      <h2>${what ? `${what}: ` : ""}${title}</h2>
      <p>${message}</p>
      <p class="quiet"><code>${code}</code>${request && html` · request <code>${request}</code>`}</p>
      ${onRetry && html`<button type="button" onClick=${onRetry}>Try again</button>`}
    </section>
  `;
};

interface Explained {
  readonly title: string;
  readonly message: string;
  readonly code: string;
  readonly request?: string | undefined;
}

function explain(error: unknown): Explained {
  if (!(error instanceof ApiError))
    return { title: "the page could not be shown", message: String(error), code: "page" };
  const { code, message, problem, status } = error;
  const request = typeof problem["request_id"] === "string" ? problem["request_id"] : undefined;
  if (status === 0)
    return {
      title: "no answer",
      message: `${message} Is Muara still running there? Older figures stay.`,
      code,
    };
  if (status === 403) return { title: "not allowed", message, code, request };
  const title = typeof problem["title"] === "string" ? problem["title"] : "refused";
  return { title, message, code, request };
}
