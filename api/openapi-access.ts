/** What the OpenAPI document says of tokens, roles and the newest log lines. */
import { z } from "zod";
import { roleSchema } from "../core/role.ts";
import {
  declares,
  flag,
  type Json,
  list,
  listOf,
  object,
  path,
  problem,
  query,
  read,
  send,
  text,
  time,
  whole,
} from "./openapi-parts.ts";
import { tokenRequestSchema } from "./routes/tokens.ts";

export const ACCESS_SCHEMAS: Json = {
  RoleRequest: z.toJSONSchema(roleSchema, { io: "input" }),
  Role: object({
    name: text,
    description: text,
    grants: list({ type: "object" }),
    configured: { ...flag, description: "Declared in the configuration, and changed only there." },
  }),
  TokenRequest: z.toJSONSchema(tokenRequestSchema, { io: "input" }),
  Token: object({
    id: text,
    description: text,
    grants: list({ type: "object" }),
    roles: list(text),
    created_at: time,
    expires_at: time,
  }),
  LogLine: object({ time, level: { type: "string", enum: ["info", "warn", "error"] }, message: text }),
};

export const ACCESS_PATHS: Json = {
  "/v1/tokens": {
    get: read("listTokens", "Tokens, without their secrets", listOf("Token")),
    post: send("createToken", "Create a token; its text is shown only in this answer", "TokenRequest", [
      "201",
      "The token.",
      "Token",
    ]),
  },
  "/v1/tokens/{id}": {
    delete: {
      operationId: "revokeToken",
      summary: "Revoke a token",
      parameters: [path("id")],
      responses: { "204": { description: "It is revoked." }, default: problem() },
    },
  },
  "/v1/logs": {
    get: read(
      "recentLogs",
      "The newest log lines of the process that answers, oldest first",
      listOf("LogLine"),
      [
        query("limit", whole),
        query("level", { type: "string", enum: ["info", "warn", "error"] }),
        query("job", text),
      ],
    ),
  },
  "/v1/roles": { get: read("listRoles", "Named sets of grants", listOf("Role")) },
  "/v1/roles/{name}": {
    put: declares(
      "putRole",
      "Declare a role or replace its grants; its tokens have them at once",
      "RoleRequest",
      "Role",
      [path("name")],
    ),
    delete: {
      operationId: "removeRole",
      summary: "Remove a role; its tokens lose its grants at once",
      parameters: [path("name")],
      responses: { "204": { description: "It is removed." }, default: problem() },
    },
  },
};
