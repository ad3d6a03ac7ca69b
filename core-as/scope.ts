/**
 * Ids that mean something within a scope only (CloudEvents: `id` within `source`). Their text is the scope's length in
 * bytes (decimal), a colon, the scope, the id, so that no two pairs give the same text.
 */
import { copyText, unescape } from "./text";

/** What the length and its colon take at most. */
export const SCOPE_ROOM: usize = 16;

/** The text that was joined last. */
export let joinedAt: usize = 0;
export let joinedLength: usize = 0;

/** @param room SCOPE_ROOM and the two lengths, and what copying a text writes behind it */
export function joinScope(
  room: usize,
  scope: usize,
  scopeLength: usize,
  isScopeEscaped: bool,
  id: usize,
  idLength: usize,
  isIdEscaped: bool,
): void {
  const plain = room + SCOPE_ROOM;
  const length = putText(plain, scope, scopeLength, isScopeEscaped);
  const total = length + putText(plain + length, id, idLength, isIdEscaped);
  let front = plain - 1;
  store<u8>(front, 58);
  let rest = length;
  do {
    front--;
    store<u8>(front, 48 + <u8>(rest % 10));
    rest /= 10;
  } while (rest);
  joinedAt = front;
  joinedLength = total + (plain - front);
}

function putText(to: usize, from: usize, length: usize, isEscaped: bool): usize {
  if (isEscaped) return unescape(from, length, to);
  copyText(to, from, length);
  return length;
}
