/**
 * `strace` as a tool for faults: the N-th call of a kind fails, or kills its process before it happens. Counts are
 * per thread, so libuv gets one file thread and no io_uring: then every file operation is a visible call of one
 * thread, in an order that hardly changes from run to run.
 */
import { existsSync, readFileSync } from "node:fs";

export const TRACED_ENVIRONMENT: Record<string, string> = { UV_USE_IO_URING: "0", UV_THREADPOOL_SIZE: "1" };

export interface Fault {
  readonly call: string;
  /** `error=EIO` or `signal=SIGKILL`. */
  readonly what: string;
  /** The how manieth call of that kind, from 1; of each thread. */
  readonly when: number;
}

export interface TracedCall {
  readonly thread: string;
  readonly call: string;
  /** The rest of the line: arguments with the paths of descriptors, and the result. */
  readonly text: string;
  readonly isInjected: boolean;
}

/**
 * A command prefix. The traced process keeps its process id (the tracer is a grandchild), and is told nothing.
 * @param calls to write down, beside the one that is hit
 */
export function stracePrefix(output: string, calls: readonly string[], fault?: Fault): string[] {
  const traced = [...new Set([...calls, ...(fault ? [fault.call] : [])])].join(",");
  const inject = fault ? ["-e", `inject=${fault.call}:${fault.what}:when=${fault.when}`] : [];
  // The quicker way to watch (--seccomp-bpf) loses a signal that is sent as a call begins.
  const quick = fault?.what.startsWith("signal") ? [] : ["--seccomp-bpf"];
  const quiet = ["-qqq", "-s", "16", "-y", "-e", "signal=none"];
  return ["strace", "-D", "-f", ...quick, ...quiet, "-o", output, "-e", `trace=${traced}`, ...inject];
}

/** The calls of a trace, in order. Their ends, where another thread came between, are left out. */
export function readTrace(output: string): TracedCall[] {
  if (!existsSync(output)) return [];
  const calls: TracedCall[] = [];
  for (const line of readFileSync(output, "utf8").split("\n")) {
    const match = /^(\d+) +(?:<\.\.\. )?([a-z0-9_]+)(?:\(| resumed>)(.*)$/.exec(line);
    if (!match) continue;
    const [, thread, call, text] = match;
    const isInjected = text!.includes("(INJECTED)");
    const last = calls.findLast((one) => one.thread === thread);
    if (line.includes(" resumed>")) {
      if (last && isInjected) calls[calls.lastIndexOf(last)] = { ...last, isInjected };
      continue;
    }
    calls.push({ thread: thread!, call: call!, text: text!, isInjected });
  }
  return calls;
}
