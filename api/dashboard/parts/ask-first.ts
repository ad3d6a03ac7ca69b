/** A button for what changes something: it says what will happen, and does it when that is confirmed. */
import { useSignal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { html, type Content } from "../html.ts";
import { ErrorBox } from "./error-box.ts";

interface AskFirstProps {
  /** On the button. */
  readonly label: string;
  readonly title: string;
  /** On the button that does it. */
  readonly confirm: string;
  /** What will happen. */
  readonly children?: Content;
  /** What it throws is shown, and can be tried again. */
  readonly onConfirm: () => Promise<unknown>;
  readonly isDisabled?: boolean;
}

export const AskFirst: FunctionComponent<AskFirstProps> = (props) => {
  const isOpen = useSignal(false);
  return html`
    <button type="button" disabled=${props.isDisabled ?? false} onClick=${() => (isOpen.value = true)}>
      ${props.label}
    </button>
    ${isOpen.value && html`<${Question} ...${props} onClose=${() => (isOpen.value = false)} />`}
  `;
};

const Question: FunctionComponent<AskFirstProps & { readonly onClose: () => void }> = (props) => {
  const dialog = useRef<HTMLDialogElement>(null);
  const isBusy = useSignal(false);
  const failure = useSignal<unknown>(undefined);
  useEffect(() => dialog.current?.showModal(), []);
  const act = async (): Promise<void> => {
    isBusy.value = true;
    failure.value = undefined;
    try {
      await props.onConfirm();
      props.onClose();
    } catch (error) {
      failure.value = error;
    }
    isBusy.value = false;
  };
  return html`
    <dialog ref=${dialog} aria-label=${props.title} onClose=${props.onClose}>
      <h2>${props.title}</h2>
      ${props.children} ${failure.value !== undefined && html`<${ErrorBox} error=${failure.value} />`}
      <p class="dialog-actions">
        <button type="button" class="primary" disabled=${isBusy.value} onClick=${() => void act()}>
          ${isBusy.value ? "…" : props.confirm}
        </button>
        <button type="button" onClick=${props.onClose}>Cancel</button>
      </p>
    </dialog>
  `;
};
