// Stays signed in by cookie. The refresh token is where no script can read it; the access token is in this tab's memory alone, so
// that a reload, or another tab, gets one of its own with the cookie.

let accessToken = null;
let renewing = null;

// How long to wait before each further try, in milliseconds: together well within the grace window (REFRESH_GRACE, 10 s), in which
// the token of a lost answer still counts.
const PAUSES = [200, 1000, 3000];

export async function logIn(username, password) {
  const answer = await fetch("/api/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username, password, transport: "cookie" }),
  });
  if (answer.ok) accessToken = (await answer.json()).access_token;
  return answer.ok;
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
  renewing ??= navigator.locks.request("latchkey-renewal", present).finally(() => (renewing = null));
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

export async function logOut() {
  accessToken = null;
  await fetch("/api/logout", { method: "POST" });
}
