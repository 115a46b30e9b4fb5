// One Chromium and its tabs: a command as a line of JSON in, what came of it as a line of JSON out. It ends with its input.
// CHROMIUM is the program, PROFILE the folder of what it keeps.
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const FLAGS = [
  "--headless",
  // There is nobody to protect from these pages, and as root it does not start otherwise.
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const launch = () =>
  chromium.launchPersistentContext(process.env.PROFILE, { executablePath: process.env.CHROMIUM, args: FLAGS });

// A browser that crashes before it has a page says nothing of the service. One did, of some hundred starts.
const start = () =>
  launch().catch((error) => {
    console.error(`the browser did not start, once more: ${error.message.split("\n")[0]}`);
    return launch();
  });

let browser = await start();
let tabs = new Map();

async function tab(name) {
  if (!tabs.has(name)) {
    const page = await browser.newPage();
    const calls = [];
    page.on("request", (call) => {
      if (new URL(call.url()).pathname.startsWith("/api")) calls.push(call);
    });
    tabs.set(name, { page, calls });
  }
  return tabs.get(name);
}

const commands = {
  async open({ tab: name, url }) {
    await (await tab(name)).page.goto(url);
  },
  async fill({ tab: name, field, text }) {
    await (await tab(name)).page.fill(field, text);
  },
  async click({ tab: name, button }) {
    await (await tab(name)).page.click(button);
  },
  // Waits until the page says so.
  async says({ tab: name, text }) {
    await (await tab(name)).page.locator("#status", { hasText: text }).waitFor();
  },
  async run({ tab: name, script }) {
    return (await tab(name)).page.evaluate(script);
  },
  // Sends a form to somewhere and follows it there, as a click on it would: the status of what came.
  async submit({ tab: name, action }) {
    const { page } = await tab(name);
    const arrived = page.waitForResponse(action);
    await page.setContent(`<form method="post" action="${action}"><button>send</button></form>`);
    await page.click("button");
    return (await arrived).status();
  },
  // What the calls of a tab came to since this was last asked, in the order in which they were made. A page may show what an answer
  // said before the browser has told us of it: each call is asked for its own, and none may be missing.
  async answers({ tab: name }) {
    const outcome = async (call) => {
      const answer = await call.response();
      return `${call.method()} ${new URL(call.url()).pathname} ${answer?.status() ?? "unanswered"}`;
    };
    return Promise.all((await tab(name)).calls.splice(0).map(outcome));
  },
  // Without the values, which are secrets.
  async cookies() {
    return (await browser.cookies()).map(({ name, domain, path, httpOnly, secure, sameSite }) => {
      return { name, domain, path, httpOnly, secure, sameSite };
    });
  },
  // Ends the browser and starts it again with what it kept: no tab is open.
  async restart() {
    await browser.close();
    tabs = new Map();
    browser = await start();
  },
  async quit() {
    await browser.close();
  },
  // All at once.
  async all({ commands: many }) {
    return Promise.all(many.map((one) => commands[one.do](one)));
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  const outcome = await commands[command.do](command).then(
    (done) => ({ done: done ?? null }),
    (error) => ({ failed: error.message }),
  );
  console.log(JSON.stringify(outcome));
}
await browser.close();
