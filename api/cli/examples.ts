/**
 * What help leads with: two examples or more of every command that does something, without the word `muara`. A test
 * parses each of them with the real program, so none has an option that does not exist.
 */
import { BUSINESS_EXAMPLES } from "./examples-business.ts";
import { EDGE_EXAMPLES } from "./examples-edge.ts";
import { LAKE_EXAMPLES } from "./examples-lake.ts";

/** Command (`table show`; empty: the program) → its examples. */
export const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  "": ["demo", 'sql "SELECT * FROM books LIMIT 5"', "help table show"],
  init: ["init", "init shop --type SALE --port 9000"],
  demo: ["demo", "demo --fresh --seed 42", "demo --exit-after 60s -o json"],
  dev: ["dev", "dev --port 9000 --data /var/lib/muara"],
  start: ["start", "start ingest api --log kafka://localhost:9092/shop. --lake s3://lake/shop"],
  health: ["health", "health --wait 60s", "health --watch -o jsonl"],
  doctor: ["doctor", "doctor --bundle muara.zip"],
  send: ["send ORDER_CREATED orders.ndjson", "send ORDER_CREATED - --batch 100", "send --ce events.json"],
  tail: [
    "tail ORDER_CREATED",
    "tail ORDER_CREATED -n 5 --since 10m",
    "tail ORDER_CREATED --where \"country = 'DE'\"",
  ],
  trace: [
    "trace 08216091-9bfa-484e-b0db-1b00eb91027c",
    "trace 08216091-9bfa-484e-b0db-1b00eb91027c --type ORDER_CREATED -o json",
  ],
  sql: [
    "sql",
    'sql "SELECT count(*) FROM ORDER_CREATED"',
    "sql -f report.sql --at 2026-11-20T00:00:00Z -o csv",
  ],
  ...LAKE_EXAMPLES,
  ...BUSINESS_EXAMPLES,
  ...EDGE_EXAMPLES,
  "token create": [
    "token create --grant read:table:*",
    "token create --grant write:event_type:ORDER_CREATED --expires 30d",
  ],
  "token list": ["token list", "token list --wide"],
  "token revoke": ["token revoke 3f9c1a --yes", "token revoke 3f9c1a"],
  "role set": [
    "role set analyst --grant read:table:*",
    "role set analyst --grants grants.json --description 'reads everything'",
  ],
  "role list": ["role list", "role list -o json"],
  "role remove": ["role remove analyst", "role remove analyst --yes"],
  "audit verify": ["audit verify", "audit verify --page 10000"],
  "config show": ["config show", "config show --config muara.config.ts -o json"],
  "config check": ["config check", "config check --config production.config.ts"],
  "config docs": ["config docs", "config docs -o csv"],
  "backup create": ["backup create ../backups/monday --data ./data", "backup create s3://backups/monday"],
  "backup verify": ["backup verify ../backups/monday", "backup verify s3://backups/monday -o json"],
  "backup restore": [
    "backup restore ../backups/monday --data ./restored",
    "backup restore s3://backups/monday --data ./restored --lake s3://lake/shop",
  ],
  complete: ["complete bash > ~/.local/share/bash-completion/completions/muara", "complete zsh"],
  help: ["help table", "help --json"],
};
