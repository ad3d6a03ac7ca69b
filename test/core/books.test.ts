import * as fc from "fast-check";
import { expect, test } from "vitest";
import { HOUR_MS, hourOf, ledgerFaults, type LedgerLine } from "../../core/books.ts";

/** A ledger without a fault: each line's four counts, line after line, for a few partitions. */
const counts = fc.record({ landed: fc.nat(5), duplicates: fc.nat(5), dead: fc.nat(5), gap: fc.nat(5) });
const ledgers = fc
  .array(fc.array(counts, { maxLength: 6 }), { minLength: 1, maxLength: 3 })
  .map((partitions) =>
    partitions.flatMap((lines, partition) => {
      let from = 0;
      return lines.flatMap((line): LedgerLine[] => {
        const to = from + line.landed + line.duplicates + line.dead + line.gap;
        const made = { logId: "log", topicId: "stream", partition, hourMs: 0, from, to, ...line };
        from = to;
        return made.to > made.from ? [made] : [];
      });
    }),
  );

test("lines that tile and add up have no fault, in any order", () => {
  fc.assert(
    fc.property(
      ledgers.chain((lines) => fc.shuffledSubarray(lines, { minLength: lines.length })),
      (lines) => {
        expect(ledgerFaults(lines)).toEqual([]);
      },
    ),
  );
});

test("a line left out, told twice, moved or counted wrongly is a fault", () => {
  fc.assert(
    fc.property(ledgers, fc.nat(), fc.constantFrom("omit", "repeat", "widen", "count"), (lines, at, how) => {
      const inner = lines.filter(
        (line) =>
          line.from > 0 && lines.some((next) => next.partition === line.partition && next.from === line.to),
      );
      fc.pre(inner.length > 0);
      const line = inner[at % inner.length]!;
      const rest = lines.filter((one) => one !== line);
      const broken = {
        omit: rest,
        repeat: [...lines, line],
        widen: [...rest, { ...line, to: line.to + 1, landed: line.landed + 1 }],
        count: [...rest, { ...line, dead: line.dead + 1 }],
      }[how];
      expect(ledgerFaults(broken).length).toBeGreaterThan(0);
    }),
  );
});

test("an hour starts at or before its ms, before 1970 as well", () => {
  fc.assert(
    fc.property(fc.integer(), (ms) => {
      expect(hourOf(ms) % HOUR_MS === 0).toBe(true);
      expect(hourOf(ms)).toBeLessThanOrEqual(ms);
      expect(ms - hourOf(ms)).toBeLessThan(HOUR_MS);
    }),
  );
});
