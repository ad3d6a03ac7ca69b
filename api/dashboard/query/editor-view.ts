/**
 * The editor itself, which comes when the page for queries is opened. It lives in a shadow root: there its styles go
 * in as sheets, which the page's policy allows, and not as elements, which it does not.
 */
import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { PostgreSQL, sql, type SQLNamespace } from "@codemirror/lang-sql";
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { Compartment, EditorState, Prec, StateEffect, StateField, type Extension } from "@codemirror/state";
import {
  Decoration,
  drawSelection,
  EditorView,
  keymap,
  lineNumbers,
  type DecorationSet,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import type { SqlPlace, SqlSchema } from "./query-answer.ts";
import { sqlName } from "../quote.ts";

export interface Editor {
  readonly text: () => string;
  readonly setText: (text: string) => void;
  readonly insert: (text: string) => void;
  readonly setSchema: (schema: SqlSchema) => void;
  /** undefined takes the mark away. */
  readonly markError: (place: SqlPlace | undefined) => void;
  readonly focus: () => void;
  readonly destroy: () => void;
}

export interface EditorOptions {
  readonly text: string;
  readonly onChange: (text: string) => void;
  readonly onRun: () => void;
}

const setMark = StateEffect.define<{ readonly from: number; readonly to: number } | undefined>();

/** What is wrong, until the text changes. */
const mark = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update: (before, transaction) => {
    for (const effect of transaction.effects) {
      if (!effect.is(setMark)) continue;
      const { value } = effect;
      if (!value) return Decoration.none;
      const line = transaction.state.doc.lineAt(value.from);
      const marks = [Decoration.line({ class: "cm-wrong-line" }).range(line.from)];
      if (value.to > value.from)
        marks.push(Decoration.mark({ class: "cm-wrong" }).range(value.from, value.to));
      return Decoration.set(marks, true);
    }
    return transaction.docChanged ? Decoration.none : before;
  },
  provide: (field) => EditorView.decorations.from(field),
});

const look = EditorView.theme({
  "&": { backgroundColor: "var(--surface)", color: "var(--ink)", fontSize: "14px" },
  "&.cm-focused": { outline: "2px solid var(--focus)", outlineOffset: "-2px" },
  ".cm-scroller": { fontFamily: "var(--mono)", minHeight: "120px", maxHeight: "46vh", overflow: "auto" },
  ".cm-content": { caretColor: "var(--ink)" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  ".cm-gutters": {
    backgroundColor: "var(--raised)",
    borderRight: "1px solid var(--line)",
    color: "var(--ink-2)",
  },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "var(--band)",
  },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "var(--band)", outline: "1px solid var(--edge)" },
  ".cm-wrong": { textDecoration: "underline wavy var(--bad)", textUnderlineOffset: "3px" },
  ".cm-wrong-line": { backgroundColor: "var(--bad-soft)" },
  ".cm-tooltip": {
    backgroundColor: "var(--surface)",
    border: "1px solid var(--edge)",
    color: "var(--ink)",
  },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": {
    backgroundColor: "var(--main)",
    color: "var(--main-ink)",
  },
  ".cm-completionDetail": { color: "inherit" },
});

const colors = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword], color: "var(--main)", fontWeight: "600" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--good)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--second)" },
  { tag: tags.comment, color: "var(--quiet)", fontStyle: "italic" },
  { tag: [tags.typeName, tags.standard(tags.name)], color: "var(--ink)", fontWeight: "600" },
]);

export function openEditor(place: HTMLElement, options: EditorOptions): Editor {
  const root = place.shadowRoot ?? place.attachShadow({ mode: "open" });
  const language = new Compartment();
  const run = (): boolean => {
    options.onRun();
    return true;
  };
  const extensions: Extension[] = [
    Prec.highest(
      keymap.of([
        { key: "Mod-Enter", run },
        { key: "Ctrl-Enter", run },
      ]),
    ),
    lineNumbers(),
    history(),
    drawSelection(),
    indentOnInput(),
    bracketMatching(),
    closeBrackets(),
    autocompletion(),
    // Tab is not among them: it leaves the editor, as it leaves every field.
    keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...completionKeymap]),
    language.of(languageOf(undefined)),
    syntaxHighlighting(colors),
    EditorView.lineWrapping,
    EditorView.contentAttributes.of({ "aria-label": "SQL", spellcheck: "false" }),
    EditorView.updateListener.of((update) => {
      if (update.docChanged) options.onChange(update.state.doc.toString());
    }),
    mark,
    look,
  ];
  const view = new EditorView({
    state: EditorState.create({ doc: options.text, extensions }),
    parent: root,
    root,
  });
  return {
    text: () => view.state.doc.toString(),
    setText: (text) => {
      if (text === view.state.doc.toString()) return;
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
    },
    insert: (text) => {
      view.dispatch(view.state.replaceSelection(text));
      view.focus();
    },
    setSchema: (schema) => view.dispatch({ effects: language.reconfigure(languageOf(schema)) }),
    markError: (where) => view.dispatch({ effects: setMark.of(where && wordAt(view.state, where.offset)) }),
    focus: () => view.focus(),
    destroy: () => view.destroy(),
  };
}

function wordAt(state: EditorState, offset: number): { readonly from: number; readonly to: number } {
  const at = Math.min(offset, state.doc.length);
  return state.wordAt(at) ?? { from: at, to: Math.min(at + 1, state.doc.lineAt(at).to) };
}

function languageOf(schema: SqlSchema | undefined): Extension {
  const tables: Record<string, SQLNamespace> = {};
  for (const { name, alias, kind, columns } of schema?.tables ?? []) {
    const label = alias ?? name;
    const children = columns.map((column) => ({
      label: column.name,
      apply: sqlName(column.name),
      type: "property",
      detail: column.type,
      ...(column.description === null ? {} : { info: column.description }),
    }));
    tables[label.replaceAll(".", "\\.")] = {
      self: { label, apply: sqlName(label), type: "type", detail: kind.replace("_", " ") },
      children,
    };
  }
  const support = sql({ dialect: PostgreSQL, schema: tables, upperCaseKeywords: true });
  const functions = (schema?.functions ?? [])
    .filter((name) => /^[a-z_]\w*$/.test(name))
    .map((name) => ({ label: name, type: "function", boost: -1 }));
  const words = support.language.data.of({
    autocomplete: (context: {
      matchBefore: (pattern: RegExp) => { from: number; text: string } | null;
      explicit: boolean;
    }) => {
      const word = context.matchBefore(/\w+$/);
      if (!word || (word.text.length < 2 && !context.explicit)) return null;
      return { from: word.from, options: functions, validFor: /^\w*$/ };
    },
  });
  return [support, words];
}
