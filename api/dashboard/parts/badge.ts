/** A state in a word, with a shape of its own: colour alone says nothing to many. */
import type { FunctionComponent } from "preact";
import { html, type Content } from "../html.ts";

export type Tone = "good" | "warn" | "bad" | "calm" | "main";

const SHAPES: Readonly<Record<Tone, string>> = { good: "●", warn: "▲", bad: "■", calm: "○", main: "◆" };

export const Badge: FunctionComponent<{ readonly tone?: Tone; readonly children?: Content }> = ({
  tone = "calm",
  children,
}) =>
  html`<span class="badge" data-tone=${tone}
    ><span aria-hidden="true">${SHAPES[tone]}</span> ${children}</span
  >`;
