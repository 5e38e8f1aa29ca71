import { createRemoteJWKSet, decodeProtectedHeader, errors, jwtVerify, type JWTVerifyGetKey } from "jose";
import { Problem } from "./problems.js";
import { UnavailableError, type Sidecar } from "./sidecar.js";

const MAX_LIFE = 600; // seconds

/** Verifies access tokens of the shop's users offline, and returns the roles of the user. */
export type Verify = (token: string) => Promise<string[]>;

export function newVerifier(sidecar: Sidecar): Verify {
  // Keys are fetched again after five minutes, because one can be withdrawn, and for an unknown one at most once a
  // second, because anybody can invent its id.
  const published = createRemoteJWKSet(sidecar.url("invoke/users/method/.well-known/jwks.json"), {
    headers: sidecar.headers,
    cacheMaxAge: 300_000,
    cooldownDuration: 1_000,
    timeoutDuration: 3_000,
  });
  const key: JWTVerifyGetKey = (header, token) =>
    published(header, token).catch((error) => {
      throw error instanceof errors.JWKSNoMatchingKey ? error : new UnavailableError("the keys of users");
    });
  return async (token) => {
    try {
      const { typ, ...header } = decodeProtectedHeader(token);
      const known = Object.keys(header).every((name) => name === "alg" || name === "kid");
      const { payload } = await jwtVerify(token, key, {
        algorithms: ["EdDSA"],
        issuer: "haberdash",
        audience: "haberdash-api",
        requiredClaims: ["sub", "iat", "exp"],
        clockTolerance: 5,
        maxTokenAge: MAX_LIFE, // with it, a token of the future is refused, too
      });
      const short = payload.exp! - payload.iat! <= MAX_LIFE;
      if (!known || (typ ?? "JWT") !== "JWT" || !payload.sub || !short) throw new Error("not one of the shop's tokens");
      return Array.isArray(payload.roles) ? payload.roles : [];
    } catch (error) {
      if (error instanceof UnavailableError) throw error;
      throw new Problem(401, "invalid-token", "The access token is not valid or has expired.");
    }
  };
}
