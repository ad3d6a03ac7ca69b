/** Asks for a token where there is none, or where the server no longer takes the one we have. */
import type { FunctionComponent } from "preact";
import { html } from "../html.ts";
import { keepToken } from "../token.ts";

function submit(event: Event): void {
  event.preventDefault();
  const text = new FormData(event.target as HTMLFormElement).get("token");
  if (typeof text === "string" && text.trim() !== "") keepToken(text.trim());
}

export const SignIn: FunctionComponent = () => {
  return html`
    <section class="sign-in">
      <h1 tabindex="-1">A token opens this</h1>
      <p>
        <code>muara dev</code> and <code>muara demo</code> print an address that brings it, and write it to
        the file <code>token</code> of the data folder. Others are made by
        <code>npx muara token create</code>.
      </p>
      <form onSubmit=${submit}>
        <label for="token">Token</label>
        <input id="token" name="token" type="password" autocomplete="off" spellcheck=${false} required />
        <button type="submit" class="primary">Open</button>
      </form>
      <p class="quiet">It is kept in this tab until it is closed, and sent to this server only.</p>
    </section>
  `;
};
