/**
 * Says whom a bearer token of somebody else's making stands for: an access token that an issuer of the configuration
 * signed. Contract: nothing of a token counts before its signature was verified with a key of exactly the issuer that
 * it names, for an algorithm that the configuration lists; it must be for us, and valid now.
 */
export interface BearerVerifier {
  /**
   * @throws auth.invalid with a sentence that says why, without anything of the token in it
   * @throws auth.unavailable where the issuer's keys cannot be had
   */
  verify(token: string): Promise<Bearer>;
}

export interface Bearer {
  /** The issuer's name in the configuration. */
  readonly issuer: string;
  /** Unique for the issuer. */
  readonly subject: string;
  /** undefined: the issuer's tokens are not limited by scopes. */
  readonly scopes: readonly string[] | undefined;
  /** Names of Muara's roles. */
  readonly roles: readonly string[];
  /** From then on it is refused, ms since 1970 UTC; leeway for clocks included. */
  readonly expiresMs: number;
}
