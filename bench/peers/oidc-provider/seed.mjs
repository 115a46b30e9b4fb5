// Makes people for server.mjs, with the provider's own models, as a login on the integrator's pages would leave them.
//
// On standard input: {"people"}. Prints a line for each of them, and writes what the server is told into the working directory:
// state.json at its first start, settings.json (what it would not have in memory) at any other.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { CLIENT, SCOPE, issuer } from './service.mjs';

const { people } = JSON.parse(await text(process.stdin));
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const keys = { jwk: privateKey.export({ format: 'jwk' }), cookieKey: randomBytes(32).toString('hex') };
const store = new Map();
const provider = issuer(keys, store);
const client = await provider.Client.find(CLIENT);

const made = [];
for (let number = 0; number < people; number += 1) {
  const username = `person${String(number).padStart(7, '0')}`;
  store.set(`account:${username}`, {});
  const grant = new provider.Grant({ accountId: username, clientId: CLIENT });
  grant.addOIDCScope(SCOPE);
  const grantId = await grant.save();
  const token = { accountId: username, client, grantId, gty: 'authorization_code', scope: SCOPE };
  const refresh = await new provider.RefreshToken(token).save();
  const access = await new provider.AccessToken(token).save();
  made.push({ username, access, refresh });
}

const write = (file, state) => writeFileSync(file, JSON.stringify(state), { mode: 0o600 });
write('settings.json', keys);
write('state.json', { ...keys, entries: [...store] });
process.stdout.write(made.map((person) => `${JSON.stringify(person)}\n`).join(''));
