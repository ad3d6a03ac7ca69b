/**
 * The pages that the `type` of a problem leads to (RFC 9457 §3.1.1): what a code means and what to do. Text only, with
 * one style sheet and no script, so that every door can serve them, an edge too.
 */
import { ERRORS, type ErrorCode } from "./errors.ts";

const PREFIX = "/errors";
/** Nothing is loaded but the style sheet of this origin. */
export const PAGE_POLICY =
  "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; form-action 'none'; " +
  "frame-ancestors 'none'";
export const STYLE_ADDRESS = "/api/reference.css";

export function errorAddress(code: ErrorCode): string {
  return `${PREFIX}/${code}`;
}

/** The page at an address of a code, or the list of all at `/errors`; undefined for any other address. */
export function errorPage(address: string): string | undefined {
  if (address === PREFIX) return document("Errors", listOfErrors());
  const code = address.slice(PREFIX.length + 1);
  if (!address.startsWith(`${PREFIX}/`) || !Object.hasOwn(ERRORS, code)) return undefined;
  return document(code, oneError(code as ErrorCode));
}

/** A whole page. @param body markup; what comes from elsewhere is escaped already */
export function document(title: string, body: string, more = ""): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escaped(title)} · Muara</title>
<link rel="stylesheet" href="${STYLE_ADDRESS}">
${more}</head>
<body>
${body}
</body>
</html>
`;
}

export function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

/** `code` in backquotes becomes an element. */
export function prose(text: string): string {
  return escaped(text).replace(/`([^`]+)`/g, "<code>$1</code>");
}

function oneError(code: ErrorCode): string {
  const { status, retryable, help } = ERRORS[code];
  const again = retryable
    ? "The same call may succeed later without anybody changing it."
    : "The same call fails again until something is changed.";
  return `<main class="narrow">
<h1><code>${code}</code></h1>
<p>${prose(help)}</p>
<dl><dt>HTTP status</dt><dd>${status}</dd><dt>Retry</dt><dd>${again}</dd></dl>
<p><a href="${PREFIX}">All errors</a> · <a href="/api">API reference</a></p>
</main>`;
}

function listOfErrors(): string {
  const rows = Object.entries(ERRORS).map(
    ([code, { status, retryable, help }]) =>
      `<tr><th scope="row"><a href="${PREFIX}/${code}"><code>${code}</code></a></th>` +
      `<td>${status}</td><td>${retryable ? "yes" : "no"}</td><td>${prose(help)}</td></tr>`,
  );
  const heads = ["code", "status", "retry", "what to do"].map((one) => `<th scope="col">${one}</th>`);
  return `<main class="wide">
<h1>Errors</h1>
<p>Every problem (RFC 9457, <code>application/problem+json</code>) has one of these codes.
<a href="/api">API reference</a></p>
<table><thead><tr>${heads.join("")}</tr></thead>
<tbody>
${rows.join("\n")}
</tbody></table>
</main>`;
}
