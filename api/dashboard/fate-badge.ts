/** What became of an event, in a word. */
import type { FunctionComponent } from "preact";
import { html } from "./html.ts";
import { Badge, type Tone } from "./parts/badge.ts";

const SHOWN: Readonly<Record<string, readonly [Tone, string]>> = {
  landed: ["good", "landed"],
  "landed late": ["warn", "landed late"],
  duplicate: ["main", "duplicate"],
  dead_letter: ["bad", "dead letter"],
  waiting: ["calm", "waiting"],
};

export const FateBadge: FunctionComponent<{ readonly fate: string }> = ({ fate }) => {
  const [tone, word] = SHOWN[fate] ?? (["calm", fate] as const);
  return html`<${Badge} tone=${tone}>${word}<//>`;
};
