/** Copies a text; says so for a moment. */
import { useSignal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { html } from "../html.ts";

const SAID_MS = 1_500;

interface CopyButtonProps {
  readonly text: string | (() => string);
  readonly label?: string;
}

export const CopyButton: FunctionComponent<CopyButtonProps> = ({ text, label = "Copy" }) => {
  const said = useSignal("");
  const copy = async (): Promise<void> => {
    // Not there where the page did not come by https or from this machine.
    const isDone = await (
      navigator.clipboard?.writeText(typeof text === "string" ? text : text()) ?? Promise.reject()
    )
      .then(() => true)
      .catch(() => false);
    said.value = isDone ? "Copied" : "Not allowed here";
    setTimeout(() => (said.value = ""), SAID_MS);
  };
  return html`<button type="button" class="copy" onClick=${copy} aria-live="polite">
    ${said.value || label}
  </button>`;
};
