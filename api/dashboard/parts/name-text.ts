/** A name that may go on in the next line behind its dots and underscores, and nowhere inside a word. */
import { html, type Content } from "../html.ts";

export function nameText(name: string): Content {
  return name.split(/(?<=[._])/).map((part, at) => (at === 0 ? part : html`<wbr />${part}`));
}
