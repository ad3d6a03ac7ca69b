/**
 * Bugs to plant (design §11): each changes what landing is given, never landing itself. A property test that lets
 * one of them pass would let the same mistake pass in the code.
 */
import { vi } from "vitest";
import { ADMIT_NEW, ADMIT_UNKNOWN, type IdentitySet } from "../../core/kernel-set.ts";
import type { Kernel } from "../../core/kernel.ts";
import type { Log } from "../../core/ports/log.ts";
import type { TableCommit, TableLog, Txn, Verdict } from "../../core/ports/table-log.ts";
import type { LandPorts } from "../../workers/land/options.ts";
import { StillTimer } from "../../workers/land/still-timer.ts";
import type { Plant } from "./landing-world.ts";

// oxlint-disable-next-line typescript/unbound-method -- called with the timer that it belongs to
const { stillMs } = StillTimer.prototype;
const CURSOR = /^muara:land:[^:]+:[^:]+:\d+$/;

/** Overrides some members; functions keep their own `this`. */
function over<Port extends object>(port: Port, changed: Partial<Port>): Port {
  return new Proxy(port, {
    get: (target, name) => {
      if (name in changed) return changed[name as keyof Port];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

/** Judges winners by something else than the protocol. */
function judging(verdictOf: (winner: TableCommit, ours: readonly Txn[]) => Verdict): Plant {
  return (ports) => ({
    ...ports,
    openTable: (name): TableLog => {
      const table = ports.openTable(name);
      return over(table, {
        commit: (request) =>
          table.commit({ ...request, check: (winner) => verdictOf(winner, request.change.txns) }),
      });
    },
  });
}

function remembering(change: (set: IdentitySet, ports: LandPorts) => Partial<IdentitySet>): Plant {
  return (ports) => ({
    ...ports,
    kernel: over<Kernel>(ports.kernel, {
      createIdentitySet: (options) => {
        const set = ports.kernel.createIdentitySet(options);
        return over(set, change(set, ports));
      },
    }),
  });
}

function reading(change: (log: Log) => Partial<Log>): Plant {
  return (ports) => ({ ...ports, log: over(ports.log, change(ports.log)) });
}

function moves(txns: readonly Txn[], isMeant: (txn: Txn) => boolean): boolean {
  return txns.some((txn) => CURSOR.test(txn.appId) && isMeant(txn));
}

const sideFileAfterCommit: Plant = (ports) => {
  const held = new Map<string, Uint8Array>();
  return {
    ...ports,
    openTable: (name) => {
      const table = ports.openTable(name);
      return over(table, {
        commit: async (request) => {
          const outcome = await table.commit(request);
          for (const [path, bytes] of held) await ports.store.put(path, bytes);
          held.clear();
          return outcome;
        },
      });
    },
    store: over(ports.store, {
      put: async (path, bytes) => {
        if (path.includes("/_muara/")) held.set(path, bytes.slice());
        else await ports.store.put(path, bytes);
      },
    }),
  };
};

/** The time since a partition last moved, whatever the log still has. */
const idleByTimer: Plant = (ports) => {
  const cursors = new WeakMap<StillTimer, number[]>();
  vi.spyOn(StillTimer.prototype, "stillMs").mockImplementation(function (
    this: StillTimer,
    partition: number,
    cursor: number | undefined,
    nowMs: number,
  ) {
    const known = cursors.get(this) ?? [];
    cursors.set(this, known);
    known[partition] = cursor ?? known[partition] ?? 0;
    return stillMs.call(this, partition, known[partition], nowMs);
  });
  return ports;
};

export const BUGS: readonly (readonly [string, Plant])[] = [
  ["every winner is rebased over", judging(() => "rebase")],
  [
    "a cursor must only grow",
    judging((winner, ours) => {
      const isAhead = moves(winner.txns, (theirs) =>
        ours.some((own) => own.appId === theirs.appId && own.version <= theirs.version),
      );
      return isAhead ? "abandon" : "rebase";
    }),
  ],
  [
    "winners are checked per partition only",
    judging((winner, ours) => {
      const isSame = moves(winner.txns, (theirs) => ours.some((own) => own.appId === theirs.appId));
      return isSame ? "abandon" : "rebase";
    }),
  ],
  [
    "removed rows are nobody's business",
    judging((winner) => (winner.txns.some((txn) => txn.appId.startsWith("muara:")) ? "abandon" : "rebase")),
  ],
  ["tentative ids are not undone", remembering((set) => ({ undo: () => set.keep() }))],
  [
    "ids of dead letters are remembered",
    remembering((set) => ({
      admit: (count, identities, ingestMs, verdicts) => {
        const answers = set.admit(count, identities, ingestMs, new Uint8Array(count));
        return answers.map((answer, i) => (answer === ADMIT_NEW && verdicts[i] ? ADMIT_UNKNOWN : answer));
      },
    })),
  ],
  ["ids expire by a clock", remembering((set, { clock }) => ({ expire: () => set.expire(clock.nowMs()) }))],
  ["the side file is written after the commit", sideFileAfterCommit],
  ["a partition is idle by timer, despite a backlog", idleByTimer],
  [
    "the cursor comes from the record instead of `next`",
    reading((log) => ({
      read: async (stream, partition, offset, maxBytes) => {
        const batch = await log.read(stream, partition, offset, maxBytes);
        const last = batch.offsets[batch.count - 1];
        return { ...batch, next: last === undefined ? offset : last + 1 };
      },
    })),
  ],
  ["retention passes the cursor", reading((log) => ({ hold: (consumer) => log.hold(consumer, []) }))],
];
