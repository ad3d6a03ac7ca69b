/**
 * GET /v1/roles, PUT and DELETE /v1/roles/{name}: named sets of grants that tokens carry. A change counts at once for
 * all of them, so it takes what handing out a token with these grants takes.
 */
import type { Hono } from "hono";
import { MuaraError } from "../../core/errors.ts";
import { ROLE_NAME, roleSchema, type Role } from "../../core/role.ts";
import { demand, rolesOf, type ApiEnv, type ApiPorts } from "../context.ts";
import { demandGrants, malformed, TOKENS } from "./tokens.ts";

export function addRoleRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  const roles = rolesOf(ports);

  app.get("/v1/roles", async (context) => {
    demand(context, "admin", TOKENS);
    await ports.registry.refresh();
    const items = roles.list().map((role) => ({ ...role, configured: roles.isConfigured(role.name) }));
    return context.json({ items });
  });

  app.put("/v1/roles/:name", async (context) => {
    demand(context, "admin", TOKENS);
    const name = context.req.param("name");
    if (!ROLE_NAME.test(name))
      throw new MuaraError("request.malformed", "A role's name has a-z, 0-9, - and _, 63 at most.");
    refuseConfigured(name);
    const request = roleSchema.safeParse(await context.req.json().catch(() => null));
    if (!request.success) throw malformed(request.error.issues[0]!);
    await demandGrants(ports, context.get("principal"), request.data.grants);
    await ports.registry.refresh();
    const before = ports.registry.get<Role>("role", name);
    const by = context.get("principal").id;
    await ports.registry.put<Role>("role", name, before?.revision ?? 0, request.data, by);
    ports.logger.info("declared a role", { by: context.get("principal").id, name });
    return context.json({ name, ...request.data, configured: false }, before ? 200 : 201);
  });

  app.delete("/v1/roles/:name", async (context) => {
    demand(context, "admin", TOKENS);
    const name = context.req.param("name");
    refuseConfigured(name);
    await ports.registry.refresh();
    const declared = ports.registry.get<Role>("role", name);
    if (!declared) throw new MuaraError("declaration.not_found", `There is no role "${name.slice(0, 100)}".`);
    await ports.registry.put("role", name, declared.revision, null, context.get("principal").id);
    ports.logger.info("removed a role", { by: context.get("principal").id, name });
    return context.body(null, 204);
  });

  function refuseConfigured(name: string): void {
    if (roles.isConfigured(name))
      throw new MuaraError("declaration.conflict", `The role "${name}" is declared in the configuration.`);
  }
}
