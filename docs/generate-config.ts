/**
 * Writes docs/CONFIG.md from the schema in core/config.ts: `npx node docs/generate-config.ts`. A test compares the
 * two, so the page cannot fall behind.
 */
import { writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { resolveConfig } from "../core/config.ts";

const INTRODUCTION = `# Configuration

Written by \`docs/generate-config.ts\` from \`core/config.ts\`; do not edit.

Values come from the defaults, then a configuration file (\`muara.config.ts\`, or the one that \`--config\`
names), then environment variables, then flags; the later one wins. An unknown key or variable is an error.
\`muara config show\` prints every value with its origin, \`muara config check\` only checks.

| key | variable | default | what it is |
|---|---|---|---|
`;

/** The whole page. */
export function configPage(): string {
  const rows = resolveConfig({ environment: {} }).entries.map(({ path, variable, value, description }) => {
    const shown = value === undefined ? "" : `\`${JSON.stringify(value).replaceAll('"', "")}\``;
    return `| \`${path.join(".")}\` | \`${variable}\` | ${shown} | ${description.replaceAll("|", "\\|")} |\n`;
  });
  return INTRODUCTION + rows.join("");
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(new URL("CONFIG.md", import.meta.url), configPage());
