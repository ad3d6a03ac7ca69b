/** Examples of commands about what is in the lake, and what did not get there. */

export const LAKE_EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  "event-type list": ["event-type list", "event-type list -o json"],
  "event-type show": ["event-type show ORDER_CREATED", "event-type show ORDER_CREATED -o json > order.json"],
  "event-type versions": ["event-type versions ORDER_CREATED", "event-type versions ORDER_CREATED -o jsonl"],
  "event-type set": ["event-type set order.json", "event-type set order.json --dry-run"],
  "table list": ["table list", "table list --wide"],
  "table show": ["table show ORDER_CREATED", "table show ORDER_CREATED -o json"],
  "table partitions": ["table partitions ORDER_CREATED", "table partitions ORDER_CREATED --log"],
  "table lineage": ["table lineage ORDER_CREATED", "table lineage ORDER_CREATED -o json"],
  "table history": ["table history ORDER_CREATED", "table history ORDER_CREATED -n 5 --wide"],
  "table diff": ["table diff ORDER_CREATED", "table diff ORDER_CREATED 12 40"],
  "table verify": ["table verify ORDER_CREATED", "table verify ORDER_CREATED --deep"],
  "table compact": ["table compact ORDER_CREATED", "table compact ORDER_CREATED -o json"],
  "table pause": ["table pause ORDER_CREATED", "table pause ORDER_CREATED --for 30m"],
  "table resume": ["table resume ORDER_CREATED", "table resume ORDER_CREATED -o json"],
  "table expire": [
    "table expire ORDER_CREATED --dry-run",
    "table expire ORDER_CREATED --before 2026-01-01T00:00:00Z --yes",
  ],
  "table rollback": [
    "table rollback ORDER_CREATED --to 41 --dry-run",
    "table rollback ORDER_CREATED --to 41 --yes",
  ],
  "table sweep": ["table sweep ORDER_CREATED --dry-run", "table sweep ORDER_CREATED --yes"],
  "table iceberg": ["table iceberg ORDER_CREATED", "table iceberg ORDER_CREATED --drop"],
  verify: ["verify", "verify ORDER_CREATED --deep"],
  books: ["books", "books ORDER_CREATED --by hour", "books --check"],
  erase: [
    "erase ORDER_CREATED --where customer.email=someone@example.com --reason 'asked for it' --dry-run",
    "erase ORDER_CREATED PARCEL_SHIPPED --where customer_id=17 --json --reason 'asked for it' --yes",
  ],
  "dead-letters list": [
    "dead-letters list",
    "dead-letters list --type ORDER_CREATED --reason event.schema --since 2h",
  ],
  "dead-letters groups": ["dead-letters groups", "dead-letters groups --state open --since 1d"],
  "dead-letters show": [
    "dead-letters show 7d1c0c52-0000-4000-8000-000000000001",
    "dead-letters show 7d1c0c52-0000-4000-8000-000000000001 -o json",
  ],
  "dead-letters replay": [
    "dead-letters replay --type ORDER_CREATED --dry-run",
    "dead-letters replay 7d1c0c52-0000-4000-8000-000000000001 --set /number=12",
    "dead-letters replay --all",
  ],
  "duplicates list": ["duplicates list", "duplicates list --verdict different --since 1d"],
  "duplicates show": [
    "duplicates show 7d1c0c52-0000-4000-8000-000000000002",
    "duplicates show 7d1c0c52-0000-4000-8000-000000000002 -o json",
  ],
};
