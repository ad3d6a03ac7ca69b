/** The keys, in a dialog that `?` opens. */
import { useSignalEffect } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { useRef } from "preact/hooks";
import { PAGES } from "../addresses.ts";
import { html } from "../html.ts";
import { isHelpOpen } from "../shortcuts.ts";

export const Help: FunctionComponent = () => {
  const dialog = useRef<HTMLDialogElement>(null);
  useSignalEffect(() => {
    if (isHelpOpen.value) dialog.current?.showModal();
    else dialog.current?.close();
  });
  return html`
    <dialog
      ref=${dialog}
      class="help"
      aria-labelledby="help-title"
      onClose=${() => (isHelpOpen.value = false)}
    >
      <h2 id="help-title">Keys</h2>
      <dl>
        ${PAGES.flatMap((page) =>
          "key" in page
            ? [
                html`<div>
                  <dt><kbd>g</kbd> <kbd>${page.key}</kbd></dt>
                  <dd>${page.title}</dd>
                </div>`,
              ]
            : [],
        )}
        <div>
          <dt><kbd>/</kbd></dt>
          <dd>The page's filter</dd>
        </div>
        <div>
          <dt><kbd>?</kbd></dt>
          <dd>These keys</dd>
        </div>
      </dl>
      <form method="dialog">
        <button type="button" onClick=${() => (isHelpOpen.value = false)}>Close</button>
      </form>
    </dialog>
  `;
};
