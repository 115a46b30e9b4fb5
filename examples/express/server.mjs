// A service of its own that believes Latchkey's access tokens by its public keys, and does not ask it about each.
//
//   latchkey keys generate --alg EdDSA      # once, beside the server
//   npm ci && LATCHKEY_URL=http://127.0.0.1:3000 PORT=4000 node server.mjs
//   curl http://127.0.0.1:4000/orders -H "Authorization: Bearer $ACCESS_TOKEN"
//
// JWT_ISSUER and JWT_AUDIENCE are the server's. A logout is seen here only when the access token ends.
import express from "express";
import { createRemoteJWKSet, errors, jwtVerify } from "jose";

const { env } = process;

// Cached for ten minutes, so that a key that leaked and was taken out is not believed for longer. An unknown `kid` has
// them fetched again, but no more often than the floor: anybody can make one up. Many at once share one fetch.
const url = new URL("/.well-known/jwks.json", env.LATCHKEY_URL ?? "http://127.0.0.1:3000");
const keys = createRemoteJWKSet(url, { cooldownDuration: 1000 * Number(env.JWKS_FLOOR_SECONDS ?? 10) });

const expected = {
  // With `alg` in every key of Latchkey's, a key verifies tokens of its own algorithm and no other.
  algorithms: ["EdDSA", "ES256"],
  // Not another kind of JWT by the same issuer (RFC 9068 §4).
  typ: "at+jwt",
  issuer: env.JWT_ISSUER ?? "latchkey",
  audience: env.JWT_AUDIENCE ?? "latchkey",
  // Without this, a token that lacks one of them would pass.
  requiredClaims: ["exp", "sub"],
};

function unauthorized(response, why) {
  response.set("WWW-Authenticate", `Bearer realm="orders"${why}`).sendStatus(401);
}

async function authenticate(request, response, next) {
  const [, token] = /^bearer (.+)$/i.exec(request.get("authorization") ?? "") ?? [];
  if (!token) return unauthorized(response, "");
  try {
    request.claims = (await jwtVerify(token, keys, expected)).payload;
  } catch (error) {
    if (areMissing(error)) return response.sendStatus(503);
    return unauthorized(response, ', error="invalid_token"');
  }
  next();
}

// Whether there are no keys to judge by: what Latchkey did not answer is not the client's fault.
function areMissing(error) {
  const isJose = error instanceof errors.JOSEError;
  return !isJose || error instanceof errors.JWKSTimeout || error.code === errors.JOSEError.code;
}

const app = express();
app.disable("x-powered-by");
app.get("/orders", authenticate, (request, response) => {
  // Whose orders, says `sub`: a name can be somebody else's one day.
  const { sub, username } = request.claims;
  response.type("text").send(`The orders of ${username}, account ${sub}\n`);
});

const server = app.listen(Number(env.PORT ?? 4000), "127.0.0.1", (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
