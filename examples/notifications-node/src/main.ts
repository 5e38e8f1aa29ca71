// Runs the app. The launcher of the shop, or `dapr run`, sets its variables.

import { setTimeout as sleep } from "node:timers/promises";
import { ecsFormat } from "@elastic/ecs-pino-format";
import type { FastifyInstance } from "fastify";
import { pino } from "pino";
import { APP, newApp, newImporter } from "./app.js";
import { readConfig, type Config } from "./config.js";
import { newVerifier } from "./identity.js";
import { Letters } from "./letters.js";
import { newSender } from "./mail.js";
import { Notifications } from "./notifications.js";
import { Sidecar } from "./sidecar.js";
import { markUsed } from "./transfer.js";

const SIDECAR_MS = 60_000; // the sidecar may take so long to start

const logger = pino({ ...ecsFormat({ serviceName: APP }), level: process.env.LOG_LEVEL || "info" });

async function awaitSidecar(sidecar: Sidecar): Promise<void> {
  for (const began = Date.now(); !(await sidecar.healthy());) {
    if (Date.now() - began > SIDECAR_MS) throw new Error("the sidecar does not answer");
    await sleep(100);
  }
}

/** Starts the server, and returns it with the function that ends what runs beside it. */
async function start(config: Config): Promise<{ server: FastifyInstance; end: () => Promise<void> }> {
  const sidecar = new Sidecar(config.sidecar, config.sidecarToken);
  const parts = { sidecar, appToken: config.appToken, logger };
  await awaitSidecar(sidecar);
  if (config.importOnly) {
    logger.info("import mode (MOVE_IN=on): the app accepts an import of data and does nothing else");
    return { server: newImporter(parts), end: async () => {} };
  }
  const send = newSender(config.mail, config.from, sidecar);
  const notifications = new Notifications(sidecar, new Letters(config.shop), send, logger);
  await markUsed(sidecar).catch((error) => logger.warn({ err: error }, "cannot mark the store as one that is in use"));
  const stopping = new AbortController();
  const feeds = notifications.consumer.run(stopping.signal);
  const end = async () => {
    stopping.abort();
    await feeds;
  };
  return { server: newApp(parts, notifications, newVerifier(sidecar)), end };
}

async function run(): Promise<void> {
  const stopped = new Promise((resolve) => process.once("SIGTERM", resolve).once("SIGINT", resolve));
  const config = readConfig(process.env);
  logger.info("starting");
  const { server, end } = await start(config);
  await server.listen({ host: config.interface, port: config.port });
  await stopped;
  await server.close(); // when all requests are answered
  await end();
  logger.info("stopped");
}

run().then(
  () => process.exit(),
  (error: Error) => {
    logger.error({ err: error }, `the app cannot go on: ${error.message}`);
    process.exitCode = 1;
    setTimeout(() => process.exit(), 200); // `dapr run` loses the last lines of a program that ends at once
  },
);
