/** Markup as tagged templates: what JSX would be, without a compiler. */
import { html as markup } from "htm/preact";
import type { VNode } from "preact";

/** What a part may show. */
export type Content = VNode | string | number | null | undefined | false | readonly Content[];

type Strings = TemplateStringsArray;

/** By the template as it stands in the source: htm, too, knows templates by their identity. */
const spaced = new WeakMap<Strings, Strings>();

/** As in HTML, a line break beside a word is a space; htm alone would glue the word to what follows. */
export const html = (strings: Strings, ...values: readonly unknown[]): VNode => {
  let own = spaced.get(strings);
  if (!own) {
    const parts = strings.map((part) => part.replace(/([^\s<>])[ ]*\n\s*|\s*\n[ ]*(?=[^\s<>])/g, "$1 "));
    own = Object.assign(parts, { raw: strings.raw }) as unknown as Strings;
    spaced.set(strings, own);
  }
  return markup(own, ...values);
};
