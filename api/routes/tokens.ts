/**
 * GET, POST /v1/tokens and DELETE /v1/tokens/{id}. Nobody can hand out more than they hold: a grant in a new token
 * needs `admin` on the same resource.
 */
import type { Hono } from "hono";
import { z } from "zod";
import { mayGrant, type Grant, type Principal } from "../../core/authorize.ts";
import { MuaraError } from "../../core/errors.ts";
import { grantSchema, GRANTS_MAX, ROLE_NAME } from "../../core/role.ts";
import { createToken, type DeclaredToken } from "../../core/token.ts";
import { grantProblem } from "../../lake/query/check-grants.ts";
import { demand, isoOrNull, rolesOf, type ApiEnv, type ApiPorts } from "../context.ts";

export const tokenRequestSchema = z
  .strictObject({
    description: z.string().min(1).max(200),
    grants: z.array(grantSchema).max(GRANTS_MAX).default([]),
    /** Names of roles, whose grants it has beside its own. */
    roles: z.array(z.string().regex(ROLE_NAME)).max(20).default([]),
    /** null or absent: never. */
    expires_at: z.iso.datetime({ offset: true }).nullish(),
  })
  .refine(({ grants, roles }) => grants.length + roles.length > 0, "give grants or roles");

export const TOKENS = { kind: "token", name: "*" } as const;

export function addTokenRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  app.get("/v1/tokens", async (context) => {
    demand(context, "admin", TOKENS);
    await ports.registry.refresh();
    const declared = ports.registry.list<DeclaredToken>("token");
    return context.json({ items: declared.map(({ value }) => shown(value!)) });
  });

  app.post("/v1/tokens", async (context) => {
    demand(context, "admin", TOKENS);
    await ports.registry.refresh();
    const request = tokenRequestSchema.safeParse(await context.req.json().catch(() => null));
    if (!request.success) throw malformed(request.error.issues[0]!);
    const { description, grants, roles, expires_at: expiresAt } = request.data;
    await demandGrants(ports, context.get("principal"), grants);
    demandRoles(ports, context.get("principal"), roles);
    const expiresMs = expiresAt == null ? null : Date.parse(expiresAt);
    const { text, declared } = await createToken(description, grants, ports.clock.nowMs(), expiresMs, roles);
    await ports.registry.put("token", declared.id, 0, declared, context.get("principal").id);
    ports.logger.info("created an access", { by: context.get("principal").id, id: declared.id });
    return context.json({ ...shown(declared), token: text }, 201);
  });

  app.delete("/v1/tokens/:id", async (context) => {
    demand(context, "admin", TOKENS);
    const id = context.req.param("id");
    await ports.registry.refresh();
    const declared = ports.registry.get<DeclaredToken>("token", id);
    if (!declared) throw new MuaraError("declaration.not_found", `There is no token "${id}".`);
    await ports.registry.put("token", id, declared.revision, null, context.get("principal").id);
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
    roles: declared.roles ?? [],
    created_at: isoOrNull(declared.createdMs),
    expires_at: isoOrNull(declared.expiresMs),
  };
}

export function malformed(issue: {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}): MuaraError {
  const pointer = `/${issue.path.map(String).join("/")}`;
  return new MuaraError("request.malformed", `${pointer}: ${issue.message}`, { details: { pointer } });
}

/** @throws auth.forbidden for more than the principal may give, request.malformed for what cannot be applied */
export async function demandGrants(
  ports: ApiPorts,
  principal: Principal,
  grants: readonly Grant[],
): Promise<void> {
  for (const grant of grants) demandGrantable(principal, grant);
  const problem = await grantProblem(grants, ports.catalog, ports.query, false);
  if (!problem) return;
  const pointer = `/grants${problem.pointer}`;
  throw new MuaraError("request.malformed", `${pointer}: ${problem.reason}`, { details: { pointer } });
}

function demandRoles(ports: ApiPorts, principal: Principal, names: readonly string[]): void {
  const roles = rolesOf(ports);
  for (const [index, name] of names.entries()) {
    const role = roles.get(name);
    if (!role)
      throw new MuaraError("request.malformed", `/roles/${index}: there is no role "${name}"`, {
        details: { pointer: `/roles/${index}` },
      });
    for (const grant of role.grants) demandGrantable(principal, grant);
  }
}

function demandGrantable(principal: Principal, grant: Grant): void {
  if (mayGrant(principal, grant)) return;
  throw new MuaraError(
    "auth.forbidden",
    `${principal.id} may not grant ${grant.action} on ${grant.kind} "${grant.name}": it takes admin there.`,
  );
}
