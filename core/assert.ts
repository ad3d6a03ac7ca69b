/** Assertions find bugs in Muara itself. They are never caught and never retried: the run ends. */

export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** @throws AssertionError when `condition` is false; `message` says what must hold. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Makes the compiler prove that a closed set of cases is handled completely. */
export function unreachable(value: never): never {
  throw new AssertionError(`unexpected case: ${String(value)}`);
}

export function isAssertion(error: unknown): boolean {
  return error instanceof AssertionError;
}
