/** One query at a time: what runs, what came of it, and what came of the one before until then. */
import { useSignal, type ReadonlySignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { systemClock } from "../../../core/clock.ts";
import { runQuery, type Asked, type QueryAnswer } from "./query-answer.ts";
import { remember } from "./query-history.ts";

export interface Ran {
  readonly asked: Asked;
  readonly answer: QueryAnswer;
  readonly tookMs: number;
  readonly asOfMs: number;
}

export interface QueryState {
  /** Since when it runs, ms of the monotonic clock; undefined while nothing does. */
  readonly runningSinceMs: number | undefined;
  readonly isCancelled: boolean;
  /** What was asked last. */
  readonly asked: Asked | undefined;
  /** Of what was asked last. */
  readonly error: unknown;
  /** The last answer. */
  readonly ran: Ran | undefined;
}

export interface QueryRun {
  readonly state: ReadonlySignal<QueryState>;
  readonly run: (asked: Asked) => void;
  readonly cancel: () => void;
}

const NOTHING: QueryState = {
  runningSinceMs: undefined,
  isCancelled: false,
  asked: undefined,
  error: undefined,
  ran: undefined,
};

export function useQueryRun(): QueryRun {
  const state = useSignal<QueryState>(NOTHING);
  const running = useRef<AbortController | undefined>(undefined);
  useEffect(() => () => running.current?.abort(), []);
  const run = (asked: Asked): void => {
    running.current?.abort();
    const abort = new AbortController();
    running.current = abort;
    const sinceMs = performance.now();
    const { ran } = state.peek();
    state.value = { ...NOTHING, ran, asked, runningSinceMs: sinceMs };
    const whenMs = systemClock.nowMs();
    const end = (changed: Partial<QueryState>, rows: number | null): void => {
      if (abort.signal.aborted) return;
      state.value = { ...state.peek(), ...changed, runningSinceMs: undefined };
      remember({ ...asked, whenMs, tookMs: performance.now() - sinceMs, rows });
    };
    const answered = async (): Promise<void> => {
      try {
        const answer = await runQuery(asked, abort.signal);
        const tookMs = performance.now() - sinceMs;
        end({ ran: { asked, answer, tookMs, asOfMs: systemClock.nowMs() } }, answer.rows.length);
      } catch (error) {
        end({ error }, null);
      }
    };
    void answered();
  };
  const cancel = (): void => {
    running.current?.abort();
    state.value = { ...state.peek(), runningSinceMs: undefined, isCancelled: true };
  };
  return { state, run, cancel };
}
