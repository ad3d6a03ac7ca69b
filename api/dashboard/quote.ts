/** Names and texts within SQL and within a shell's command. */

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** As SQL names it: bare where that is a plain name, else in quotes. */
export function sqlName(name: string): string {
  return /^[A-Za-z_]\w*$/.test(name) ? name : quoteName(name);
}

export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** One word for a POSIX shell, whatever is in it. */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
