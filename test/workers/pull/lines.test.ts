/** Lines against the plain reading of the whole text, however it is cut into chunks. */
import { expect, test } from "vitest";
import { seededRandomness } from "../../../core/clock.ts";
import { linesOf } from "../../../workers/pull/lines.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

async function* chunksOf(text: string, chance: () => number): AsyncGenerator<Uint8Array> {
  const bytes = encoder.encode(text);
  for (let at = 0; at < bytes.length;) {
    const length = 1 + Math.floor(chance() * 9);
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

test("lines come out whole, or cut at the bound", async () => {
  const chance = seededRandomness(7);
  for (let round = 0; round < 200; round++) {
    const lines = Array.from({ length: 1 + Math.floor(chance.fraction() * 8) }, () =>
      "x".repeat(Math.floor(chance.fraction() * 14)),
    );
    const most = 1 + Math.floor(chance.fraction() * 12);
    const found: [string, boolean][] = [];
    for await (const { bytes, isCut } of linesOf(
      chunksOf(`${lines.join("\n")}\n`, () => chance.fraction()),
      most,
    ))
      found.push([decoder.decode(bytes), isCut]);
    const expected = lines
      .filter((line) => line !== "")
      .map((line) => [line.slice(0, most), line.length > most]);
    expect(found).toEqual(expected);
  }
});

test("what no line break ends is no line", async () => {
  const found: string[] = [];
  for await (const { bytes } of linesOf(
    chunksOf("one\ntwo", () => 0.5),
    100,
  ))
    found.push(decoder.decode(bytes));
  expect(found).toEqual(["one"]);
});
