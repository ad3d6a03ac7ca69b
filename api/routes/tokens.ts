/**
 * GET, POST /v1/tokens and DELETE /v1/tokens/{id}. Nobody can hand out more than they hold: a grant in a new token
 * needs `admin` on the same resource.
 */
import type { Hono } from "hono";
import { z } from "zod";
import { mayGrant, type Grant, type Principal } from "../../core/authorize.ts";
import { MuaraError } from "../../core/errors.ts";
import { createToken, type DeclaredToken } from "../../core/token.ts";
import { demand, isoOrNull, type ApiEnv, type ApiPorts } from "../context.ts";

const grantSchema = z.strictObject({
  action: z.enum(["read", "write", "admin"]),
  kind: z.enum(["event_type", "table", "extract", "share", "token", "system", "*"]),
  name: z.string().min(1).max(255),
});
export const tokenRequestSchema = z.strictObject({
  description: z.string().min(1).max(200),
  grants: z.array(grantSchema).min(1).max(100),
  /** null or absent: never. */
  expires_at: z.iso.datetime({ offset: true }).nullish(),
});

const TOKENS = { kind: "token", name: "*" } as const;

export function addTokenRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  app.get("/v1/tokens", async (context) => {
    demand(context, "admin", TOKENS);
    await ports.registry.refresh();
    const declared = ports.registry.list<DeclaredToken>("token");
    return context.json({ items: declared.map(({ value }) => shown(value!)) });
  });

  app.post("/v1/tokens", async (context) => {
    demand(context, "admin", TOKENS);
    const request = tokenRequestSchema.safeParse(await context.req.json().catch(() => null));
    if (!request.success) {
      const issue = request.error.issues[0]!;
      const pointer = `/${issue.path.map(String).join("/")}`;
      throw new MuaraError("request.malformed", `${pointer}: ${issue.message}`, { details: { pointer } });
    }
    const { description, grants, expires_at: expiresAt } = request.data;
    for (const grant of grants) demandGrantable(context.get("principal"), grant);
    const expiresMs = expiresAt == null ? null : Date.parse(expiresAt);
    const { text, declared } = await createToken(description, grants, ports.clock.nowMs(), expiresMs);
    await ports.registry.put("token", declared.id, 0, declared);
    ports.logger.info("created an access", { by: context.get("principal").id, id: declared.id });
    return context.json({ ...shown(declared), token: text }, 201);
  });

  app.delete("/v1/tokens/:id", async (context) => {
    demand(context, "admin", TOKENS);
    const id = context.req.param("id");
    await ports.registry.refresh();
    const declared = ports.registry.get<DeclaredToken>("token", id);
    if (!declared) throw new MuaraError("declaration.not_found", `There is no token "${id}".`);
    await ports.registry.put("token", id, declared.revision, null);
    ports.logger.info("revoked an access", { by: context.get("principal").id, id });
    return context.body(null, 204);
  });
}

/** Never the hash. */
function shown(declared: DeclaredToken): Record<string, unknown> {
  return {
    id: declared.id,
    description: declared.description,
    grants: declared.grants,
    created_at: isoOrNull(declared.createdMs),
    expires_at: isoOrNull(declared.expiresMs),
  };
}

function demandGrantable(principal: Principal, grant: Grant): void {
  if (mayGrant(principal, grant)) return;
  throw new MuaraError(
    "auth.forbidden",
    `${principal.id} may not grant ${grant.action} on ${grant.kind} "${grant.name}": it takes admin there.`,
  );
}
