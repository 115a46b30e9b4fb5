// A client of OAuth by `oauth4webapi` alone.
//
//   node oauth4webapi_client.mjs URL [ISSUER]     an object a line, and one for an answer:
//     {"do": "discover"}                        what it found at the issuer
//     {"do": "renew", "token": …, "client_id"?: …}
//     {"do": "introspect", "token": …, "client": [ID, SECRET]}
//     {"do": "revoke", "token": …}
//
// With an issuer it finds the rest by metadata, and its requests over TLS to the issuer go to the URL, as by a proxy that
// ends TLS. Without one it is told where the token endpoint is, and that plain HTTP is meant.
import { createInterface } from "node:readline";
import * as oauth from "oauth4webapi";

const [url, issuer] = process.argv.slice(2);
const options = issuer
  ? { [oauth.customFetch]: (to, request) => fetch(to.replace(issuer, url), request) }
  : { [oauth.allowInsecureRequests]: true };
let server = { issuer: url, token_endpoint: `${url}/oauth/token` };

const answers = {
  async discover() {
    const where = new URL(issuer);
    const response = await oauth.discoveryRequest(where, { algorithm: "oauth2", ...options });
    server = await oauth.processDiscoveryResponse(where, response);
    return { server };
  },
  async renew({ token, client_id = "first-party" }) {
    const client = { client_id };
    const response = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), token, options);
    return { token: await oauth.processRefreshTokenResponse(server, client, response) };
  },
  async introspect({ token, client: [client_id, secret] }) {
    const client = { client_id };
    const proof = oauth.ClientSecretBasic(secret);
    const response = await oauth.introspectionRequest(server, client, proof, token, options);
    return { body: await oauth.processIntrospectionResponse(server, client, response) };
  },
  async revoke({ token }) {
    const response = await oauth.revocationRequest(server, { client_id: "first-party" }, oauth.None(), token, options);
    await oauth.processRevocationResponse(response);
    return {};
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  try {
    console.log(JSON.stringify(await answers[asked.do](asked)));
  } catch (error) {
    const challenges = error.cause?.map?.(({ scheme }) => scheme);
    console.log(JSON.stringify({ error: error.error ?? error.code ?? String(error), status: error.status, challenges }));
  }
}
