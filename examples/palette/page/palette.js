// The page: a rainbow, live over Socket.IO. Its name is changed over Socket.IO too, colours over REST.

import { io } from "./vendor/socket.io.esm.min.js";

const rainbow = new URLSearchParams(location.search).get("rainbow") ?? "dawn";
const socket = io("/palette");
const element = (id) => document.getElementById(id);
const swatches = new Map();

function show(value) {
  element("name").textContent = value.rainbowName;
  const items = value.colors.map(swatch);
  const shown = [...element("colors").children];
  // What is in use is left where it is: it would lose the focus, and close its picker.
  if (items.length !== shown.length || items.some((item, place) => item !== shown[place]))
    element("colors").replaceChildren(...items);
  complain("");
}

function swatch(color) {
  const item = swatches.get(color.id) ?? newSwatch(color.id);
  item.querySelector("input").value = item.dataset.shade = color.shade;
  item.querySelector("label").style.backgroundColor = color.shade;
  item.querySelector("span").textContent = color.name;
  return item;
}

function newSwatch(id) {
  const input = Object.assign(document.createElement("input"), { type: "color", id });
  const label = document.createElement("label");
  const item = document.createElement("li");
  label.append(input, document.createElement("span"));
  item.append(label);
  input.addEventListener("change", async () => {
    const problem = await paint(id, input.value);
    complain(problem);
    if (problem) input.value = item.dataset.shade;
  });
  swatches.set(id, item);
  return item;
}

async function paint(id, shade) {
  try {
    const answer = await fetch(`/colors/${encodeURIComponent(id)}`, {
      method: "PATCH",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ shade }),
    });
    return answer.ok ? "" : words(await answer.json());
  } catch {
    return "The server cannot be reached.";
  }
}

function words(problem) {
  return [problem.detail, ...Object.values(problem.errors ?? {}).flat()].join(" ");
}

function complain(text) {
  element("problem").textContent = text;
}

async function subscribe() {
  const answer = await socket.emitWithAck("subscribe_view_model", { doc_id: rainbow });
  if (!answer.error) show(answer.value);
  element("status").textContent = answer.error ? "not there" : "live";
}

// If the connection is lost before the answer, the next one asks again.
socket.on("connect", () => subscribe().catch(() => {}));
socket.on("disconnect", () => (element("status").textContent = "connecting"));
socket.on("updated", show);
socket.on("error", (problem) => complain(words(problem)));

element("rename").addEventListener("submit", async (event) => {
  event.preventDefault();
  const data = { rainbowName: element("wanted").value };
  try {
    await socket.emitWithAck("mutate", { operation: "patch", doc_id: rainbow, data });
  } catch {
    complain("The connection was lost: look whether it has the name.");
  }
});
