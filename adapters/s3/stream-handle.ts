/** One stream as a process knows it: its chain, its appender, its reader. */
import type { StreamInfo } from "../../core/ports/log.ts";
import { Appender, type AppenderPorts } from "./appender.ts";
import { Chain, type ChainPorts } from "./chain.ts";
import type { PolledStream } from "./poll.ts";
import { Reader } from "./reader.ts";
import { Snapshots } from "./snapshot.ts";

export type HandlePorts = ChainPorts & Omit<AppenderPorts, "onStored">;

export class StreamHandle implements PolledStream {
  readonly chain: Chain;
  readonly reader: Reader;
  readonly snapshots: Snapshots;
  readonly appender: Appender;
  readonly swept = { to: 0 };
  #hints: Promise<unknown> = Promise.resolve();

  constructor(info: StreamInfo, ports: HandlePorts) {
    this.chain = new Chain(info, ports);
    this.snapshots = new Snapshots(ports.store);
    this.reader = new Reader(this.chain, this.snapshots);
    const onStored = (group: number, isCheckpoint: boolean): void => {
      // Nobody waits for it: without the hint the next start takes a little longer.
      if (isCheckpoint) this.#hints = this.chain.writeHint(group).catch(() => undefined);
    };
    this.appender = new Appender(this.chain, { ...ports, onStored });
  }

  get info(): StreamInfo {
    return this.chain.info;
  }

  /** Looks the end up. @returns how many groups there are, as far as is known */
  async look(): Promise<number> {
    return (await this.chain.fresh(true)).header.group + 1;
  }

  /** Resolves when nothing runs behind the callers' backs. */
  async idle(): Promise<void> {
    await this.#hints;
  }
}
