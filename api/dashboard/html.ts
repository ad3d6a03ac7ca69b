/** Markup as tagged templates: what JSX would be, without a compiler. */
import { html as markup } from "htm/preact";
import type { VNode } from "preact";

export const html: (strings: TemplateStringsArray, ...values: readonly unknown[]) => VNode = markup;

/** What a part may show. */
export type Content = VNode | string | number | null | undefined | false | readonly Content[];
