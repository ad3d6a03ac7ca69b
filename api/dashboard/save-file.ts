/** Gives bytes to the browser as a file: what needs the token cannot be a plain link. */

const LATER_MS = 60_000;

export function saveFile(bytes: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(bytes);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  // The browser may still be reading it.
  setTimeout(() => URL.revokeObjectURL(link.href), LATER_MS);
}
