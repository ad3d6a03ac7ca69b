/** Writes docs/API.md from the description of the API: `npx node test/reference/api-page.ts`. A test compares them. */
import { writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { describedDocument } from "../../api/described.ts";
import { operationsOf } from "../../api/reference-page.ts";
import { TAGS } from "../../api/openapi-tags.ts";

const INTRODUCTION = `# The API

Written by \`test/reference/api-page.ts\` from the description of the API; do not edit.

A running Muara shows the whole reference at \`/api\` (\`npx muara dev\`, then <http://127.0.0.1:8080/api>): parameters,
a command to copy, an answer and the possible problems of each of the {{COUNT}} operations. The same for programs, as
OpenAPI 3.1, is at \`/openapi.json\`. Every example is recorded from a real server and executed by the tests
([decision 069](decisions/069-api-reference.md)).

| | |
|---|---|
| who asks | \`Authorization: Bearer TOKEN\` but for \`/health*\` and descriptions: [who may do what](SECURITY.md) |
| errors | \`application/problem+json\` (RFC 9457); \`type\` leads to a page about the \`code\`: [errors](ERRORS.md) |
| lists | \`{"items": […]}\`; where they are long, \`limit\` and a cursor that the answer names |
| following a request | \`X-Flow-Id\` is taken, echoed and kept with every event |
`;

export function apiPage(): string {
  const operations = operationsOf(describedDocument("0"));
  const sections = TAGS.map(({ name, description }) => {
    const rows = operations
      .filter(({ operation }) => (operation["tags"] as readonly string[])[0] === name)
      .map(({ method, address, operation }) => {
        const summary = String(operation["summary"]).replaceAll("|", "\\|");
        return `| \`${method} ${address}\` | ${summary} |`;
      });
    return `\n## ${name}\n\n${description}\n\n| operation | |\n|---|---|\n${rows.join("\n")}\n`;
  });
  return INTRODUCTION.replace("{{COUNT}}", String(operations.length)) + sections.join("");
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(new URL("../../docs/API.md", import.meta.url), apiPage());
