/** Appends to two partitions of the stream "s", what became of each, and what the log must hold then. */
import assert from "node:assert/strict";
import { MuaraError } from "../../core/errors.ts";
import type { Log } from "../../core/ports/log.ts";
import { payloadsOf, textBatch } from "../conformance/log-harness.ts";

type Fate = "acknowledged" | "unknown" | "refused";

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Appends numbered texts, `lanes` at a time, each lane to one partition, until told to stop. */
export class Load {
  readonly fates = new Map<string, Fate>();
  readonly #log: Log;
  readonly #lanes: Promise<void>[];
  #isOver = false;

  constructor(log: Log, lanes: number) {
    this.#log = log;
    this.#lanes = Array.from({ length: lanes }, (_, lane) => this.#run(lane));
  }

  get acknowledged(): number {
    return [...this.fates.values()].filter((fate) => fate === "acknowledged").length;
  }

  /** Until so many more are acknowledged. */
  async reach(more: number): Promise<void> {
    const wanted = this.acknowledged + more;
    while (this.acknowledged < wanted) await sleep(5);
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#lanes);
  }

  async #run(lane: number): Promise<void> {
    for (let i = 0; !this.#isOver; i++) {
      const text = `${lane}.${i}`;
      try {
        await this.#log.append("s", lane % 2, textBatch(text, `${text}+`));
        this.fates.set(text, "acknowledged");
      } catch (error) {
        assert.ok(error instanceof MuaraError && error.retryable, String(error));
        this.fates.set(text, error.code === "log.append_unknown" ? "unknown" : "refused");
      }
      await sleep(1);
    }
  }

  /** Holds what the log has against what was said. */
  async check(log: Log): Promise<void> {
    const found = [...(await payloadsOf(log, "s", 0)), ...(await payloadsOf(log, "s", 1))];
    const counts = new Map<string, number>();
    for (const text of found) counts.set(text!, (counts.get(text!) ?? 0) + 1);
    for (const [text, fate] of this.fates)
      for (const one of [text, `${text}+`]) {
        const count = counts.get(one) ?? 0;
        const isRight = fate === "unknown" ? count <= 1 : count === (fate === "acknowledged" ? 1 : 0);
        assert.ok(isRight, `${one} is ${fate} and ${count} times there`);
        counts.delete(one);
      }
    assert.deepEqual([...counts.keys()], [], "what nobody appended");
    const lanes = Map.groupBy(found, (text) => text!.split(".")[0]!);
    for (const texts of lanes.values()) {
      const numbers = texts.map((text) => Number.parseInt(text!.split(".")[1]!, 10));
      assert.deepEqual(
        numbers,
        numbers.toSorted((a, b) => a - b),
        "each lane in its order",
      );
    }
  }
}
