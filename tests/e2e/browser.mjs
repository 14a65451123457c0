// Looks at a page, of the disk or by its address, in a real headless Chromium and prints what was seen as JSON.
// usage: node browser.mjs NODE_MODULES CHROMIUM < tasks.json > seen.json
// A task: {page, script, scheme, media, width, height, steps: [STEP, …]}; see the functions of `steps` for the steps.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [modules, executablePath] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(`${modules}/axe-core/axe.min.js`, "utf8");

const steps = {
  // axe runs in a world of its own, so the policy of the page does not hold it. It needs scripts.
  async axe(page) {
    const session = await page.context().newCDPSession(page);
    const { frameTree } = await session.send("Page.getFrameTree");
    const { executionContextId } = await session.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id });
    const run = `${axe}; axe.run(document, { resultTypes: ["violations", "incomplete"] })`;
    const found = await session.send("Runtime.evaluate", {
      expression: `${run}.then(({ violations, incomplete, passes }) => JSON.stringify({ passes: passes.length,
        violations: violations.map(({ id, nodes }) => [id, ...nodes.slice(0, 3).map((node) => node.html + " " + node.failureSummary)]),
        incomplete: incomplete.map(({ id, nodes }) => [id, ...nodes.slice(0, 3).map((node) => node.html.slice(0, 300))]) }))`,
      contextId: executionContextId, awaitPromise: true, returnByValue: true,
    });
    if (found.exceptionDetails) throw new Error(JSON.stringify(found.exceptionDetails));
    return JSON.parse(found.result.value);
  },
  async evaluate(page, expression) {
    const session = await page.context().newCDPSession(page); // also where scripts of the page are off
    const found = await session.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (found.exceptionDetails) throw new Error(JSON.stringify(found.exceptionDetails));
    return found.result.value ?? null;
  },
  async press(page, key) { await page.keyboard.press(key); },
  async type(page, text) { await page.keyboard.type(text); },
  async click(page, selector) { await page.locator(selector).first().click(); },
  async fill(page, { selector, text }) { await page.locator(selector).first().fill(text); },
  async media(page, media) { await page.emulateMedia(media); },
  async screenshot(page, options) { await page.screenshot({ fullPage: true, ...options }); },
  async pdf(page, path) { await page.pdf({ path, format: "A4", margin: { top: "15mm", bottom: "15mm", left: "12mm", right: "12mm" } }); },
};

async function seen(browser, { page: path, script = true, scheme = "light", width = 1280, height = 900, steps: wanted }) {
  const context = await browser.newContext({ javaScriptEnabled: script, colorScheme: scheme, viewport: { width, height } });
  const page = await context.newPage();
  const requests = [], messages = [], dialogs = [];
  page.on("request", (request) => requests.push(request.url()));
  page.on("console", (message) => messages.push(message.text()));
  page.on("pageerror", (error) => messages.push(String(error)));
  page.on("dialog", (dialog) => { dialogs.push(dialog.message()); dialog.dismiss(); });
  const began = performance.now();
  await page.goto(path.includes("://") ? path : pathToFileURL(path).href, { waitUntil: "load" });
  const results = [];
  const milliseconds = performance.now() - began;
  for (const [name, argument] of wanted) results.push((await steps[name](page, argument)) ?? null);
  await context.close();
  return { milliseconds, requests, messages, dialogs, results };
}

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const all = [];
for (const task of JSON.parse(readFileSync(0, "utf8"))) all.push(await seen(browser, task));
await browser.close();
process.stdout.write(JSON.stringify(all));
