// Serves the page of this folder and passes /api on to Latchkey, so that both have one origin: the refresh cookie is for pages of the
// service's own alone. Needs Node 18 and nothing else.
//
//   LATCHKEY_URL=http://127.0.0.1:3000 PORT=8080 node examples/browser/server.mjs
//
// In production a web server does this, and speaks TLS. List it in TRUSTED_PROXIES, and its address in PUBLIC_URL.
import { readFile } from "node:fs/promises";
import http from "node:http";

const latchkey = new URL(process.env.LATCHKEY_URL ?? "http://127.0.0.1:3000");
const files = new Map([
  ["/", { name: "index.html", type: "text/html; charset=utf-8" }],
  ["/page.js", { name: "page.js", type: "text/javascript; charset=utf-8" }],
  ["/session.js", { name: "session.js", type: "text/javascript; charset=utf-8" }],
]);

const server = http.createServer((request, answer) => {
  const path = request.url.split("?")[0];
  if (path === "/api" || path.startsWith("/api/")) pass(request, answer);
  else serve(files.get(path), answer);
});

// Everything as it came, Cookie, Origin and Sec-Fetch-Site above all; beside it who asks.
function pass(request, answer) {
  const { connection, ...headers } = request.headers;
  headers["x-forwarded-for"] = [headers["x-forwarded-for"], request.socket.remoteAddress].filter(Boolean).join(", ");
  const onward = http.request(new URL(request.url, latchkey), { method: request.method, headers }, (its) => {
    const { connection, "transfer-encoding": coding, ...headers } = its.headers;
    answer.writeHead(its.statusCode, headers);
    its.pipe(answer);
  });
  onward.on("error", () => (answer.headersSent ? answer.destroy() : answer.writeHead(502).end()));
  answer.on("close", () => onward.destroy());
  request.pipe(onward);
}

async function serve(file, answer) {
  if (!file) return answer.writeHead(404).end();
  const body = await readFile(new URL(file.name, import.meta.url));
  answer.writeHead(200, {
    "Content-Type": file.type,
    // No script but this folder's: what is injected does not run.
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
  });
  answer.end(body);
}

server.listen(Number(process.env.PORT ?? 8080), process.env.HOST ?? "localhost", () => {
  console.log(`serving http://localhost:${server.address().port}`);
});
