/** A capture as it is shown: what is declared, how far it is, and what its source says of the slot. */
import type { Capture, CaptureState } from "../core/capture.ts";
import { eventTypeNames } from "../core/capture-names.ts";
import { type ApiPorts, isoOrNull } from "./context.ts";

export function shownCapture(
  { registry, captureWatch }: ApiPorts,
  capture: Capture,
): Record<string, unknown> {
  const { name, database, shard, keys, copy, heartbeat, description, by, createdMs, messages, outbox } =
    capture;
  const stored = registry.get<CaptureState>("capture-state", name)?.value;
  const state = stored?.captureId === capture.id ? stored : undefined;
  const view = captureWatch?.view(name);
  const { slot } = view ?? {};
  return {
    name,
    database,
    shard,
    keys,
    copy,
    heartbeat,
    messages,
    outbox: outbox ?? null,
    description,
    by,
    created_at: isoOrNull(createdMs),
    state: stateOf(capture, state),
    problem: state?.problem ?? null,
    alerts: view?.alerts ?? [],
    tables: [...eventTypeNames(capture)].map(([table, eventType]) => {
      const captured = state?.tables[table];
      return {
        table,
        event_type: eventType,
        partition: captured?.partition ?? null,
        copy: captured?.copy ?? null,
        copied_rows: captured?.copiedRows ?? 0,
        complete_at: captured?.completeAt ?? null,
        missed: state?.missed?.[table] ?? null,
      };
    }),
    incarnation: state?.incarnation ?? null,
    slot: state?.slot || null,
    publication: state?.publication ?? null,
    lsn: state?.lsn ?? null,
    retained_bytes: view?.retainedBytes ?? null,
    confirmed_lag_bytes: view?.confirmedLagBytes ?? null,
    wal_status: slot?.walStatus ?? null,
    safe_bytes: slot?.safeWalBytes ?? null,
    safe_seconds: view?.safeSeconds ?? null,
    updated_at: isoOrNull(state?.atMs),
  };
}

function stateOf({ isPaused }: Capture, state: CaptureState | undefined): string {
  if (isPaused) return "paused";
  if (!state) return "preparing";
  if (state.phase === "stopped") return "stopped";
  if (state.problem !== null) return "failing";
  const isCopying = Object.values(state.tables).some(
    ({ copy: how }) => how === "waiting" || how === "copying",
  );
  return isCopying && state.phase === "streaming" ? "copying" : state.phase;
}
