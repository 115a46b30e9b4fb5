// What the page shows; how it stays signed in is session.js.
import { call, logIn, logOut } from "./session.js";

const by = (id) => document.getElementById(id);
const say = (text) => (by("status").textContent = text);

async function show() {
  say("…");
  const answer = await call("/api/profile").catch((error) => say(error.message));
  if (answer === null) say("Signed out.");
  else if (answer instanceof Response) say((await answer.json()).message ?? `${answer.status}`);
}

by("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  say("…");
  if (await logIn(by("username").value, by("password").value)) await show();
  else say("Not logged in.");
  by("password").value = "";
});
by("profile").addEventListener("click", show);
by("log-out").addEventListener("click", async () => {
  say((await logOut()) ? "Signed out." : "Not signed out: try again.");
});

show();
