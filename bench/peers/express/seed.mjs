// Makes people for server.mjs, without a hash for each: the one is everybody's.
//
// On standard input: {"people", "password", "cost"}. Prints a line for each of them, and writes what the server is told into
// the working directory: state.json at its first start, settings.json (what it would not have in memory) at any other.
import { randomBytes, randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import bcrypt from 'bcrypt';
import jwt from 'jsonwebtoken';

const { people, password, cost } = JSON.parse(await text(process.stdin));
const secret = randomBytes(32).toString('hex');
const hash = await bcrypt.hash(password, cost);
const made = Array.from({ length: people }, (_, number) => {
  const username = `person${String(number).padStart(7, '0')}`;
  return { username, access: jwt.sign({ username }, secret, { expiresIn: '1d' }), refresh: randomUUID() };
});

const write = (file, state) => writeFileSync(file, JSON.stringify(state), { mode: 0o600 });
write('settings.json', { secret, cost });
write('state.json', {
  secret,
  cost,
  users: made.map(({ username }) => [username, hash]),
  sessions: made.map(({ username, refresh }) => [refresh, username]),
});
process.stdout.write(made.map((person) => `${JSON.stringify(person)}\n`).join(''));
