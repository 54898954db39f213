// The page: a rainbow, live over Socket.IO. Its name is changed over Socket.IO too, colours over REST.

import { io } from "./vendor/socket.io.esm.min.js";

const rainbow = new URLSearchParams(location.search).get("rainbow") ?? "dawn";
const socket = io("/palette");
const element = (id) => document.getElementById(id);

function show(value) {
  element("name").textContent = value.rainbowName;
  element("colors").replaceChildren(...value.colors.map(swatch));
}

function swatch(color) {
  const input = document.createElement("input");
  Object.assign(input, { type: "color", value: color.shade, id: color.id });
  input.addEventListener("change", () => paint(color.id, input.value));
  const label = document.createElement("label");
  label.style.backgroundColor = color.shade;
  label.append(input, color.name);
  const item = document.createElement("li");
  item.append(label);
  return item;
}

async function paint(id, shade) {
  const answer = await fetch(`/colors/${encodeURIComponent(id)}`, {
    method: "PATCH",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ shade }),
  });
  complain(answer.ok ? "" : (await answer.json()).detail);
}

function complain(text) {
  element("problem").textContent = text;
}

socket.on("connect", async () => {
  const answer = await socket.emitWithAck("subscribe_view_model", { doc_id: rainbow });
  if (answer.error) return;
  show(answer.value);
  element("status").textContent = "live";
});
socket.on("disconnect", () => (element("status").textContent = "connecting"));
socket.on("updated", show);
socket.on("error", (problem) => complain(problem.detail));

element("rename").addEventListener("submit", async (event) => {
  event.preventDefault();
  const data = { rainbowName: element("wanted").value };
  const answer = await socket.emitWithAck("mutate", { operation: "patch", doc_id: rainbow, data });
  if (!answer.error) complain("");
});
