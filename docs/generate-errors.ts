/**
 * Writes docs/ERRORS.md from the table in core/errors.ts: `npx node docs/generate-errors.ts`. A test compares the
 * two, so the page cannot fall behind.
 */
import { writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { ERRORS } from "../core/errors.ts";

const GROUPS: Readonly<Record<string, string>> = {
  request: "Requests",
  auth: "Who may do what",
  event_type: "Event types",
  declaration: "Declared things",
  cursor: "Cursors",
  partition: "Partitions",
  stream: "Streams",
  subscription: "Subscriptions",
  event: "One event: items of a publish answer, and reasons of dead letters",
  batch: "Batches of events",
  log: "The log",
  store: "The object store",
  table: "Tables",
  land: "Landing",
  kernel: "The kernel",
  sql: "Queries",
  config: "Configuration",
  runtime: "The runtime",
  server: "The server, seen from the command line",
  internal: "Bugs",
};

const INTRODUCTION = `# Errors

Written by \`docs/generate-errors.ts\` from \`core/errors.ts\`; do not edit.

Every error has a code of this closed table. Over HTTP it is \`application/problem+json\` (RFC 9457)
with \`code\`, a message and details. *Retry* says whether the same call may succeed later without anybody
changing it.
`;

/** The whole page. A group without a title above is shown by its own name. */
export function errorsPage(): string {
  const groups = new Map<string, string[]>();
  for (const [code, { status, retryable, help }] of Object.entries(ERRORS)) {
    const group = code.split(".")[0] ?? code;
    const rows = groups.get(group) ?? [];
    rows.push(`| \`${code}\` | ${status} | ${retryable ? "yes" : "no"} | ${help.replaceAll("|", "\\|")} |`);
    groups.set(group, rows);
  }
  const header = "| code | status | retry | what to do |\n|---|---|---|---|";
  const sections = [...groups].map(
    ([group, rows]) => `\n## ${GROUPS[group] ?? group}\n\n${header}\n${rows.join("\n")}\n`,
  );
  return INTRODUCTION + sections.join("");
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(new URL("ERRORS.md", import.meta.url), errorsPage());
