// Prints, as JSON, what is wrong with a page: light on a desk, and dark on a phone, all unfolded.
import { createRequire } from "node:module";

import { chromium } from "playwright-core";

const [address] = process.argv.slice(2);
const executablePath = `${import.meta.dirname}/node_modules/.chromium/chromium`;
const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const faults = new Set();
const browser = await chromium.launch({ executablePath });
const page = await browser.newPage({ bypassCSP: true }); // which would keep axe-core out, too
page.on("pageerror", (error) => faults.add(`fails: ${error.message}`));
page.on("request", (request) => {
  const { origin, protocol } = new URL(request.url());
  const own = origin === new URL(address).origin || ["blob:", "data:"].includes(protocol);
  if (!own) faults.add(`asks for ${request.url()}`);
});
await page.goto(address);
await page.locator("main[aria-busy=true]").waitFor({ state: "detached" });
await page.addScriptTag({ path: axe });
await page.evaluate(() => document.querySelectorAll("details").forEach((each) => (each.open = true)));
for (const [colorScheme, width] of [["light", 1280], ["dark", 390]]) {
  await page.emulateMedia({ colorScheme });
  await page.setViewportSize({ width, height: 844 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  if (wide > width) faults.add(`is ${wide} pixels wide on a screen of ${width}`);
  const { violations } = await page.evaluate(() => axe.run());
  for (const { id, impact, help, nodes } of violations) {
    if (["serious", "critical"].includes(impact)) faults.add(`${id}: ${help}: ${nodes[0].html}`);
  }
}
await browser.close();
console.log(JSON.stringify([...faults]));
