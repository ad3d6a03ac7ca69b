/** What becomes of a dead letter that is replayed, in a word. */
import type { FunctionComponent } from "preact";
import { html } from "../html.ts";
import { Badge, type Tone } from "../parts/badge.ts";
import type { ReplayedItem } from "./letter-answer.ts";

export type Outcome = ReplayedItem["outcome"];

const WORDS: Readonly<Record<Outcome, readonly [tone: Tone, word: string]>> = {
  accepted: ["good", "accepted"],
  would_land: ["good", "would land"],
  would_be_duplicate: ["warn", "would be a duplicate"],
  refused: ["bad", "refused"],
};

export const OutcomeWord: FunctionComponent<{ readonly outcome: Outcome; readonly children?: unknown }> = ({
  outcome,
  children,
}) =>
  html`<${Badge} tone=${WORDS[outcome][0]}>${children ?? ""}${children ? " " : ""}${WORDS[outcome][1]}<//>`;
