/** Something is on its way. Shown only where there is nothing older to show. */
import type { FunctionComponent } from "preact";
import { html } from "../html.ts";

export const Loading: FunctionComponent<{ readonly what?: string }> = ({ what = "" }) => html`
  <div class="loading" role="status"><span class="wave" aria-hidden="true"></span>Loading ${what} …</div>
`;
