/** Where SQL is written: a plain field at once, the editor as soon as it is there. Both hold the same text. */
import { useSignal, type Signal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { html } from "../html.ts";
import type { Editor } from "./editor-view.ts";
import type { SqlPlace, SqlSchema } from "./query-answer.ts";

export interface SqlEditorProps {
  readonly text: Signal<string>;
  readonly schema: SqlSchema | undefined;
  readonly error: SqlPlace | undefined;
  readonly onRun: () => void;
  /** Given what inserts a text where the cursor is. */
  readonly onReady: (insert: (text: string) => void) => void;
}

export const SqlEditor: FunctionComponent<SqlEditorProps> = (props) => {
  const { text, schema, error } = props;
  const place = useRef<HTMLDivElement>(null);
  const editor = useRef<Editor | undefined>(undefined);
  const isThere = useSignal(false);
  const latest = useRef(props);
  latest.current = props;
  useEffect(() => {
    let isGone = false;
    const open = async (): Promise<void> => {
      // Without it the plain field stays, which does all but help.
      const loaded = await import("./editor-view.ts").catch(() => undefined);
      if (!loaded || isGone || !place.current) return;
      editor.current = loaded.openEditor(place.current, {
        text: text.peek(),
        onChange: (changed) => (text.value = changed),
        onRun: () => latest.current.onRun(),
      });
      isThere.value = true;
      latest.current.onReady(editor.current.insert);
    };
    void open();
    return () => {
      isGone = true;
      editor.current?.destroy();
    };
  }, []);
  const value = text.value;
  // What is rendered may be older than what has been typed since.
  useEffect(() => editor.current?.setText(text.peek()), [value]);
  useEffect(() => {
    if (schema) editor.current?.setSchema(schema);
  }, [schema, isThere.value]);
  useEffect(() => editor.current?.markError(error), [error?.offset, error?.line, isThere.value]);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    props.onRun();
  };
  return html`
    <div class="sql-editor" data-ready=${isThere.value}>
      <div ref=${place} hidden=${!isThere.value}></div>
      ${
        !isThere.value &&
        html`<textarea
          aria-label="SQL"
          spellcheck=${false}
          rows="6"
          value=${value}
          onInput=${(event: InputEvent) => (text.value = (event.target as HTMLTextAreaElement).value)}
          onKeyDown=${onKeyDown}
        ></textarea>`
      }
    </div>
  `;
};
