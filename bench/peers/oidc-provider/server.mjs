// Serves the issuer of service.mjs. On standard input: {"jwk", "cookieKey"}, and at its first start "entries" of the Map.
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { issuer } from './service.mjs';

const { entries = [], ...keys } = JSON.parse(await text(process.stdin));
const server = createServer(issuer(keys, new Map(entries)).callback());
server.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
process.once('SIGTERM', () => server.close());
