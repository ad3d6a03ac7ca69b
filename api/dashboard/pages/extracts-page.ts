/** Extracts. */
import type { PageComponent } from "../app.ts";
import { html } from "../html.ts";
import { PageHeader } from "../parts/page-header.ts";

export const Page: PageComponent = () => html`<${PageHeader} title="Extracts" />`;
