/** How to read a table: with SQL here, a notebook, any reader of Delta, a terminal. To copy as they stand. */
import type { FunctionComponent } from "preact";
import { html } from "../html.ts";
import { queryLink } from "../links.ts";
import { shellWord, sqlName } from "../quote.ts";
import { CopyButton } from "../parts/copy-button.ts";
import type { ShownTable } from "./table-answer.ts";

interface Snippet {
  readonly title: string;
  readonly text: string;
  readonly about: string;
}

export const TableSnippets: FunctionComponent<{ readonly table: ShownTable }> = ({ table }) => {
  const snippets = snippetsOf(table, location.origin);
  return html`<div class="snippets">
    <p><a href=${queryLink(snippets[0]!.text)}>Open the first in the editor</a></p>
    ${snippets.map(
      ({ title, text, about }) =>
        html`<section class="card">
          <h2>${title} <${CopyButton} text=${text} label=${`Copy`} /></h2>
          <p>${about}</p>
          <pre tabindex="0" aria-label=${title}><code>${text}</code></pre>
        </section>`,
    )}
  </div>`;
};

/** @param origin of this server */
function snippetsOf(table: ShownTable, origin: string): readonly Snippet[] {
  const sql = `SELECT *\nFROM ${sqlName(table.name)}\nLIMIT 100`;
  const oneLine = `SELECT count(*) AS rows FROM ${sqlName(table.name)}`;
  const body = shellWord(JSON.stringify({ sql: oneLine }));
  const snippets: Snippet[] = [
    { title: "SQL", text: sql, about: "In the editor, in `muara sql`, or in POST /v1/sql." },
    {
      title: "curl",
      text: [
        `curl -H "authorization: Bearer $MUARA_TOKEN" \\`,
        `  --json ${body} \\`,
        `  ${origin}/v1/sql`,
      ].join("\n"),
      about: "JSON; with `-H 'accept: text/csv'` CSV, also NDJSON, Parquet and Arrow.",
    },
    {
      title: "Terminal",
      text: `MUARA_URL=${origin} npx muara sql ${shellWord(oneLine)}`,
      about: "Finds its token in the data folder or in MUARA_TOKEN.",
    },
  ];
  if (table.kind === "view") return snippets;
  const python = [
    "import muara",
    "lake = muara.connect()  # the data folder, s3://…, or a profile of a share",
    `lake.sql(${JSON.stringify(oneLine)})`,
  ];
  snippets.splice(1, 0, {
    title: "Notebook",
    text: python.join("\n"),
    about: "With notebooks/muara.py of the repository: DuckDB asks, Polars shows.",
  });
  if (table.location)
    snippets.push({
      title: "Any reader of Delta",
      text: [
        "import polars",
        `polars.scan_delta(${JSON.stringify(table.location)}).head(100).collect()`,
      ].join("\n"),
      about: "By path, without Muara: Polars, delta-rs, DuckDB, Spark, Trino.",
    });
  return snippets;
}
