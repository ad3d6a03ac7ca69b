/** Style and script of the reference page and the pages of errors: served as files, so that nothing stands inline. */

export const REFERENCE_STYLE = `:root {
  color-scheme: light dark;
  --text: light-dark(#1b2329, #e4e9ec);
  --quiet: light-dark(#55626b, #a3b0b8);
  --page: light-dark(#ffffff, #12181c);
  --box: light-dark(#f3f6f8, #1b242a);
  --line: light-dark(#d5dde2, #33414a);
  --link: light-dark(#0b5c8a, #74c0ec);
}
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); }
a { color: var(--link); }
a:focus-visible, button:focus-visible, summary:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
code, pre { font: 0.875em/1.45 ui-monospace, monospace; }
code { overflow-wrap: anywhere; }
pre { background: var(--box); border: 1px solid var(--line); border-radius: 6px; padding: 0.6rem 0.8rem;
  margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; max-height: 24rem; overflow-y: auto; }
main { padding: 1.5rem; min-width: 0; }
.narrow { max-width: 44rem; margin: 0 auto; }
.wide { max-width: 72rem; margin: 0 auto; }
.page { display: grid; grid-template-columns: 18rem minmax(0, 1fr); }
.page > nav { position: sticky; top: 0; height: 100vh; overflow-y: auto; padding: 1rem;
  border-right: 1px solid var(--line); font-size: 0.875rem; }
nav h2 { font-size: 0.875rem; margin: 1rem 0 0.25rem; }
nav ul { list-style: none; margin: 0; padding: 0; }
nav li { padding: 0.15rem 0; overflow-wrap: anywhere; }
.operation { border-top: 1px solid var(--line); padding: 1rem 0; max-width: 60rem; }
.operation h3 { font-size: 1.05rem; margin: 0; overflow-wrap: anywhere; }
.operation h4 { font-size: 0.875rem; margin: 0.9rem 0 0.25rem; color: var(--quiet); font-weight: 600; }
.method { display: inline-block; min-width: 3.6rem; font-weight: 700; }
.quiet { color: var(--quiet); }
table { border-collapse: collapse; font-size: 0.9rem; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 0.6rem 0.3rem 0;
  border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; }
.command { position: relative; }
.command button { position: absolute; top: 0.4rem; right: 0.4rem; font: inherit; font-size: 0.8rem;
  color: var(--text); background: var(--page); border: 1px solid var(--line); border-radius: 4px;
  padding: 0.15rem 0.5rem; cursor: pointer; }
.command pre { padding-right: 4.5rem; }
.codes { display: flex; flex-wrap: wrap; gap: 0.2rem 0.8rem; list-style: none; margin: 0; padding: 0; }
@media (max-width: 50rem) {
  .page { display: block; }
  .page > nav { position: static; height: auto; border-right: 0; border-bottom: 1px solid var(--line); }
  main { padding: 1rem; }
}
@media print { .page > nav, .command button { display: none; } .page { display: block; } pre { max-height: none; } }
`;

export const REFERENCE_SCRIPT = `// A button beside each command copies it; without this script only they are missing.
for (const box of document.querySelectorAll(".command")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(box.querySelector("pre").textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  box.append(button);
}
`;
