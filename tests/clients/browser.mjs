// Opens a page in headless Chromium, and prints what the page writes into its <pre>.
import { chromium } from "playwright-core";

const executablePath = `${import.meta.dirname}/node_modules/.chromium/chromium`;
const browser = await chromium.launch({ executablePath });
const page = await browser.newPage();
const failed = new Promise((_, reject) => page.on("pageerror", reject));
await page.goto(process.argv[2]);
console.log(await Promise.race([page.locator("pre:not(:empty)").textContent(), failed]));
await browser.close();
