// Stays signed in by cookie. The refresh token is where no script can read it; the access token is in this tab's memory alone, so
// that a reload, or another tab, gets one of its own with the cookie.

let accessToken = null;
let renewing = null;

// How long to wait before each further try, in milliseconds: together well within the grace window (REFRESH_GRACE, 10 s), in which
// the token of a lost answer still counts.
const PAUSES = [200, 1000, 3000];

// What comes last in an answer is what the browser keeps. So whatever sets the cookie or takes it away waits for its turn, in all
// tabs: the answer to a renewal of the session before must not come behind that to a login.
const inTurn = (work) => navigator.locks.request("latchkey-session", work);

export function logIn(username, password) {
  return inTurn(async () => {
    const answer = await fetch("/api/login", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ username, password, transport: "cookie" }),
    });
    if (answer.ok) accessToken = (await answer.json()).access_token;
    return answer.ok;
  });
}

// Calls with the access token. Where there is none, or it is refused, it is renewed once and the call repeated.
export async function call(path, options = {}) {
  const ask = () =>
    fetch(path, { ...options, headers: { ...options.headers, Authorization: `Bearer ${accessToken}` } });
  if (!accessToken && !(await renew())) return null;
  const answer = await ask();
  if (answer.status !== 401) return answer;
  return (await renew()) ? ask() : null;
}

// Whoever is signed in still is afterwards; false where nobody is. One renewal at a time: in this tab by the promise, between
// tabs by the lock, so that each presents the cookie that the answer before it brought.
function renew() {
  renewing ??= inTurn(present).finally(() => (renewing = null));
  return renewing;
}

async function present() {
  for (const pause of [...PAUSES, null]) {
    // Anything but an answer is a lost one: ask again with the same cookie, as after 429 and 5xx.
    const answer = await fetch("/api/refresh_token", { method: "POST" }).catch(() => null);
    if (answer?.ok) {
      accessToken = (await answer.json()).access_token;
      return true;
    }
    // 401 is final, and took the cookie away. 415: there is none.
    if (answer?.status === 401 || answer?.status === 415) {
      accessToken = null;
      return false;
    }
    if (pause === null) throw new Error(`not renewed: ${answer?.status ?? "no answer"}`);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

// Whether it is done; false where somebody is signed in still. 401: there was no cookie, so nobody is.
export function logOut() {
  return inTurn(async () => {
    const answer = await fetch("/api/logout", { method: "POST" }).catch(() => null);
    const done = answer?.ok || answer?.status === 401;
    if (done) accessToken = null;
    return done;
  });
}
