/** Something read from the API for a page: loaded when its address changes, again now and then, kept while it loads. */
import { signal, useSignal, type ReadonlySignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { systemClock } from "../../core/clock.ts";

export interface Resource<T> {
  /** The last answer; also while the next one loads, and after one that failed. */
  readonly value: T | undefined;
  readonly error: unknown;
  readonly isLoading: boolean;
  /** When the last answer came, ms since 1970 UTC. */
  readonly asOfMs: number | undefined;
  readonly reload: () => void;
}

interface State<T> {
  readonly value: T | undefined;
  readonly error: unknown;
  readonly isLoading: boolean;
  readonly asOfMs: number | undefined;
}

/** Whether the tab can be seen: what nobody sees is not asked for. */
export const isVisible: ReadonlySignal<boolean> = followVisibility();

function followVisibility(): ReadonlySignal<boolean> {
  const visible = signal(document.visibilityState !== "hidden");
  document.addEventListener("visibilitychange", () => {
    visible.value = document.visibilityState !== "hidden";
  });
  return visible;
}

/**
 * @param key what is asked for; another key forgets the old answer only once the new one is there
 * @param everyMs asks again after each answer while the tab can be seen; absent: only when told
 */
export function useResource<T>(
  key: string,
  load: (signal: AbortSignal) => Promise<T>,
  everyMs?: number,
): Resource<T> {
  const state = useSignal<State<T>>({
    value: undefined,
    error: undefined,
    isLoading: true,
    asOfMs: undefined,
  });
  const round = useSignal(0);
  const latest = useRef(load);
  latest.current = load;
  const seen = isVisible.value;
  const turn = round.value;
  useEffect(() => {
    const abort = new AbortController();
    const run = async (): Promise<void> => {
      for (;;) {
        state.value = { ...state.peek(), isLoading: true };
        const next = await attempt(latest.current, abort.signal);
        if (abort.signal.aborted) return;
        state.value = { ...state.peek(), ...next, isLoading: false };
        if (everyMs === undefined || !seen) return;
        await systemClock.sleep(everyMs, abort.signal);
        if (abort.signal.aborted) return;
      }
    };
    if (seen || state.peek().value === undefined) void run();
    return () => abort.abort();
  }, [key, turn, seen, everyMs]);
  return { ...state.value, reload: () => round.value++ };
}

async function attempt<T>(
  load: (signal: AbortSignal) => Promise<T>,
  abort: AbortSignal,
): Promise<Partial<State<T>>> {
  try {
    return { value: await load(abort), error: undefined, asOfMs: systemClock.nowMs() };
  } catch (error) {
    return { error };
  }
}
