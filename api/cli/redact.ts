/**
 * Takes secrets out of text that leaves the machine: values that are known to be secrets, wherever they stand, and
 * what looks like one. It rather takes too much: a bundle is for reading, not for running.
 */

const GONE = "[redacted]";
/** Shorter values would take harmless words with them; no secret of ours is so short. */
const LENGTH_MIN = 4;
const SECRET_NAME =
  /token|secret|passw|pwd|pass$|credential|authorization|api_?key|access_?key|private_?key|cookie|dsn$/i;

/** Names that say it, within a text. */
const WORDS =
  "token|secret|password|passwd|passphrase|api_?key|access_?key|signature|credential|authorization";
const NAME = `[a-z0-9_.-]*(?:${WORDS})[a-z0-9_.-]*`;

const PATTERNS: readonly (readonly [RegExp, string])[] = [
  // PEM, also with its line breaks as \n in JSON.
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/g, GONE],
  // user:password@ of an address; greedy, since a password may hold an @.
  [/\b([a-z][a-z0-9+.-]*:\/\/)[^\s"'<>/?#]*@/gi, `$1${GONE}@`],
  // The same within an address, as the value of a parameter.
  [/(%3A%2F%2F)(?:(?!%2F|%3F|%23)[^\s"'<>&])*%40/gi, `$1${GONE}%40`],
  [/\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{4,}/gi, `$1 ${GONE}`],
  // Tokens of ours; names of metrics begin so, too, but have no such end.
  [/\bmuara_[0-9a-f]{12}_[A-Za-z0-9_-]{20,}/g, GONE],
  [/\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?/g, GONE],
  [/\bA(?:KIA|SIA)[A-Z0-9]{12,}/g, GONE],
  // NAME=VALUE, and the same as JSON.
  [new RegExp(`\\b(${NAME}\\s*=\\s*)(?:"[^"]*"|'[^']*'|[^\\s&"',;}]+)`, "gi"), `$1${GONE}`],
  [new RegExp(`("${NAME}"\\s*:\\s*)"(?:[^"\\\\]|\\\\.)*"`, "gi"), `$1"${GONE}"`],
];

/** Where an address may hold a secret in its path: webhooks of chats do. */
const PATHS = /\b(https?:\/\/[^\s"'<>/?#]+)(?:[/?#][^\s"'<>]*)/gi;

/** @param known secrets of which the values are known @returns a function over text */
export function redactor(known: Iterable<string>): (text: string) => string {
  const values = [...new Set([...known].flatMap(formsOf))].filter((value) => value.length >= LENGTH_MIN);
  values.sort((one, other) => other.length - one.length);
  return (text) => {
    let left = text;
    for (const value of values) left = left.replaceAll(value, GONE);
    for (const [pattern, instead] of PATTERNS) left = left.replace(pattern, instead);
    return left;
  };
}

/** Addresses keep scheme, host and port only. */
export function withoutPaths(text: string): string {
  return text.replace(PATHS, "$1/…");
}

/** As it is, as in JSON, and as in an address. */
function formsOf(value: string): readonly string[] {
  const trimmed = value.trim();
  return [trimmed, JSON.stringify(trimmed).slice(1, -1), encodeURIComponent(trimmed)];
}

/** Values of environment variables whose names say that they are secret, and passwords in the others' addresses. */
export function secretsOfEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  return Object.entries(environment).flatMap(([name, value]) => {
    if (value === undefined) return [];
    return SECRET_NAME.test(name) ? [value, ...passwordsIn(value)] : passwordsIn(value);
  });
}

/** Passwords in addresses, also of those that are parameters of another, as they stand and decoded. */
export function passwordsIn(text: string): readonly string[] {
  return [text, decoded(text)].flatMap((form) =>
    [...form.matchAll(/\b[a-z][a-z0-9+.-]*:\/\/[^\s:@/"']*:([^\s"'/]+)@/gi)].flatMap((match) => [
      match[1]!,
      decoded(match[1]!),
    ]),
  );
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A copy in which nothing stands under a name that says it is secret, at any depth. */
export function withoutSecretKeys(value: unknown, name = ""): unknown {
  if (SECRET_NAME.test(name) && value !== null && typeof value !== "boolean" && !isReference(value))
    return GONE;
  if (Array.isArray(value)) return value.map((item) => withoutSecretKeys(item));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutSecretKeys(item, key)]));
}

/** `{ file }` and `{ env }` say where a secret is, not what it is. */
function isReference(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const keys = Object.keys(value);
  return keys.length === 1 && (keys[0] === "file" || keys[0] === "env");
}
