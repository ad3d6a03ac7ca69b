/** Case-folded, so that names which differ only in case meet in one declaration. */
export function declaredName(eventTypeName: string): string {
  return eventTypeName.toLowerCase();
}
