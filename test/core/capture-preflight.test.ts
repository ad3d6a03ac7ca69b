/** Each reason why a source is not ready, and none where it is. */
import { expect, test } from "vitest";
import { CAPTURED_ANNOTATION } from "../../core/change.ts";
import { type Finding, preflight, type PreflightPlan } from "../../core/capture-preflight.ts";
import { parseEventType } from "../../core/event-type.ts";
import type { SourceServer, SourceTable } from "../../core/ports/source-database.ts";

const server: SourceServer = {
  systemId: "1",
  timeline: 1,
  version: 150_006,
  walLevel: "logical",
  walSenderTimeoutMs: 60_000,
  maxSlotWalKeepBytes: 1e10,
  slots: { used: 9, max: 10 },
  senders: { used: 9, max: 10 },
  synchronousCommit: "on",
  encoding: "UTF8",
  isInRecovery: false,
  user: "muara",
  isSuperuser: false,
  mayReplicate: true,
  mayCreate: true,
  lsn: 1n,
};
const table: SourceTable = {
  id: 1,
  schema: "public",
  name: "t",
  kind: "table",
  root: null,
  persistence: "permanent",
  identity: "default",
  key: ["id"],
  columns: [
    {
      name: "id",
      typeId: 23,
      modifier: -1,
      typeName: "integer",
      isGenerated: false,
      form: "integer",
      schema: {},
    },
  ],
  rows: 1,
  updates: 5,
  isOwner: true,
  mayRead: true,
  hidesRows: false,
};
const plan: PreflightPlan = {
  eventTypes: new Map([["public.t", "shop.t"]]),
  copiesInitially: true,
  published: [],
  publishedWhole: [],
  isNew: true,
  declared: () => undefined,
};

function found(
  more: Partial<SourceServer>,
  moreTable: Partial<SourceTable> | undefined = {},
  morePlan: Partial<PreflightPlan> = {},
): readonly string[] {
  const tables = new Map(moreTable ? [["public.t", { ...table, ...moreTable }]] : []);
  const findings = preflight({ ...server, ...more }, tables, { ...plan, ...morePlan });
  for (const { problem, remedy } of findings)
    expect([problem, remedy].every((text) => text.length > 5)).toBe(true);
  return findings.map(({ severity, code }: Finding) => `${severity} ${code}`);
}

test("nothing where all is well", () => {
  expect(found({})).toEqual([]);
});

test.each<[string, Partial<SourceServer>]>([
  ["error version", { version: 129_999 }],
  ["error wal_level", { walLevel: "replica" }],
  ["error standby", { isInRecovery: true }],
  ["error replication", { mayReplicate: false }],
  ["error slots", { slots: { used: 10, max: 10 } }],
  ["error senders", { senders: { used: 10, max: 10 } }],
  ["warning unlimited", { maxSlotWalKeepBytes: null }],
  ["warning wal_sender_timeout", { walSenderTimeoutMs: 0 }],
  ["warning wal_sender_timeout", { walSenderTimeoutMs: 4_999 }],
  ["warning synchronous_commit", { synchronousCommit: "off" }],
  ["warning encoding", { encoding: "LATIN1" }],
  ["error encoding", { encoding: "SQL_ASCII" }],
  ["error create", { mayCreate: false }],
])("%s of the server", (code, more) => {
  expect(found(more)).toEqual([code]);
});

test.each<[string, Partial<SourceTable>]>([
  ["error partition", { kind: "partition", root: "public.root" }],
  ["error kind", { kind: "other" }],
  ["error unlogged", { persistence: "unlogged" }],
  ["error identity", { key: [], updates: 1 }],
  ["warning identity", { key: [], updates: 0 }],
  ["error identity", { identity: "nothing" }],
  ["note keyless", { identity: "full", key: [] }],
  ["error owner", { isOwner: false }],
  ["error select", { mayRead: false }],
  ["error row_security", { hidesRows: true }],
  ["warning generated", { columns: [{ ...table.columns[0]!, isGenerated: true }] }],
  ["note numeric", { columns: [{ ...table.columns[0]!, typeName: "numeric" }] }],
  ["error columns", { columns: [table.columns[0]!, { ...table.columns[0]!, name: "ID" }] }],
])("%s of a table", (code, more) => {
  expect(found({}, more)).toEqual([code]);
});

test("a table that is not there, and what a capture that is declared no longer needs", () => {
  expect(preflight(server, new Map(), plan).map(({ code }) => code)).toEqual(["missing"]);
  expect(found({ slots: { used: 10, max: 10 } }, {}, { isNew: false })).toEqual([]);
  expect(found({ mayCreate: false }, { isOwner: false }, { published: ["public.t"] })).toEqual([]);
  expect(found({}, { mayRead: false, hidesRows: true }, { copiesInitially: false })).toEqual([]);
  expect(found({ mayCreate: false, isSuperuser: true }, { isOwner: false })).toEqual([]);
  expect(found({ version: 180_000 }, { columns: [{ ...table.columns[0]!, isGenerated: true }] })).toEqual([]);
});

test("an event type that somebody else has declared; one of a capture is shared", () => {
  const input = {
    name: "shop.t",
    owning_application: "a",
    category: "data",
    schema: { type: "json_schema", schema: "{}" },
  };
  const foreign = parseEventType(input);
  expect(found({}, {}, { declared: () => foreign })).toEqual(["error event_type"]);
  const own = parseEventType({ ...input, annotations: { [CAPTURED_ANNOTATION]: "on" } });
  expect(found({}, {}, { declared: () => own })).toEqual([]);
});

test("a published table that has lost what identifies its rows, whether it was updated or not", () => {
  for (const updates of [0, 5])
    for (const lost of [{ key: [] }, { identity: "nothing" as const }]) {
      const of = { published: ["public.t"], publishedWhole: ["public.t"] };
      expect(found({}, { ...lost, updates }, of)).toContain("error identity");
    }
  expect(found({}, { key: [], updates: 0 }, { published: ["public.t"] })).toContain("warning identity");
});
