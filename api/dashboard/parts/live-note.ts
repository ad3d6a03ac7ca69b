/** How the live stream goes, where it does not go well. */
import type { FunctionComponent } from "preact";
import { html } from "../html.ts";
import { liveState } from "../live/live-client.ts";
import { Badge } from "./badge.ts";

export const LiveNote: FunctionComponent = () => {
  const { kind, error } = liveState.value;
  const about = error ? html` <span class="quiet">${error.message} <code>${error.code}</code></span>` : "";
  const badge = {
    idle: html`<${Badge}>paused<//>`,
    connecting: html`<${Badge}>connecting<//>`,
    open: html`<${Badge} tone="good">live<//>`,
    retrying: html`<${Badge} tone="warn">retrying<//>`,
    refused: html`<${Badge} tone="bad">no live data<//>`,
  }[kind];
  return html`<span class="live-note" role="status">${badge}${about}</span>`;
};
