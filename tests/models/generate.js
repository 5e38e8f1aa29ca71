// Writes the TypeScript types of all schemas of an AsyncAPI document.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { compile } from "json-schema-to-typescript";
import { load } from "js-yaml";

const [from, to] = process.argv.slice(2);
const { components } = load(await readFile(from, "utf8"));
// A payload of any message, as one type.
const messages = Object.values(components.messages).map((m) => m.payload);
const schema = { title: "Message", oneOf: messages, components };
const types = await compile(schema, "Message", {
  additionalProperties: false,
  unreachableDefinitions: true,
  cwd: dirname(from),
});
await mkdir(dirname(to), { recursive: true });
await writeFile(to, types);
