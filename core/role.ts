/**
 * Roles: named sets of grants. A token carries names of roles beside grants of its own, and has what the roles give
 * at the moment of a request, so that changing a role changes what its tokens may at once. A role is declared in the
 * configuration or in the registry; of the same name the configuration's counts. An unknown role gives nothing.
 */
import { z } from "zod";
import type { Grant } from "./authorize.ts";
import type { Registry } from "./registry.ts";

export const ROLE_NAME: RegExp = /^[a-z][a-z0-9_-]{0,62}$/;
const COLUMNS_MAX = 1_000;
export const GRANTS_MAX = 100;

/** What makes a part of a table. */
export const scopeFields = {
  columns: z
    .array(z.string().min(1).max(255))
    .min(1)
    .max(COLUMNS_MAX)
    .optional()
    .describe("Of read on one table: only these columns exist."),
  rows: z
    .string()
    .min(1)
    .max(4_096)
    .optional()
    .describe("Of read on one table: only rows for which this SQL condition over its columns is true."),
};

export const grantSchema = z
  .strictObject({
    action: z.enum(["read", "write", "admin"]),
    kind: z.enum(["event_type", "table", "extract", "share", "capture", "token", "system", "*"]),
    name: z.string().min(1).max(255),
    ...scopeFields,
  })
  .refine(
    ({ action, kind, name, columns, rows }) =>
      (columns === undefined && rows === undefined) ||
      (action === "read" && kind === "table" && name !== "*"),
    "columns and rows belong to read on one table by name",
  );

export const roleSchema = z.strictObject({
  description: z.string().max(200).default(""),
  grants: z.array(grantSchema).max(GRANTS_MAX),
});

export interface Role {
  readonly description: string;
  readonly grants: readonly Grant[];
}

export class Roles {
  readonly #registry: Registry;
  readonly #configured: Readonly<Record<string, Role>>;

  constructor(registry: Registry, configured: Readonly<Record<string, Role>> = {}) {
    this.#registry = registry;
    this.#configured = configured;
  }

  isConfigured(name: string): boolean {
    return Object.hasOwn(this.#configured, name);
  }

  get(name: string): Role | undefined {
    if (this.isConfigured(name)) return this.#configured[name];
    return this.#registry.get<Role>("role", name)?.value ?? undefined;
  }

  /** By name. */
  list(): readonly (Role & { readonly name: string })[] {
    const declared = this.#registry.list<Role>("role").map(({ name }) => name);
    const names = [...new Set([...Object.keys(this.#configured), ...declared])].toSorted();
    return names.map((name) => ({ name, ...this.get(name)! }));
  }

  /** What the named roles give together. */
  grantsOf(names: readonly string[]): readonly Grant[] {
    return names.flatMap((name) => this.get(name)?.grants ?? []);
  }
}
