/**
 * What is shared with whom: the shares of the configuration and those declared at run time, as one principal sees
 * them. What one may not read does not exist: the answer is the same for both. Of two shares with one name that of the
 * configuration counts, and none can be declared beside it.
 */
import { isAuthorized, readRight, type Principal } from "../../core/authorize.ts";
import { MuaraError } from "../../core/errors.ts";
import type { Registry } from "../../core/registry.ts";
import {
  compareNames,
  isSameName,
  shareOf,
  sharedTwice,
  type DeclaredShare,
  type Share,
  type SharedTable,
} from "../../core/share.ts";

/** A share declared at run time, as the registry keeps it under its name in lower case. */
export interface StoredShare {
  readonly name: string;
  readonly share: DeclaredShare;
  /** The token that declared it. */
  readonly by: string;
  readonly createdMs: number;
}

export interface ShareDirectory {
  /** The shares that the principal may read, by name. */
  list(principal: Principal): Promise<readonly Share[]>;
  /** @throws share.not_found */
  find(principal: Principal, name: string): Promise<Share>;
  /** @throws share.not_found */
  table(principal: Principal, share: string, schema: string, name: string): Promise<SharedTable>;
  /** Whoever may read it. */
  get(name: string): Share | undefined;
}

/**
 * @param configured shares of the configuration
 * @throws config.invalid where two of them, or two tables of one, have the same name
 */
export function createShareDirectory(
  registry: Registry,
  configured: Readonly<Record<string, DeclaredShare>>,
): ShareDirectory {
  const fixed = configuredShares(configured);
  const get = (name: string): Share | undefined => {
    const stored = registry.get<StoredShare>("share", name.toLowerCase())?.value;
    return (
      fixed.find((share) => isSameName(share.name, name)) ??
      (stored ? shareOf(stored.name, stored.share, "registry") : undefined)
    );
  };
  const find = async (principal: Principal, name: string): Promise<Share> => {
    await registry.refresh();
    const share = get(name);
    if (share && mayRead(principal, share)) return share;
    throw new MuaraError("share.not_found", `There is no share "${name}".`);
  };
  return {
    get,
    find,
    list: async (principal) => {
      await registry.refresh();
      const names = registry.list<StoredShare>("share").map((one) => one.value!.name);
      const all = [...fixed, ...names.map((name) => get(name)!).filter((one) => one.origin === "registry")];
      return all.filter((share) => mayRead(principal, share)).sort((a, b) => compareNames(a.name, b.name));
    },
    table: async (principal, shareName, schema, name) => {
      const share = await find(principal, shareName);
      const table = tablesFor(principal, share).find(
        (one) => isSameName(one.schema, schema) && isSameName(one.name, name),
      );
      if (table) return table;
      throw new MuaraError("share.not_found", `The share has no table "${schema}.${name}".`);
    },
  };
}

/** The tables of a share that exist for the principal: of those that go by its own grants, the granted ones. */
export function tablesFor(principal: Principal, { tables }: Share): readonly SharedTable[] {
  return tables.filter(({ isGranted, table }) => !isGranted || readRight(principal, table));
}

function configuredShares(configured: Readonly<Record<string, DeclaredShare>>): readonly Share[] {
  const shares = Object.entries(configured)
    .map(([name, declared]) => shareOf(name, declared, "config"))
    .sort((a, b) => compareNames(a.name, b.name));
  const key = "shares";
  for (const [i, share] of shares.entries()) {
    const twice = sharedTwice(share);
    const problem = twice
      ? `"${twice[0].table}" and "${twice[1].table}" are both shared as ${twice[0].schema}.${twice[0].name}`
      : i > 0 && isSameName(shares[i - 1]!.name, share.name)
        ? "names ignore case, and there are two of this one"
        : undefined;
    if (problem)
      throw new MuaraError("config.invalid", `${key}.${share.name}: ${problem}`, { details: { key } });
  }
  return shares;
}

function mayRead(principal: Principal, share: Share): boolean {
  return isAuthorized(principal, "read", { kind: "share", name: share.name });
}
