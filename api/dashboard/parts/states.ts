/** How the states of jobs, rules, captures and deliveries look. */
import type { FunctionComponent } from "preact";
import { html } from "../html.ts";
import { Badge, type Tone } from "./badge.ts";

const TONES: Readonly<Record<string, Tone>> = {
  running: "good",
  delivering: "good",
  streaming: "good",
  active: "good",
  met: "good",
  complete: "good",
  landed: "good",
  ok: "good",
  live: "good",
  ready: "good",
  firing: "bad",
  failing: "bad",
  stopped: "bad",
  missing: "bad",
  breached: "bad",
  exceeded: "bad",
  "not ready": "bad",
  pending: "warn",
  no_data: "warn",
  late: "warn",
  resolved_late: "warn",
  degraded: "warn",
  starting: "main",
  copying: "main",
  preparing: "main",
  warming: "main",
  open: "main",
};

export const StateBadge: FunctionComponent<{ readonly state: string }> = ({ state }) =>
  html`<${Badge} tone=${TONES[state] ?? "calm"}>${state.replaceAll("_", " ")}<//>`;
