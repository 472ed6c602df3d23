// Unpacks the browser, the libraries it needs and a font into the folder $TMPDIR.
import { existsSync } from "node:fs";
import { inflate } from "@sparticuz/chromium";

const folder = new URL("node_modules/@sparticuz/chromium/bin/", import.meta.url);
for (const name of ["chromium.br", "al2023.tar.br", "fonts.tar.br"]) {
  const file = new URL(name, folder).pathname;
  if (!existsSync(file)) throw new Error(`${file} is missing`);
  await inflate(file);
}
