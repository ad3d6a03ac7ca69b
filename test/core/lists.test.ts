/** Lists, scopes and grants together, over random principals and resources, against the rules said plainly. */
import { expect, test } from "vitest";
import {
  type AccessAttribute,
  type Action,
  authorize,
  type Grant,
  isAuthorized,
  type Principal,
  type Resource,
} from "../../core/authorize.ts";
import { seededRandomness } from "../../core/clock.ts";

const ACTIONS: readonly Action[] = ["read", "write", "admin"];
const SCOPES = {
  read: "nakadi.event_stream.read",
  write: "nakadi.event_stream.write",
  admin: "nakadi.event_type.write",
} as const;

/** In the words of the decision: the scope is needed; lists decide where there are some, but for administrators. */
function mayDo(principal: Principal, action: Action, { name, lists }: Resource): boolean {
  if (principal.scopes && !principal.scopes.includes(SCOPES[action])) return false;
  const held = new Set(
    principal.grants.filter((grant) => ["*", name].includes(grant.name)).map((grant) => grant.action),
  );
  if (held.has("admin")) return true;
  if (!lists) return held.has(action);
  const list = { read: lists.readers, write: lists.writers, admin: lists.admins }[action] ?? [];
  const names = new Set([
    JSON.stringify(["*", "*"]),
    JSON.stringify(principal.id.split(":")),
    ...(principal.roles ?? []).map((role) => JSON.stringify(["role", role])),
  ]);
  return list.some(
    (one) => one.value === principal.id || names.has(JSON.stringify([one.data_type, one.value])),
  );
}

test("who may do what with an event type is what the rules say", () => {
  const seed = Number(process.env["MUARA_SEED"] ?? 11);
  const randomness = seededRandomness(seed);
  const fraction = (): number => randomness.fraction();
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(fraction() * items.length)]!;
  const some = <Item>(items: readonly Item[], chance: number): Item[] =>
    items.filter(() => fraction() < chance);
  const ids = ["token:aa", "service:aa", "service:bb", "user:role"];
  const attributes: AccessAttribute[] = [
    ...ids.map((id) => ({ data_type: id.split(":")[0]!, value: id.split(":")[1]! })),
    { data_type: "role", value: "staff" },
    { data_type: "role", value: "aa" },
    { data_type: "*", value: "*" },
    { data_type: "*", value: "aa" },
    { data_type: "service", value: "*" },
    { data_type: "any", value: "service:bb" },
    { data_type: "", value: ":aa" },
  ];
  const grants: Grant[] = ["own", "other", "*"].flatMap((name) =>
    ACTIONS.map((action): Grant => ({ action, kind: "event_type", name })),
  );
  const counts = { allowed: 0, refused: 0 };
  for (let i = 0; i < 20_000; i++) {
    const principal: Principal = {
      id: pick(ids),
      grants: [
        ...some(grants, fraction() < 0.5 ? 0.1 : 0),
        { action: "admin", kind: "table", name: "*" },
        { action: "read", kind: "event_type", name: "own", columns: ["a"] },
      ],
      ...(fraction() < 0.5 ? { roles: some(["staff", "aa"], 0.3) } : {}),
      ...(fraction() < 0.5 ? { scopes: some(Object.values(SCOPES), 0.6) } : {}),
    };
    const list = (): AccessAttribute[] => some(attributes, 0.12);
    const lists = fraction() < 0.7 ? { admins: list(), readers: list(), writers: list() } : undefined;
    const resource: Resource = { kind: "event_type", name: "own", lists };
    const whole = {
      ...principal,
      grants: principal.grants.filter(({ kind, columns }) => kind === "event_type" && !columns),
    };
    for (const action of ACTIONS) {
      const expected = mayDo(whole, action, resource);
      expect({ seed, principal, action, lists, is: isAuthorized(principal, action, resource) }).toEqual({
        seed,
        principal,
        action,
        lists,
        is: expected,
      });
      counts[expected ? "allowed" : "refused"]++;
    }
  }
  expect(Math.min(counts.allowed, counts.refused)).toBeGreaterThan(5_000);
});

test("a missing scope is named, a missing right is not blamed on it", () => {
  const grants: Grant[] = [{ action: "admin", kind: "*", name: "*" }];
  const resource = { kind: "token", name: "*" } as const;
  const scoped = { id: "a:b", grants, scopes: ["nakadi.event_stream.read"] };
  expect(() => authorize(scoped, "admin", resource)).toThrow(
    expect.objectContaining({ details: { scope: "nakadi.config.write" } }),
  );
  expect(() =>
    authorize({ id: "a:b", grants: [], scopes: ["nakadi.config.write"] }, "admin", resource),
  ).toThrow(expect.objectContaining({ code: "auth.forbidden", details: {} }));
});
