// A small database server for the tests: an engine with live queries of its own, behind SurrealDB's
// own protocol.
//
//     node server.mjs ADDRESS_FILE DATA      in the folder where package.json is installed
//
// It serves DATA (rocksdb://FOLDER, or mem://) on a free port of 127.0.0.1, writes
// ws://127.0.0.1:PORT to ADDRESS_FILE once it listens, knows the server user root / secret, and
// ends with its standard input. Every socket has a session of its own, which is anonymous until it
// signs in. Without arguments it only tries whether the engine can be loaded.
//
// As a stand-in for the program surreal it takes its port and its user from the environment
// (NATIVE_PORT, SURREAL_USER, SURREAL_PASS), writes no address, and does not listen to its input.
//
// Frames are spliced, never translated: to JavaScript, 1.0 and 1 are the same.

import { readdirSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.cwd(), "package.json"));
const { CborCodec, Uuid } = require("surrealdb");
const { WebSocketServer } = require("ws");

const codec = new CborCodec({});
const entry = (pair) => Buffer.from(codec.encode(pair)).subarray(1); // a key and its value, no map
const map = (...entries) => Buffer.concat([Uint8Array.of(0xa0 + entries.length), ...entries]);
const RESULT = entry({ result: 0 }).subarray(0, -1);
const ERROR = entry({ error: 0 }).subarray(0, -1);

// The engine from npm trusts whoever has not signed in; a server lets them do this and no more.
const OPEN = ["authenticate", "invalidate", "ping", "reset", "signin", "signup", "use", "version"];
const act = { actor: "anonymous", action: "process", resource: "query" };
const ANONYMOUS = {
  code: -32002,
  kind: "NotAllowed",
  message: "Anonymous access not allowed: Not enough permissions to perform this action",
  details: { kind: "Auth", details: { kind: "NotAllowed", details: act } },
};

function loadEngine() {
  const folder = join(process.cwd(), "node_modules", "@surrealdb", "node", "dist");
  const system = `surrealdb-node.${process.platform}-${process.arch}`;
  const problems = [];
  for (const file of readdirSync(folder).filter((name) => name.startsWith(system))) {
    try {
      return require(join(folder, file)).SurrealNodeEngine;
    } catch (problem) {
      problems.push(problem.message);
    }
  }
  throw new Error(`there is no ${system}.node here, or: ${problems.join("; ")}`);
}

const Engine = loadEngine();
const [addressFile, data] = process.argv.slice(2);
if (!addressFile) process.exit();

const engine = await Engine.connect(data, {});
const call = (method, rest) => engine.execute(codec.encode({ id: "0", method, ...rest }));
const { NATIVE_PORT = "", SURREAL_USER: user = "root", SURREAL_PASS: password = "secret" } = process.env;
const define = `DEFINE USER OVERWRITE ${user} ON ROOT PASSWORD '${password}' ROLES OWNER`;
await call("query", { params: [define] });

const sockets = new Map(); // by session and by live query: the last notification names no session

function converse(socket) {
  const session = Uuid.v4();
  const attached = call("attach", { session });
  let signedIn = false;
  sockets.set(String(session), socket);

  async function answer(frame, { method, params }) {
    if (!signedIn && !OPEN.includes(method)) return entry({ error: ANONYMOUS });
    await attached;
    const [head, rest] = [Uint8Array.of(frame[0] + 1), frame.subarray(1)]; // one entry more
    const result = await engine.execute(Buffer.concat([head, rest, entry({ session })]));
    if (ERROR.equals(result.subarray(1, 1 + ERROR.length))) return result.subarray(1);
    if (["authenticate", "signin", "signup"].includes(method)) signedIn = true;
    if (["invalidate", "reset"].includes(method)) signedIn = false;
    for (const id of started(method, params, result)) sockets.set(String(id), socket);
    return Buffer.concat([RESULT, result]);
  }

  socket.on("message", async (frame) => {
    let request = {};
    try {
      request = codec.decode(frame);
      socket.send(map(entry({ id: request.id }), await answer(frame, request)));
    } catch ({ message }) {
      const error = { code: -32000, kind: "Internal", message };
      socket.send(codec.encode({ id: request.id, error }));
    }
  });
  socket.on("close", async () => {
    for (const [key, owner] of sockets) if (owner === socket) sockets.delete(key);
    await attached;
    await call("detach", { session });
  });
}

// The live queries that a request has started.
function started(method, params, result) {
  if (method === "live") return [codec.decode(result)];
  if (method !== "query" || !/\blive\b/i.test(params[0])) return [];
  const answers = codec.decode(result).filter(({ status }) => status === "OK");
  return answers.filter(({ type }) => type === "live").map(({ result }) => result);
}

async function deliver(notifications) {
  for (let frame; (frame = await notifications.recv()) !== null; ) {
    const { id, session, action } = codec.decode(frame);
    const socket = sockets.get(String(session)) ?? sockets.get(String(id));
    socket?.send(map(Buffer.concat([RESULT, frame])));
    if (action === "KILLED") sockets.delete(String(id));
  }
}

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(NATIVE_PORT),
  path: "/rpc",
  maxPayload: 0,
  handleProtocols: (offered) => offered.has("cbor") && "cbor",
});
server.on("connection", converse);
server.on("listening", () => {
  if (NATIVE_PORT) return;
  writeFileSync(`${addressFile}.tmp`, `ws://127.0.0.1:${server.address().port}`);
  renameSync(`${addressFile}.tmp`, addressFile);
});
if (!NATIVE_PORT) process.stdin.on("end", () => process.exit()).resume();
deliver(await engine.notifications());
