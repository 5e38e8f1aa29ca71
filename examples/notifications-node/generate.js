// Writes what the shop's contract says: the types of the events and internal calls that this app uses, the JSON Schemas
// with which it checks events, and the description of its operations. The argument is the folder api of the shop.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { compile } from "json-schema-to-typescript";

const [api] = process.argv.slice(2);
const read = async (name) => JSON.parse(await readFile(join(api, name), "utf8"));

// The schemas with these names, and those that they refer to.
const at = /^#\/(?:\$defs|components\/schemas)\//;
function collect(schemas, names, into = {}) {
  for (const name of names) {
    if (name in into) continue;
    const inner = [];
    const text = JSON.stringify(schemas[name], (_, value) => {
      if (typeof value?.$ref !== "string") return value;
      inner.push(value.$ref.replace(at, ""));
      return { $ref: value.$ref.replace(at, "#/$defs/") }; // without a description of its own
    });
    into[name] = JSON.parse(text);
    collect(schemas, inner, into);
  }
  return into;
}

const [order, user, orders, users, own, shop] = await Promise.all(
  [
    "events/order.confirmed.1.json",
    "events/user.deleted.1.json",
    "internal/orders.json",
    "internal/users.json",
    "internal/notifications.json",
    "openapi.json",
  ].map(read),
);
const $defs = {
  ...collect(orders.components.schemas, ["ContactsRequest", "ContactsReply", "FeedPage"]),
  ...collect(users.components.schemas, ["UserLetter"]),
  ...collect(own.components.schemas, ["Cursors"]),
  ...collect(order.$defs, ["Event", "OrderFact"]),
  ...collect(user.$defs, ["AccountFact"]),
};
const properties = Object.fromEntries(Object.keys($defs).map((name) => [name, { $ref: `#/$defs/${name}` }]));
const types = await compile({ title: "Contract", type: "object", properties, $defs }, "Contract", {
  additionalProperties: false,
  ignoreMinAndMaxItems: true,
  bannerComment: "// Written by npm run generate.",
});
await writeFile("src/generated/contract.ts", types);

const schemas = Object.fromEntries(
  ["OrderFact", "AccountFact"].map((name) => [name, { $ref: `#/$defs/${name}`, $defs: collect($defs, [name]) }]),
);
const text = `// Written by npm run generate.\n\nexport default ${JSON.stringify(schemas, null, 2)};\n`;
await writeFile("src/generated/schemas.ts", text);

// The operations for operators are described in internal/notifications.json, those for administrators among the public
// ones. Both use components of the same names.
const isLetters = (path) => path.startsWith("/api/v1/dead-letters/");
const paths = { ...own.paths, ...Object.fromEntries(Object.entries(shop.paths).filter(([path]) => isLetters(path))) };
const components = { securitySchemes: shop.components.securitySchemes };
function follow(value) {
  for (const [, kind, name] of JSON.stringify(value).matchAll(/"#\/components\/([^/"]+)\/([^"]+)"/g)) {
    components[kind] ??= {};
    if (name in components[kind]) continue;
    components[kind][name] = own.components[kind]?.[name] ?? shop.components[kind][name];
    follow(components[kind][name]);
  }
}
follow(paths);
await writeFile("openapi.json", `${JSON.stringify({ ...own, components, paths }, null, 2)}\n`);
