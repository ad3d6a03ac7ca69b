/**
 * What every `Ownership` promises: at rest each name, also one that nobody has met before, has one owner; shares move
 * when members come, end or are lost, and no more of them than must.
 */
import assert from "node:assert/strict";
import type { Ownership } from "../../core/ports/ownership.ts";
import { eventually } from "../services/muara.ts";

export interface OwnershipHarness {
  /** One more member of the same company, in a process of its own as far as anybody can tell. */
  readonly join: () => Ownership;
  /** After which a lost member is missed, ms. */
  readonly sessionMs: number;
  /** A member that can be cut off from the others, without being told. */
  readonly joinLosable?: () => Ownership;
  readonly lose?: () => Promise<void>;
  readonly find?: () => Promise<void>;
}

/** How many members there may be: where it is one, there is nobody to share with. */
export type OwnershipAbility = "several";

export type OwnershipCase = readonly [
  name: string,
  run: (harness: OwnershipHarness) => Promise<void>,
  needs?: readonly OwnershipAbility[],
];

const SETTLE_MS = 60_000; // no promise, only an end
const TAKEOVER_MS = 5_000;
export const NAMES = Array.from({ length: 300 }, (_, i) => `team-${i % 7}.something-happened.${i}`);

/** [member] its names */
export function namesOf(members: readonly Ownership[]): readonly (readonly string[])[] {
  return members.map((member) => NAMES.filter((name) => member.owns(name)));
}

function hasOneOwner(members: readonly Ownership[], names: readonly string[]): boolean {
  return names.every((name) => members.filter((member) => member.owns(name)).length === 1);
}

/** Waits until each name has one owner and the members have about as much each. @returns [member] its names */
export async function shared(members: readonly Ownership[]): Promise<readonly (readonly string[])[]> {
  await eventually("every name has one owner", SETTLE_MS, async () => {
    const counts = namesOf(members).map(({ length }) => length);
    return hasOneOwner(members, NAMES) && Math.min(...counts) > NAMES.length / members.length / 2;
  });
  return namesOf(members);
}

export const ownershipCases: readonly OwnershipCase[] = [
  [
    "one process owns everything, names that come up later as well",
    async ({ join }) => {
      const one = join();
      await shared([one]);
      assert.ok(one.owns("never.heard.of"));
      await one.close();
    },
  ],
  [
    "who joins gets a share, and the others keep what is not given away",
    async ({ join }) => {
      const members = [join(), join()];
      const before = await shared(members);
      members.push(join());
      const after = await shared(members);
      for (const [i, names] of before.entries())
        assert.ok(
          after[i]!.every((name) => names.includes(name)),
          "who was there gets nothing new",
        );
      assert.ok(hasOneOwner(members, ["job:a", "job:b", "new.type"]));
      await Promise.all(members.map((member) => member.close()));
    },
    ["several"],
  ],
  [
    "who ends in order is not waited for, and owns nothing any more",
    async ({ join, sessionMs }) => {
      const [first, second] = [join(), join()];
      await shared([first, second]);
      const startedMs = performance.now();
      await second.close();
      await shared([first]);
      assert.ok(performance.now() - startedMs < sessionMs);
      assert.ok(!NAMES.some((name) => second.owns(name)));
      await first.close();
    },
    ["several"],
  ],
  [
    "what a lost process had goes to the others when its session ends; it works on, and gets a share again",
    async ({ join, joinLosable, lose, find, sessionMs }) => {
      const [first, lost] = [join(), joinLosable!()];
      const [, had] = await shared([first, lost]);
      await lose!();
      const startedMs = performance.now();
      await eventually("somebody has all", SETTLE_MS, async () => NAMES.every((name) => first.owns(name)));
      const tookMs = performance.now() - startedMs;
      assert.ok(tookMs > sessionMs / 2 && tookMs < sessionMs + TAKEOVER_MS, `took ${tookMs} ms`);
      assert.ok(
        had!.every((name) => lost.owns(name)),
        "a hint: it works on, and need not know",
      );
      await find!();
      await shared([first, lost]);
      await Promise.all([first.close(), lost.close()]);
    },
    ["several"],
  ],
];

export function ownershipCasesFor(abilities: readonly OwnershipAbility[]): readonly OwnershipCase[] {
  return ownershipCases.filter(([, , needs]) => needs?.every((one) => abilities.includes(one)) ?? true);
}
