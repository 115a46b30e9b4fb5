// A service that believes access tokens by `jose` alone, with the defaults of its createRemoteJWKSet.
//
//   node jose_verifier.mjs JWKS_URL     a line in, a line out:
//     TOKEN          accepted USER_ID, or refused REASON
//     later SECONDS  so much time has passed, for the cache of keys and nothing else
import { createInterface } from "node:readline";
import { createRemoteJWKSet, jwtVerify } from "jose";

// The cache ages by Date.now(); whether a token has ended is asked of `new Date()`, which stays what it is.
const now = Date.now;
let passed = 0;
Date.now = () => now() + passed;

const keys = createRemoteJWKSet(new URL(process.argv[2]));
const expected = { issuer: "latchkey", audience: "latchkey", typ: "at+jwt", requiredClaims: ["exp", "sub"] };

for await (const line of createInterface({ input: process.stdin })) {
  const later = /^later (\d+)$/.exec(line);
  if (later) {
    passed += 1000 * Number(later[1]);
    console.log("later");
    continue;
  }
  try {
    const { payload } = await jwtVerify(line, keys, expected);
    console.log(`accepted ${payload.sub}`);
  } catch (error) {
    console.log(`refused ${error.code ?? error}`);
  }
}
