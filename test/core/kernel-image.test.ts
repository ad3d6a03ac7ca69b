import { describe, expect, test } from "vitest";
import { hasCode } from "../../core/errors.ts";
import { decodeImage, encodeImage, type ImageKind } from "../../core/kernel-image.ts";
import { KernelMemory } from "../../core/kernel-memory.ts";
import { SEED, kernelModule } from "../core-as/support.ts";

const memory = new KernelMemory(kernelModule, SEED, 2 ** 32);
const kind: ImageKind = { operator: 77, name: "test", version: 3, parameters: [-5n, 2n ** 62n] };
const content = [Uint8Array.of(1, 2, 3), new Uint8Array(0), Uint8Array.of(4)];

function refusal(image: Uint8Array, as: ImageKind = kind): string {
  try {
    decodeImage(memory, as, image);
  } catch (error) {
    if (hasCode(error, "kernel.image")) return error.message;
    throw error;
  }
  return "";
}

describe("a state image", () => {
  test("gives back its content, in one piece, also from the middle of a buffer", () => {
    const image = encodeImage(memory, kind, content);
    expect([...decodeImage(memory, kind, image)]).toEqual([1, 2, 3, 4]);
    const inside = new Uint8Array(image.length + 7);
    inside.set(image, 3);
    expect([...decodeImage(memory, kind, inside.subarray(3, 3 + image.length))]).toEqual([1, 2, 3, 4]);
  });

  test("of another version, older or newer, is refused and both are named", () => {
    for (const version of [2, 4])
      expect(refusal(encodeImage(memory, { ...kind, version }, content))).toContain(
        `it has version ${version}, not 3`,
      );
  });

  test("of another operator or other parameters is refused", () => {
    expect(refusal(encodeImage(memory, { ...kind, operator: 78 }, content))).toContain("another operator");
    for (const parameters of [[], [-5n], [-5n, 2n ** 62n, 0n], [-5n, 2n ** 62n + 1n]])
      expect(refusal(encodeImage(memory, { ...kind, parameters }, content))).toContain("other parameters");
  });

  test("of more than one stretch of hashing is refused when one byte of it changes, or two change places", () => {
    const large = Uint8Array.from({ length: 3 << 20 }, (_, i) => (i >> 20) + (i % 251));
    const image = encodeImage(memory, kind, [large]);
    expect(refusal(image)).toBe("");
    for (const at of [100, (1 << 20) + 50, image.length - 20, image.length - 1]) {
      const damaged = image.slice();
      damaged[at]! ^= 1;
      expect(refusal(damaged)).toContain("damaged");
    }
    const swapped = image.slice();
    swapped.copyWithin(0 + (1 << 20), 2 << 20, 3 << 20);
    expect(refusal(swapped)).toContain("damaged");
  });
});
