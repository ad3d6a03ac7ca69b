/** Progress for people: one rewritten line per step on a terminal, one plain line per step elsewhere. */
import type { Clock } from "../../core/clock.ts";

export interface ProgressStep {
  update(detail: string): void;
  done(detail: string): void;
}

export interface Progress {
  step(title: string): ProgressStep;
}

const UPDATE_MS = 100;

export function createProgress(write: (text: string) => void, isTerminal: boolean, clock: Clock): Progress {
  return {
    step: (title) => {
      const startedMs = clock.monotonicMs();
      let shownMs = -Infinity;
      const line = (mark: string, detail: string): string => {
        const seconds = ((clock.monotonicMs() - startedMs) / 1_000).toFixed(1);
        return ` ${mark} ${title.padEnd(28)} ${detail}  ${seconds} s`;
      };
      return {
        update: (detail) => {
          if (!isTerminal || clock.monotonicMs() - shownMs < UPDATE_MS) return;
          shownMs = clock.monotonicMs();
          write(`\r\u001b[2K${line("…", detail)}`);
        },
        done: (detail) => write(`${isTerminal ? "\r\u001b[2K" : ""}${line("✓", detail)}\n`),
      };
    },
  };
}
