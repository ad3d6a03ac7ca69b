/**
 * An operation's example as a command for a shell: what the reference page shows, and what the tests execute. The token
 * is read from the environment, so that nobody copies a secret into a history.
 */
import type { Json } from "./openapi-parts.ts";

/** Where the examples' server is, as `muara dev` prints it. */
export const EXAMPLE_ORIGIN = "http://127.0.0.1:8080";

export interface Example {
  /** Upper case. */
  readonly method: string;
  /** With `{names}`, as in the document. */
  readonly address: string;
  readonly path: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON; undefined: none. */
  readonly body: unknown;
  readonly isOpen: boolean;
}

/** The example in an operation of the document: of its parameters and its body. */
export function exampleOf(method: string, address: string, operation: Json): Example {
  const parameters = (operation["parameters"] ?? []) as readonly Json[];
  const named = (place: string): Record<string, string> =>
    Object.fromEntries(
      parameters
        .filter((one) => one["in"] === place && one["example"] !== undefined)
        .map((one) => [String(one["name"]), String(one["example"])]),
    );
  const content = ((operation["requestBody"] as Json | undefined)?.["content"] ?? {}) as Record<string, Json>;
  const [type, shown] = Object.entries(content).find(([, { example }]) => example !== undefined) ?? [];
  const isPlain = type === undefined || type === "application/json";
  return {
    method: method.toUpperCase(),
    address,
    path: named("path"),
    query: named("query"),
    headers: { ...(isPlain ? {} : { "content-type": type }), ...named("header") },
    body: shown?.["example"],
    isOpen: Array.isArray(operation["security"]),
  };
}

/** One line for bash. */
export function curlOf(example: Example): string {
  const { method, address, path, query, headers, body, isOpen } = example;
  const filled = address.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(path[name] ?? name));
  const asked = new URLSearchParams(query).toString();
  const hasType = Object.keys(headers).some((name) => name.toLowerCase() === "content-type");
  const implied = body === undefined ? "GET" : "POST";
  return [
    "curl -sS",
    ...(method === implied ? [] : [`-X ${method}`]),
    ...(isOpen ? [] : ['-H "Authorization: Bearer $TOKEN"']),
    ...Object.entries(headers).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`),
    ...(body === undefined ? [] : [`${hasType ? "--data" : "--json"} ${quoted(JSON.stringify(body))}`]),
    quoted(EXAMPLE_ORIGIN + filled + (asked === "" ? "" : `?${asked}`)),
  ].join(" ");
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
