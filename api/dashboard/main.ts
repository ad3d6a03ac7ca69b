/** Starts the dashboard in the page. */
import { render } from "preact";
import { App } from "./app.ts";
import { html } from "./html.ts";
import { followLinks } from "./router.ts";
import { followShortcuts } from "./shortcuts.ts";
import { takeTokenFromAddress } from "./token.ts";

takeTokenFromAddress();
addEventListener("hashchange", takeTokenFromAddress);
followLinks();
followShortcuts();
const root = document.querySelector("#app")!;
root.textContent = "";
render(html`<${App} />`, root);
