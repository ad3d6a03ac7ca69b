/**
 * GET, POST /v1/shares, GET, DELETE /v1/shares/{share}, and its recipients. Whoever shares a table must be its
 * administrator, as for any grant. A recipient is a token that may read the share and does nothing else; it expires,
 * and is shown once, as the profile file that the clients of the Delta Sharing protocol take.
 */
import type { Hono } from "hono";
import { z } from "zod";
import { isAuthorized, type Grant, type Principal } from "../../core/authorize.ts";
import { MuaraError } from "../../core/errors.ts";
import {
  declaredShareSchema,
  SHARE_NAME,
  sharedTwice,
  shareOf,
  type DeclaredShare,
  type Share,
  type SharedTable,
} from "../../core/share.ts";
import { createToken, type DeclaredToken } from "../../core/token.ts";
import { grantProblem } from "../../lake/query/check-grants.ts";
import type { StoredShare } from "../../lake/share/directory.ts";
import { demand, isoOrNull, type ApiContext, type ApiEnv, type ApiPorts } from "../context.ts";
import { readBody } from "../read-body.ts";
import type { Sharing } from "../sharing.ts";
import { SHARING_PREFIX } from "./sharing.ts";

const DAY_MS = 86_400_000;
const EXPIRES_MS_MAX = 400 * DAY_MS;

export const shareRequestSchema = declaredShareSchema.extend({
  name: z.string().regex(SHARE_NAME, "1 to 100 letters, digits, _ and -"),
});
export const recipientRequestSchema = z.strictObject({
  recipient: z.string().min(1).max(100),
  /** At most 400 days from now. */
  expires_at: z.iso.datetime({ offset: true }),
});

export function addShareRoutes(app: Hono<ApiEnv>, ports: ApiPorts, sharing: Sharing): void {
  const { directory } = sharing;
  const find = (context: ApiContext): Promise<Share> =>
    directory.find(context.get("principal"), context.req.param("share")!);
  const administered = async (context: ApiContext): Promise<Share> => {
    const share = await find(context);
    demand(context, "admin", { kind: "share", name: share.name });
    return share;
  };

  app.get("/v1/shares", async (context) => {
    const shares = await directory.list(context.get("principal"));
    return context.json({ items: shares.map(shown) });
  });
  app.get("/v1/shares/:share", async (context) => {
    const share = await find(context);
    const mayAdmin = isAuthorized(context.get("principal"), "admin", { kind: "share", name: share.name });
    const recipients = mayAdmin ? recipientsOf(ports, share).map(shownRecipient) : null;
    return context.json({ ...shown(share), recipients });
  });
  app.post("/v1/shares", async (context) => {
    const { name, ...declared } = await readBody(context, shareRequestSchema);
    demand(context, "admin", { kind: "share", name });
    const share = await declare(ports, sharing, context.get("principal"), name, declared);
    ports.logger.info("declared a share", { by: context.get("principal").id, share: name });
    return context.json(shown(share), 201);
  });
  app.delete("/v1/shares/:share", async (context) => {
    const share = await administered(context);
    demandStored(share);
    const stored = ports.registry.get<StoredShare>("share", share.name.toLowerCase())!;
    // The grants first: a share declared later under this name must not open for those of this one.
    for (const token of recipientsOf(ports, share)) await withdraw(ports, token, share);
    await ports.registry.put("share", stored.name, stored.revision, null);
    ports.logger.info("revoked a share", { by: context.get("principal").id, share: share.name });
    return context.body(null, 204);
  });
  addRecipientRoutes(app, ports, sharing, administered);
}

function addRecipientRoutes(
  app: Hono<ApiEnv>,
  ports: ApiPorts,
  sharing: Sharing,
  administered: (context: ApiContext) => Promise<Share>,
): void {
  app.post("/v1/shares/:share/recipients", async (context) => {
    const share = await administered(context);
    const { recipient, expires_at: expiresAt } = await readBody(context, recipientRequestSchema);
    const [nowMs, expiresMs] = [ports.clock.nowMs(), Date.parse(expiresAt)];
    if (expiresMs <= nowMs || expiresMs > nowMs + EXPIRES_MS_MAX)
      throw new MuaraError("request.malformed", "/expires_at: a time within the next 400 days", {
        details: { pointer: "/expires_at" },
      });
    const grants: readonly Grant[] = [{ action: "read", kind: "share", name: share.name }];
    const { text, declared } = await createToken(recipient, grants, nowMs, expiresMs);
    await ports.registry.put("token", declared.id, 0, declared);
    const by = context.get("principal").id;
    ports.logger.info("created an access to a share", { by, share: share.name, id: declared.id });
    const origin = (sharing.options.endpoint ?? new URL(context.req.url).origin).replace(/\/+$/, "");
    const profile = {
      shareCredentialsVersion: 1,
      endpoint: `${origin}${SHARING_PREFIX}`,
      bearerToken: text,
      expirationTime: new Date(expiresMs).toISOString(),
    };
    return context.json({ share: share.name, ...shownRecipient(declared), profile }, 201);
  });
  app.delete("/v1/shares/:share/recipients/:id", async (context) => {
    const share = await administered(context);
    const id = context.req.param("id");
    const token = recipientsOf(ports, share).find((one) => one.id === id);
    if (!token) throw new MuaraError("declaration.not_found", `The share has no recipient "${id}".`);
    await withdraw(ports, token, share);
    const by = context.get("principal").id;
    ports.logger.info("revoked an access to a share", { by, share: share.name, id });
    return context.body(null, 204);
  });
}

/** @throws share.invalid, declaration.conflict, auth.forbidden, table.not_found */
async function declare(
  ports: ApiPorts,
  { directory }: Sharing,
  principal: Principal,
  name: string,
  declared: DeclaredShare,
): Promise<Share> {
  await ports.registry.refresh();
  if (directory.get(name))
    throw new MuaraError("declaration.conflict", `There is a share "${name}" already.`);
  const share = shareOf(name, declared, "registry");
  const twice = sharedTwice(share);
  if (twice)
    throw new MuaraError("share.invalid", `Two tables would be called ${twice[0].schema}.${twice[0].name}.`);
  const tables = await ports.catalog.list();
  for (const { table } of share.tables) {
    if (!isAuthorized(principal, "admin", { kind: "table", name: table }))
      throw new MuaraError(
        "auth.forbidden",
        `${principal.id} may not share "${table}": it takes admin there.`,
      );
    if (!tables.some((one) => one.name === table))
      throw new MuaraError("table.not_found", `There is no table "${table}".`, { details: { table } });
  }
  await demandScopes(ports, share);
  const stored: StoredShare = { name, share: declared, by: principal.id, createdMs: ports.clock.nowMs() };
  await ports.registry.put("share", name.toLowerCase(), 0, stored);
  return share;
}

/** @throws share.invalid for columns that a table has not, and conditions that are not taken */
async function demandScopes({ catalog, query }: ApiPorts, { tables }: Share): Promise<void> {
  for (const { table, scope } of tables) {
    if (!scope) continue;
    const grant: Grant = { action: "read", kind: "table", name: table, ...scope };
    const problem = await grantProblem([grant], catalog, query, false);
    if (problem)
      throw new MuaraError("share.invalid", `The part of "${table}": ${problem.reason}.`, {
        details: { table, pointer: `/tables/${table}/${problem.pointer.split("/").at(-1)!}` },
      });
  }
}

/** Tokens that name the share. */
function recipientsOf(ports: ApiPorts, share: Share): readonly DeclaredToken[] {
  return ports.registry
    .list<DeclaredToken>("token")
    .map(({ value }) => value!)
    .filter(({ grants }) => grants.some((grant) => isOf(grant, share)));
}

function isOf(grant: Grant, share: Share): boolean {
  return grant.kind === "share" && grant.name === share.name;
}

/** Takes the share from a token; one that has nothing else ends. */
async function withdraw(ports: ApiPorts, token: DeclaredToken, share: Share): Promise<void> {
  const grants = token.grants.filter((grant) => !isOf(grant, share));
  const { revision } = ports.registry.get("token", token.id)!;
  await ports.registry.put("token", token.id, revision, grants.length === 0 ? null : { ...token, grants });
}

function demandStored({ name, origin }: Share): void {
  if (origin === "registry") return;
  throw new MuaraError("share.fixed", `The share "${name}" is declared in the configuration.`);
}

function shown({ name, description, origin, tables }: Share): Readonly<Record<string, unknown>> {
  return {
    name,
    description,
    origin,
    tables: tables.map((one) => ({
      table: one.table,
      as: `${one.schema}.${one.name}`,
      history: one.hasHistory,
      part: partText(one),
    })),
  };
}

/** null for the whole table. */
function partText({ scope, isGranted }: SharedTable): string | null {
  if (isGranted) return "as granted";
  if (!scope) return null;
  const { columns, rows } = scope;
  return [columns && `columns ${columns.join(", ")}`, rows === undefined ? undefined : `rows ${rows}`]
    .filter((text) => text !== undefined)
    .join("; ");
}

/** Never the hash. */
function shownRecipient({ id, description, createdMs, expiresMs }: DeclaredToken): Record<string, unknown> {
  return { id, recipient: description, created_at: isoOrNull(createdMs), expires_at: isoOrNull(expiresMs) };
}
