import { isIP } from "node:net";

export interface Config {
  port: number;
  interface: string;
  sidecar: string; // the address of its HTTP API
  appToken: string; // which the sidecar sends
  sidecarToken: string; // which the sidecar demands
  shop: string; // the address with which links in mails begin, without a slash at the end
  mail: "files" | "smtp"; // what the mail component does
  from: string;
  importOnly: boolean; // take in an import of data and do nothing else
  logLevel: string;
}

/** Reads the variables that the launcher, or Dapr's injector on Kubernetes, sets. Errors name the variable. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const needed = (name: string): string => {
    const value = env[name];
    if (!value) throw new Error(`${name} is not set: start the app with make up APPS=examples/notifications-node`);
    return value;
  };
  const oneOf = <T extends string>(name: string, values: [T, ...T[]]): T => {
    const value = env[name] || values[0];
    if (!values.includes(value as T))
      throw new Error(`${name} is ${JSON.stringify(value)}: expected ${values.join(" or ")}`);
    return value as T;
  };
  const port = Number(needed("APP_PORT"));
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw new Error("APP_PORT is not a port");
  return {
    port,
    interface: env.LISTEN_INTERFACE || "127.0.0.1",
    sidecar: `http://127.0.0.1:${env.DAPR_HTTP_PORT || "3500"}`,
    appToken: needed("APP_API_TOKEN"),
    sidecarToken: env.DAPR_API_TOKEN ?? "",
    shop: shopAddress(env.SHOP_URL),
    mail: oneOf("MAIL", ["files", "smtp"]),
    from: env.MAIL_FROM || "Haberdash <shop@haberdash.test>",
    importOnly: oneOf("MOVE_IN", ["off", "on"]) === "on",
    logLevel: oneOf("LOG_LEVEL", ["info", "debug", "warn", "error", "trace"]),
  };
}

/**
 * Checks the public address of the shop. For this machine http is enough; elsewhere everybody on the way could read the
 * tokens in the links. There is no default, because links would lead nowhere.
 */
function shopAddress(text: string | undefined): string {
  const advice = "set it to the public address of the shop, such as https://shop.example";
  if (!text) throw new Error(`SHOP_URL is not set: ${advice}`);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const wrong = (why: string) => new Error(`SHOP_URL: ${why}: ${advice}`);
  if (!url || !["http:", "https:"].includes(url.protocol) || !url.hostname || text.includes("\\")) {
    throw wrong(`${JSON.stringify(text)} is not an absolute http or https URL`);
  }
  if (url.username || url.password) throw wrong("the URL contains a user"); // perhaps with a password
  if (/[?#]/.test(text)) throw wrong(`${JSON.stringify(text)} has a query or a fragment`);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const local = host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
  if (url.protocol === "http:" && !local) throw wrong(`${JSON.stringify(text)} is not https`);
  return text.replace(/\/+$/, "");
}
