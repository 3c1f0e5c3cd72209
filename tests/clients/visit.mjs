// Opens a page in headless Chromium, does what steps.json of the current directory says, and prints
// what came of each step. A step is [method, selector, ...arguments] of a Playwright locator.
// What the page asks of others than its server, and what it complains about, is an error.
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const [address] = process.argv.slice(2);
const executablePath = `${import.meta.dirname}/node_modules/.chromium/chromium`;
const args = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]; // it beeps
const browser = await chromium.launch({ executablePath, args });
const page = await browser.newPage();
const wrong = [];
page.on("pageerror", (error) => wrong.push(error.stack));
page.on("console", (message) => message.type() === "error" && wrong.push(message.text()));
page.on("request", (request) => {
  const own = [address, "data:"].some((start) => request.url().startsWith(start));
  if (!own) wrong.push(`The page asked for ${request.url()}`);
});
page.on("requestfailed", (request) => wrong.push(`${request.url()} failed`));
await page.goto(address);

const came = [];
for (const [method, selector, ...given] of JSON.parse(readFileSync("steps.json", "utf8"))) {
  await page.locator("main[aria-busy=false]").waitFor().catch((error) => wrong.push(error.message));
  if (wrong.length) break;
  came.push((await page.locator(selector)[method](...given)) ?? null);
}
await browser.close();
if (wrong.length) throw new Error(wrong.join("\n"));
console.log(JSON.stringify(came));
