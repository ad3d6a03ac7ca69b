/** The reference of the API as a page, made from its description: no outside asset, and whole without its script. */
import { document, escaped, prose } from "../core/error-page.ts";
import { curlOf, exampleOf } from "./curl-example.ts";
import type { Json } from "./openapi-parts.ts";

interface Operation {
  readonly method: string;
  readonly address: string;
  readonly operation: Json;
}

/** @param description `describedDocument` */
export function referencePage(description: Json): string {
  const info = description["info"] as Json;
  const tags = description["tags"] as readonly { readonly name: string; readonly description: string }[];
  const all = operationsOf(description);
  const of = (tag: string): readonly Operation[] =>
    all.filter(({ operation }) => (operation["tags"] as readonly string[])[0] === tag);
  const menu = tags.map(({ name }) => `<h2>${name}</h2>\n<ul>\n${of(name).map(entry).join("\n")}\n</ul>`);
  const parts = tags.map(
    (tag) =>
      `<section aria-labelledby="${anchor(tag.name)}"><h2 id="${anchor(tag.name)}">${tag.name}</h2>` +
      `<p>${prose(tag.description)}</p>\n${of(tag.name).map(section).join("\n")}</section>`,
  );
  const body = `<div class="page">
<nav aria-label="Operations">
<p><a href="/">Muara</a> · <a href="/errors">Errors</a> · <a href="/openapi.json">openapi.json</a></p>
${menu.join("\n")}
</nav>
<main>
<h1>API reference</h1>
<p>Version ${escaped(String(info["version"]))}. ${prose(String(info["description"]))}</p>
<p>Every command below is executed by the tests. They read the token from the environment:</p>
<pre>TOKEN=$(cat .muara/token)</pre>
${parts.join("\n")}
</main>
</div>`;
  return document("API reference", body, '<script src="/api/reference.js" defer></script>\n');
}

export function operationsOf(description: Json): readonly Operation[] {
  const paths = description["paths"] as Record<string, Record<string, Json>>;
  return Object.entries(paths).flatMap(([address, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      address,
      operation,
    })),
  );
}

function anchor(text: string): string {
  return text.toLowerCase().replaceAll(" ", "-");
}

function entry({ method, address, operation }: Operation): string {
  const id = String(operation["operationId"]);
  return `<li><a href="#${id}"><span class="method">${method}</span> ${escaped(address)}</a></li>`;
}

function section({ method, address, operation }: Operation): string {
  const id = String(operation["operationId"]);
  const command = escaped(curlOf(exampleOf(method, address, operation)));
  const parts = [
    `<h3><a href="#${id}"><span class="method">${method}</span> <code>${escaped(address)}</code></a></h3>`,
    `<p>${prose(String(operation["summary"]))}${access(operation)}</p>`,
    parameters(operation),
    `<h4>Request</h4><div class="command"><pre tabindex="0">${command}</pre></div>`,
    ...answers(operation),
    problems(operation),
  ];
  return `<article class="operation" id="${id}">\n${parts.filter((part) => part !== "").join("\n")}\n</article>`;
}

function access(operation: Json): string {
  const rights = operation["x-muara-rights"] as readonly string[] | undefined;
  if (operation["security"]) return ' <span class="quiet">Open without a token.</span>';
  if (!rights || rights.length === 0) return "";
  return ` <span class="quiet">Right: ${rights.map(escaped).join(" or ")}.</span>`;
}

function parameters(operation: Json): string {
  const all = (operation["parameters"] ?? []) as readonly Json[];
  if (all.length === 0) return "";
  const rows = all.map((one) => {
    const form = formOf(one["schema"] as Json | undefined);
    const note = typeof one["description"] === "string" ? ` ${prose(one["description"])}` : "";
    const must = one["required"] ? "" : ', <span class="quiet">optional</span>';
    const name = `<th scope="row"><code>${escaped(String(one["name"]))}</code></th>`;
    return `<tr>${name}<td>${String(one["in"])}${must}</td><td>${form}${note}</td></tr>`;
  });
  return `<table><caption class="quiet">Parameters</caption><tbody>${rows.join("")}</tbody></table>`;
}

/** A word or two for a schema. */
function formOf(schema: Json | undefined): string {
  if (!schema) return "";
  const { enum: values, type, format } = schema;
  if (Array.isArray(values))
    return values.map((value) => `<code>${escaped(String(value))}</code>`).join(", ");
  return escaped([type, format].flat().filter(Boolean).join(" "));
}

function answers(operation: Json): readonly string[] {
  const responses = Object.entries(operation["responses"] as Record<string, Json>);
  return responses
    .filter(([status]) => status !== "default")
    .map(([status, response]) => {
      const content = Object.entries((response["content"] ?? {}) as Record<string, Json>);
      const [type, shown] = content.find(([, { example }]) => example !== undefined) ?? [];
      const types = content.map(([name]) => `<code>${escaped(name)}</code>`).join(", ");
      const title = `<h4>${status} · ${prose(String(response["description"]))} ${types}</h4>`;
      return type === undefined
        ? title
        : `${title}<pre tabindex="0">${escaped(textOf(shown!["example"]))}</pre>`;
    });
}

function textOf(example: unknown): string {
  return typeof example === "string" ? example : JSON.stringify(example, null, 2);
}

function problems(operation: Json): string {
  const codes = (operation["x-muara-problems"] ?? []) as readonly string[];
  if (codes.length === 0) return "";
  const links = codes.map((code) => `<li><a href="/errors/${code}"><code>${code}</code></a></li>`);
  return `<details><summary>Problems (${codes.length})</summary><ul class="codes">${links.join("")}</ul></details>`;
}
