/** Examples of handing over: extracts, shares, tokens and roles; and what ends an event type. */
import type { Step } from "./step.ts";
import { pick, some } from "./pick.ts";

const FEED = { feed: "orders_hourly_extract" };
const VERSION = { ...FEED, version: "1" };
const SHARE = { share: "partners" };
const SHARED = { ...SHARE, schema: "shop", table: "orders" };

export const ACCESS_STEPS: readonly Step[] = [
  { id: "makeExtract", path: FEED, until: (answer) => pick(answer, "complete_through") !== null },
  { id: "listFeeds" },
  { id: "showFeed", path: FEED },
  { id: "extractVersions", path: FEED, query: { since: "0" }, until: some },
  { id: "extractManifest", path: VERSION, keep: { FILE: "files.0.id", ROWS: "rows" } },
  { id: "extractFile", path: { ...VERSION, id: "{{FILE}}" } },
  { id: "listFetches", path: FEED, query: { limit: "5" } },
  { id: "extractDdl", path: VERSION, query: { target: "snowflake" } },
  { id: "extractLoad", path: VERSION, query: { target: "oracle", table: "ORDERS_HOURLY" } },
  { id: "extractContract", path: FEED },
  { id: "sendReceipt", path: VERSION, body: { rows: "{{#ROWS}}" } },
  { id: "listReceipts", path: FEED, until: some },
  {
    id: "createShare",
    body: { name: "partners", tables: { "order.created": { as: "shop.orders", history: true } } },
  },
  { id: "listShares", until: some },
  {
    id: "addRecipient",
    path: SHARE,
    body: { recipient: "finance", expires_at: "{{IN_90_DAYS}}" },
    keep: { RECIPIENT: "id", SECRET: "profile.bearerToken" },
  },
  { id: "showShare", path: SHARE },
  { id: "sharingListShares" },
  { id: "sharingShowShare", path: SHARE },
  { id: "sharingListSchemas", path: SHARE },
  { id: "sharingListTables", path: { ...SHARE, schema: "shop" } },
  { id: "sharingListAllTables", path: SHARE },
  { id: "sharingVersion", path: SHARED },
  { id: "sharingTableVersion", path: SHARED },
  { id: "sharingMetadata", path: SHARED },
  { id: "sharingQuery", path: SHARED, body: { limitHint: 1_000 } },
  {
    id: "sharingChanges",
    path: SHARED,
    query: { startingVersion: "{{VERSION}}" },
    before: (world) => world.newestVersion("order.created"),
  },
  {
    id: "sharingFile",
    path: { ...SHARED, version: "{{FILE_VERSION}}", file: "{{FILE_NAME}}" },
    query: { for: "{{FILE_FOR}}", expires: "{{FILE_EXPIRES}}", "X-Amz-Signature": "{{FILE_SIGNATURE}}" },
    before: (world) => world.signedFile(),
  },
  { id: "revokeRecipient", path: { ...SHARE, id: "{{RECIPIENT}}" } },
  { id: "revokeShare", path: SHARE },
  {
    id: "putRole",
    path: { name: "analyst" },
    body: {
      description: "Reads the shop's tables",
      grants: [{ action: "read", kind: "table", name: "order.created" }],
    },
  },
  { id: "listRoles", until: some },
  { id: "showSystem" },
  { id: "listConfig" },
  {
    id: "createToken",
    body: { description: "notebook of the analysts", roles: ["analyst"] },
    keep: { TOKEN_ID: "id", TOKEN_TEXT: "token" },
  },
  { id: "listTokens", until: some },
  { id: "revokeToken", path: { id: "{{TOKEN_ID}}" } },
  { id: "removeRole", path: { name: "analyst" } },
  { id: "deleteEventType", path: { name: "shop.parcel" } },
];
