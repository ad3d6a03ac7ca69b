/** Examples of commands about what comes in from databases and goes out to others. */

export const EDGE_EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  "capture check": ["capture check --database shop --table public.orders", "capture check shop"],
  "capture add": [
    "capture add shop --database shop --table public.orders",
    "capture add shop --database shop --table public.orders=ORDER_CHANGED --no-copy",
  ],
  "capture list": ["capture list", "capture list -o json"],
  "capture show": ["capture show shop", "capture show shop -o json"],
  "capture pause": ["capture pause shop", "capture pause shop -o json"],
  "capture resume": ["capture resume shop", "capture resume shop -o json"],
  "capture recopy": ["capture recopy shop --table public.orders", "capture recopy shop --yes"],
  "capture reconcile": ["capture reconcile shop", "capture reconcile shop --table public.orders --wait 60"],
  "capture remove": ["capture remove shop", "capture remove shop --keep-slot --yes"],
  "deliver create": [
    "deliver create hook ORDER_CREATED --to https://example.com/orders",
    "deliver create ods ORDER_CREATED --postgres shop --into public.orders --mode append",
  ],
  "deliver list": ["deliver list", "deliver list -o json"],
  "deliver show": ["deliver show hook", "deliver show hook -o json"],
  "deliver pause": ["deliver pause hook", "deliver pause hook -o json"],
  "deliver resume": ["deliver resume hook", "deliver resume hook -o json"],
  "deliver kibana": ["deliver kibana search > objects.ndjson", "deliver kibana search"],
  "deliver dead-letters": ["deliver dead-letters hook", "deliver dead-letters hook --limit 5 -o json"],
  "deliver delete": ["deliver delete hook", "deliver delete hook --yes"],
  "extract list": ["extract list", "extract list -o json"],
  "extract show": ["extract show orders_daily", "extract show orders_daily --since 410 -n 5"],
  "extract status": ["extract status orders_daily", "extract status orders_daily -o json"],
  "extract get": ["extract get orders_daily --to ./out", "extract get orders_daily --to ./out --presigned"],
  "extract verify": [
    "extract verify orders_daily --to ./out",
    "extract verify orders_daily --to ./out -o json",
  ],
  "extract fetches": ["extract fetches orders_daily", "extract fetches orders_daily -n 3 -o json"],
  "extract make": ["extract make orders_daily", "extract build orders_daily -o json"],
  "extract ddl": [
    "extract ddl orders_daily --target oracle",
    "extract ddl orders_daily --target snowflake --table RAW.ORDERS",
  ],
  "extract load": [
    "extract load orders_daily --target bigquery --base gs://bucket/folder",
    "extract load orders_daily --target redshift --of 412",
  ],
  "extract reconcile": [
    "extract reconcile orders_daily --of 412 --rows 18231",
    "extract reconcile orders_daily --of 412 --rows 18231 --total amount=912338.10",
  ],
  "extract contract": [
    "extract contract orders_daily",
    "extract contract orders_daily > orders_daily.odcs.yaml",
  ],
  "share create": [
    "share create sales --table orders=shop.orders",
    "share create sales --table orders=shop.orders --history --description 'for the auditors'",
  ],
  "share list": ["share list", "share list -o json"],
  "share show": ["share show sales", "share show sales -o json"],
  "share recipient": [
    "share recipient sales auditor --expires 30d --to auditor.share",
    "share profile sales auditor",
  ],
  "share revoke": ["share revoke sales --recipient 3f9c1a", "share revoke sales --yes"],
};
