/** What the OpenAPI document says of shares: their management, and the Delta Sharing protocol itself. */
import { z } from "zod";
import {
  type Json,
  drop,
  list,
  object,
  path,
  problem,
  query,
  reference,
  text,
  whole,
} from "./openapi-parts.ts";
import { recipientRequestSchema, shareRequestSchema } from "./routes/shares.ts";

const time = { type: "string", format: "date-time" };
const NDJSON = { "application/x-ndjson": { schema: text } };
const IN_TABLE = ["share", "schema", "table"];
const TABLE = "/delta-sharing/shares/{share}/schemas/{schema}/tables/{table}";

const share = object({
  name: text,
  description: text,
  origin: { enum: ["config", "registry"] },
  tables: list(
    object({
      table: text,
      as: { ...text, description: "SCHEMA.TABLE, as recipients see it." },
      history: { type: "boolean" },
      part: { type: ["string", "null"], description: "What of it is shared; null: all of it." },
    }),
  ),
  recipients: {
    ...list(reference("Recipient")),
    type: ["array", "null"],
    description: "Of one share, for administrators.",
  },
});

export const SHARE_SCHEMAS: Json = {
  ShareRequest: z.toJSONSchema(shareRequestSchema, { io: "input" }),
  Share: share,
  RecipientRequest: z.toJSONSchema(recipientRequestSchema, { io: "input" }),
  Recipient: object({ id: text, recipient: text, created_at: time, expires_at: time }),
  SharingError: object({ errorCode: text, message: text, code: text, hint: text, request_id: text }),
};

export const SHARE_PATHS: Json = {
  "/v1/shares": {
    get: answered(
      "listShares",
      "Shares that the token may read",
      object({ items: list(reference("Share")) }),
    ),
    post: {
      ...answered("createShare", "Share tables; takes admin on each of them", reference("Share"), [], "201"),
      requestBody: { required: true, content: json(reference("ShareRequest")) },
    },
  },
  "/v1/shares/{share}": {
    get: answered("showShare", "Tables, and for administrators recipients, of a share", reference("Share"), [
      "share",
    ]),
    delete: drop("revokeShare", "End a share for everybody, at once", [path("share")]),
  },
  "/v1/shares/{share}/recipients": {
    post: {
      ...answered(
        "addRecipient",
        "Let somebody read a share; the profile is shown only in this answer",
        object({ share: text, id: text, recipient: text, expires_at: time, profile: { type: "object" } }),
        ["share"],
        "201",
      ),
      requestBody: { required: true, content: json(reference("RecipientRequest")) },
    },
  },
  "/v1/shares/{share}/recipients/{id}": {
    delete: drop("revokeRecipient", "End a share for one recipient, at once", [path("share"), path("id")]),
  },
  "/delta-sharing/shares": { get: paged("sharingListShares", "Delta Sharing: shares", []) },
  "/delta-sharing/shares/{share}": {
    get: shared("sharingShowShare", "Delta Sharing: one share", ["share"], json({ type: "object" })),
  },
  "/delta-sharing/shares/{share}/schemas": {
    get: paged("sharingListSchemas", "Delta Sharing: schemas of a share", ["share"]),
  },
  "/delta-sharing/shares/{share}/schemas/{schema}/tables": {
    get: paged("sharingListTables", "Delta Sharing: tables of a schema", ["share", "schema"]),
  },
  "/delta-sharing/shares/{share}/all-tables": {
    get: paged("sharingListAllTables", "Delta Sharing: tables of a share", ["share"]),
  },
  [TABLE]: { get: versionOf("sharingVersion", "Delta Sharing: newest version, the older way (HEAD)") },
  [`${TABLE}/version`]: {
    get: versionOf(
      "sharingTableVersion",
      "Delta Sharing: newest version, in the header delta-table-version",
      [query("startingTimestamp", time)],
    ),
  },
  [`${TABLE}/metadata`]: { get: ofTable("sharingMetadata", "Delta Sharing: schema and properties") },
  [`${TABLE}/query`]: {
    post: {
      ...ofTable("sharingQuery", "Delta Sharing: files of a version, or changes since one"),
      requestBody: { content: json({ type: "object" }) },
    },
  },
  [`${TABLE}/changes`]: {
    get: ofTable("sharingChanges", "Delta Sharing: what versions added and removed", [
      query("startingVersion", whole),
      query("endingVersion", whole),
      query("startingTimestamp", time),
      query("endingTimestamp", time),
      query("includeHistoricalMetadata", { type: "boolean" }),
    ]),
  },
  "/delta-sharing/files/{share}/{schema}/{table}/{version}/{file}": {
    get: {
      ...shared("sharingFile", "A file, by a signed address from an answer; Range and HEAD", [
        "share",
        "schema",
        "table",
        "version",
        "file",
      ]),
      parameters: [
        ...IN_TABLE.map(path),
        path("version"),
        path("file"),
        query("for", text),
        query("expires", whole),
        query("X-Amz-Signature", text),
      ],
      security: [],
    },
  },
};

function answered(
  operationId: string,
  summary: string,
  schema: Json,
  inPath: readonly string[] = [],
  status = "200",
): Json {
  const responses = { [status]: { description: "Done.", content: json(schema) }, default: problem() };
  return { operationId, summary, parameters: inPath.map(path), responses };
}

/** An answer in the protocol's forms. */
function shared(operationId: string, summary: string, inPath: readonly string[], content?: Json): Json {
  const failed = { description: "In the protocol's form.", content: json(reference("SharingError")) };
  const responses = { "200": { description: "Found.", ...(content ? { content } : {}) }, default: failed };
  return { operationId, summary, parameters: inPath.map(path), responses };
}

function paged(operationId: string, summary: string, inPath: readonly string[]): Json {
  const page = json(object({ items: list({ type: "object" }), nextPageToken: text }));
  const found = shared(operationId, summary, inPath, page);
  const parameters = [...inPath.map(path), query("maxResults", whole), query("pageToken", text)];
  return { ...found, parameters };
}

function ofTable(operationId: string, summary: string, queries: readonly Json[] = []): Json {
  return {
    ...shared(operationId, summary, IN_TABLE, NDJSON),
    parameters: [...IN_TABLE.map(path), ...queries],
  };
}

/** The version is a header; there is no body. */
function versionOf(operationId: string, summary: string, queries: readonly Json[] = []): Json {
  const { responses, ...found } = shared(operationId, summary, IN_TABLE);
  const headers = { "delta-table-version": { required: true, schema: whole } };
  return {
    ...found,
    parameters: [...IN_TABLE.map(path), ...queries],
    responses: { ...(responses as Json), "200": { description: "Found.", headers } },
  };
}

function json(schema: Json): Json {
  return { "application/json": { schema } };
}
