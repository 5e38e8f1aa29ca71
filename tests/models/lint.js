// Checks an AsyncAPI document by the specification and by the rules of the AsyncAPI initiative. Errors and warnings
// fail.
import { readFile } from "node:fs/promises";
import { Parser } from "@asyncapi/parser";

const [path] = process.argv.slice(2);
const { diagnostics } = await new Parser().parse(await readFile(path, "utf8"));
const [error, warning] = [0, 1];
const found = diagnostics.filter((d) => d.severity === error || d.severity === warning);
for (const d of found) {
  const at = `${path}:${d.range.start.line + 1}`;
  console.error(`${at}: ${d.code} ${d.path.join(".")}: ${d.message}`);
}
process.exitCode = found.length > 0 ? 1 : 0;
