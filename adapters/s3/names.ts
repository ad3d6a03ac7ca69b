/** Names of streams and consumers as parts of paths: readable, safe, and different for different names. */

const PLAIN = /[A-Za-z0-9_-]/;
const LENGTH_MAX = 150;
const HEAD_LENGTH = 80;

/** Every byte that a path may not hold as `%xx`; a long name ends in its SHA-256. */
export async function pathName(name: string): Promise<string> {
  const bytes = new TextEncoder().encode(name);
  const encoded = Array.from(bytes, (byte) => {
    const letter = String.fromCharCode(byte);
    return PLAIN.test(letter) || letter === "." ? letter : `%${byte.toString(16).padStart(2, "0")}`;
  }).join("");
  const safe = encoded.replace(/^\./, "%2e");
  if (safe.length <= LENGTH_MAX) return safe;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${safe.slice(0, HEAD_LENGTH)}=${hex}`;
}
