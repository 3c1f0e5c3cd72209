// Unpacks Chromium beside its package, once. The package itself unpacks into the temporary directory.
import { mkdirSync } from "node:fs";

import chromium from "@sparticuz/chromium";

process.env.TMPDIR = `${import.meta.dirname}/node_modules/.chromium`;
mkdirSync(process.env.TMPDIR, { recursive: true });
await chromium.executablePath();
