/** One stream as a process knows it: its topic, and what appends to, reads and counts each of its partitions. */
import type { StreamInfo } from "../../core/ports/log.ts";
import { Appender, type AppenderPorts } from "./appender.ts";
import { Counter } from "./counter.ts";
import type { Place } from "./cluster.ts";
import type { Notes } from "./notes.ts";
import { Reader } from "./reader.ts";

export class StreamHandle {
  readonly topic: string;
  readonly #ports: AppenderPorts;
  readonly #notes: Notes;
  #info: StreamInfo;
  readonly #appenders: Appender[] = [];
  readonly #readers: Reader[] = [];
  readonly #counters: Counter[] = [];

  constructor(ports: AppenderPorts, notes: Notes, topic: string, info: StreamInfo) {
    this.topic = topic;
    this.#ports = ports;
    this.#notes = notes;
    this.#info = info;
  }

  get info(): StreamInfo {
    return this.#info;
  }

  /** Partitions may be added; everything else of a topic's incarnation stays what it is to us. */
  grow(info: StreamInfo): void {
    this.#info = info;
  }

  appender(partition: number): Appender {
    return (this.#appenders[partition] ??= new Appender(this.#ports, this.#place(partition)));
  }

  reader(partition: number): Reader {
    return (this.#readers[partition] ??= new Reader(
      this.#ports.cluster,
      this.#info.name,
      this.#place(partition),
    ));
  }

  counter(partition: number): Counter {
    return (this.#counters[partition] ??= new Counter(
      this.#ports.cluster,
      this.#notes,
      this.#place(partition),
    ));
  }

  /** Readers that have something left over, and how much. */
  get readers(): readonly Reader[] {
    return this.#readers;
  }

  #place(partition: number): Place {
    return { topic: this.topic, topicId: this.#info.topicId, partition };
  }
}
