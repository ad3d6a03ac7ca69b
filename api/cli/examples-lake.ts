/** Examples of commands about what is in the lake, and what did not get there. */

export const LAKE_EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  "event-type list": ["event-type list", "event-type list -o json"],
  "event-type show": ["event-type show ORDER_PLACED", "event-type show ORDER_PLACED -o json > order.json"],
  "event-type versions": ["event-type versions ORDER_PLACED", "event-type versions ORDER_PLACED -o jsonl"],
  "event-type set": ["event-type set order.json", "event-type set order.json --dry-run"],
  "table list": ["table list", "table list --wide"],
  "table show": ["table show ORDER_PLACED", "table show ORDER_PLACED -o json"],
  "table partitions": ["table partitions ORDER_PLACED", "table partitions ORDER_PLACED --log"],
  "table lineage": ["table lineage ORDER_PLACED", "table lineage ORDER_PLACED -o json"],
  "table history": ["table history ORDER_PLACED", "table history ORDER_PLACED -n 5 --wide"],
  "table diff": ["table diff ORDER_PLACED", "table diff ORDER_PLACED 12 40"],
  "table verify": ["table verify ORDER_PLACED", "table verify ORDER_PLACED --deep"],
  "table compact": ["table compact ORDER_PLACED", "table compact ORDER_PLACED -o json"],
  "table pause": ["table pause ORDER_PLACED", "table pause ORDER_PLACED --for 30m"],
  "table resume": ["table resume ORDER_PLACED", "table resume ORDER_PLACED -o json"],
  "table expire": [
    "table expire ORDER_PLACED --dry-run",
    "table expire ORDER_PLACED --before 2026-01-01T00:00:00Z --yes",
  ],
  "table rollback": [
    "table rollback ORDER_PLACED --to 41 --dry-run",
    "table rollback ORDER_PLACED --to 41 --yes",
  ],
  "table sweep": ["table sweep ORDER_PLACED --dry-run", "table sweep ORDER_PLACED --yes"],
  "table iceberg": ["table iceberg ORDER_PLACED", "table iceberg ORDER_PLACED --drop"],
  verify: ["verify", "verify ORDER_PLACED --deep"],
  books: ["books", "books ORDER_PLACED --by hour", "books --check"],
  erase: [
    "erase ORDER_PLACED --where customer.email=someone@example.com --reason 'asked for it' --dry-run",
    "erase ORDER_PLACED PARCEL_SHIPPED --where customer_id=17 --json --reason 'asked for it' --yes",
  ],
  "dead-letters list": [
    "dead-letters list",
    "dead-letters list --type ORDER_PLACED --reason event.schema --since 2h",
  ],
  "dead-letters groups": ["dead-letters groups", "dead-letters groups --state open --since 1d"],
  "dead-letters show": [
    "dead-letters show 7d1c0c52-0000-4000-8000-000000000001",
    "dead-letters show 7d1c0c52-0000-4000-8000-000000000001 -o json",
  ],
  "dead-letters replay": [
    "dead-letters replay --type ORDER_PLACED --dry-run",
    "dead-letters replay 7d1c0c52-0000-4000-8000-000000000001 --set /number=12",
    "dead-letters replay --all",
  ],
  "duplicates list": ["duplicates list", "duplicates list --verdict different --since 1d"],
  "duplicates show": [
    "duplicates show 7d1c0c52-0000-4000-8000-000000000002",
    "duplicates show 7d1c0c52-0000-4000-8000-000000000002 -o json",
  ],
};
