// GitHub's own library verifies each webhook: 202 if its signature holds, 401 if not. It ends with its standard input.

import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

// The packages lie in the folder from which this runs.
const { verify } = await import(pathToFileURL(`${process.cwd()}/node_modules/@octokit/webhooks-methods/dist-node/index.js`).href);

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks).toString("utf8");
  const holds = await verify(process.env.WEBHOOK_SECRET, body, request.headers["x-hub-signature-256"]);
  response.writeHead(holds ? 202 : 401).end();
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit()).resume();
