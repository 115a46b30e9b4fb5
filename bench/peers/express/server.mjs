// The service that tutorials show, with what a beginner learns to add: one file, users in memory, an access token that the
// middleware verifies, and refresh tokens of which each is good once. Written for the bench; it is nobody's example.
//
// On standard input: {"secret", "cost"}, and at its first start {"users": [[name, hash]], "sessions": [[token, name]]}.
import { randomUUID } from 'node:crypto';
import { text } from 'node:stream/consumers';
import bcrypt from 'bcrypt';
import express from 'express';
import jwt from 'jsonwebtoken';

const { secret, cost, users: registered = [], sessions = [] } = JSON.parse(await text(process.stdin));
const users = new Map(registered);
const refreshTokens = new Map(sessions);

const app = express();
app.use(express.json());

function issue(username) {
  const refreshToken = randomUUID();
  refreshTokens.set(refreshToken, username);
  return { access_token: jwt.sign({ username }, secret, { expiresIn: '1d' }), refresh_token: refreshToken };
}

function authenticate(request, response, next) {
  const token = request.headers.authorization?.split(' ')[1];
  if (!token) return response.status(401).json({ message: 'No token' });
  jwt.verify(token, secret, (error, user) => {
    if (error) return response.status(403).json({ message: 'Invalid token' });
    request.user = user;
    next();
  });
}

app.post('/api/register', async (request, response) => {
  const { username, password } = request.body;
  if (!username || !password) return response.status(400).json({ message: 'Username and password are required' });
  if (users.has(username)) return response.status(409).json({ message: 'Username is taken' });
  users.set(username, await bcrypt.hash(password, cost));
  response.status(201).json({ message: 'User created successfully!' });
});

app.post('/api/login', async (request, response) => {
  const { username, password } = request.body;
  const hash = users.get(username);
  if (!hash || !(await bcrypt.compare(password, hash))) return response.status(401).json({ message: 'Invalid credentials' });
  response.json({ message: 'Logged in successfully!', ...issue(username) });
});

app.post('/api/refresh_token', (request, response) => {
  const { refresh_token: token } = request.body;
  const username = refreshTokens.get(token);
  if (!username) return response.status(401).json({ message: 'Invalid refresh token' });
  refreshTokens.delete(token);
  response.json(issue(username));
});

app.post('/api/logout', (request, response) => {
  refreshTokens.delete(request.body.refresh_token);
  response.sendStatus(204);
});

app.get('/api/profile', authenticate, (request, response) => {
  const { username } = request.user;
  response.json({ message: `Welcome, ${username}! This is protected data.`, user: { username } });
});

const server = app.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
process.once('SIGTERM', () => server.close());
