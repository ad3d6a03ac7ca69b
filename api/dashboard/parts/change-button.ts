/** A button for what changes something: it says what will happen, and does it only when it is told so. */
import { useSignal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { useRef } from "preact/hooks";
import { html, type Content } from "../html.ts";
import { ErrorBox } from "./error-box.ts";

interface ChangeButtonProps {
  readonly label: string;
  /** A question. */
  readonly title: string;
  /** What will happen. */
  readonly about?: Content;
  /** Of the button that does it. */
  readonly yes: string;
  /** Gets what was filled in, by name. What it throws is shown, and can be tried again. */
  readonly run: (fields: FormData) => Promise<unknown>;
  /** Fields. */
  readonly children?: Content;
  /** Instead of closing, what is shown when it is done. */
  readonly done?: (answer: unknown) => Content;
  readonly class?: string;
  readonly isDisabled?: boolean;
}

let made = 0;

export const ChangeButton: FunctionComponent<ChangeButtonProps> = (props) => {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useRef(`ask-${++made}`);
  const error = useSignal<unknown>(undefined);
  const isBusy = useSignal(false);
  const answer = useSignal<unknown>(undefined);
  const open = (): void => {
    error.value = answer.value = undefined;
    dialog.current?.showModal();
  };
  const close = (): void => dialog.current?.close();
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (isBusy.value) return;
    isBusy.value = true;
    error.value = undefined;
    try {
      const given = await props.run(new FormData(event.target as HTMLFormElement));
      if (props.done) answer.value = given;
      else close();
    } catch (failure) {
      error.value = failure;
    } finally {
      isBusy.value = false;
    }
  };
  return html`
    <button type="button" class=${props.class} disabled=${props.isDisabled ?? false} onClick=${open}>
      ${props.label}
    </button>
    <dialog ref=${dialog} class="ask" aria-labelledby=${id.current}>
      <h2 id=${id.current}>${props.title}</h2>
      ${
        answer.value === undefined
          ? html`<form onSubmit=${submit}>
              ${props.about && html`<p>${props.about}</p>`} ${props.children}
              ${error.value !== undefined && html`<${ErrorBox} error=${error.value} />`}
              <div class="actions">
                <button type="button" onClick=${close}>Cancel</button>
                <button type="submit" class="primary" disabled=${isBusy.value}>${props.yes}</button>
              </div>
            </form>`
          : html`<div>
              ${props.done?.(answer.value)}
              <div class="actions"><button type="button" class="primary" onClick=${close}>Close</button></div>
            </div>`
      }
    </dialog>
  `;
};
