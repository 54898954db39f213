// Holds a view as a page would: subscribes, applies patches, resumes after a lost connection.
//
//   node holder.cjs ADDRESS NAMESPACE ARGUMENTS OPTIONS
//
// Says {told: {version, updates}, value}, {answer}, {problem}, {connected}; each a line of JSON.
// Is told {emit: [event, ...]} or {drop: true}.

const { io } = require("socket.io-client");
const { applyPatch, deepClone } = require("fast-json-patch");
const readline = require("node:readline");

const [address, namespace, given, options] = process.argv.slice(2);
const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");
const socket = io(address + namespace, {
  transports: ["websocket"],
  reconnectionDelay: 10,
  reconnectionDelayMax: 20,
});
let held = { version: 0, value: null };

function take(value, meta) {
  if (meta.updates === "full") held = { version: meta.version, value };
  else if (meta.updates === "json-patch") {
    if (meta.previous_version !== held.version) return say({ gap: meta, held: held.version });
    held = { version: meta.version, value: applyPatch(deepClone(held.value), value).newDocument };
  }
  say({ told: meta, value: held.value });
}

async function subscribe() {
  const wanted = { ...JSON.parse(options), ...(held.version ? { version: held.version } : {}) };
  const answer = await socket.emitWithAck("subscribe_view_model", JSON.parse(given), wanted);
  if (answer.error) return say({ problem: answer.error });
  say({ connected: true, resumed: answer.updates });
  take(answer.value, answer);
}

socket.on("connect", () => subscribe().catch((error) => say({ lost: String(error) })));
socket.on("updated", take);
socket.on("error", (problem) => say({ problem }));

readline.createInterface({ input: process.stdin }).on("line", async (line) => {
  const command = JSON.parse(line);
  if (command.drop) socket.io.engine.transport.ws.terminate();
  if (command.emit) say({ answer: await socket.emitWithAck(...command.emit) });
});
