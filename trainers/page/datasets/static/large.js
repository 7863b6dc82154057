// One sample large: its layers and overlays to choose from, values under the pointer, and what is known of it.

import { latest } from "/static/lib/api.js";
import { element } from "/static/lib/dom.js";
import { Stage } from "/static/lib/stage.js";
import { Controls } from "./controls.js";
import { drawn, firstOf, layersOf } from "./layers.js";
import { overlay, overlaysOf } from "./overlays.js";
import { panel } from "./panel.js";
import { valuesAt } from "./values.js";

/** What was chosen stays for the next sample, as far as it has it. */
const chosen = { title: "", overlays: new Set(["lines"]), over: 0.1, merges: 0 };

/** Fills root; what cannot be drawn is said by `status`. */
export function openLarge(root, members, status) {
  const layers = layersOf(members);
  const stages = element("div", { class: "stages" });
  const note = element("p", { class: "note", role: "status" });
  const side = element("div", { class: "side" });
  root.replaceChildren(element("div", { class: "split" }, element("div", {}, stages, keys()), side));
  if (!layers.length) {
    stages.replaceChildren(element("p", { class: "faint", textContent: "There is nothing of it to be drawn." }));
    side.append(panel(members.facts));
    return;
  }
  const state = { members, layers, layer: layers.find((one) => one.title === chosen.title) ?? firstOf(layers), full: undefined };
  const shown = [];
  const redraw = latest(async () => {
    try {
      const told = await draw(state, shown, stages);
      note.textContent = [...new Set(told.map((one) => one.note))].join(" ").trim();
      controls.drawn(told[0]);
      status.clear();
    } catch (problem) {
      if (problem.name === "AbortError") return;
      status.fail(problem.message);
      note.textContent = "";
      stages.replaceChildren();
      shown.length = 0;
    }
  });
  const controls = new Controls(state, chosen, overlaysOf(members), redraw);
  side.append(controls.root, note, panel(members.facts));
  redraw();
}

/** The layers that are seen for the chosen one: estimate, truth and their difference where they are compared. */
function seen({ layers, layer }) {
  if (layer.kind !== "beside") return [layer];
  const one = (name, kind) => layers.find((other) => other.name === name && other.kind === kind);
  return [one(layer.name, "flow"), one(`truth.${layer.name}`, "flow"), one(layer.name, "difference")];
}

async function draw(state, shown, root) {
  const { members } = state;
  const wanted = seen(state);
  const look = { over: chosen.over, merges: chosen.merges, lines: chosen.overlays.has("lines") };
  const told = [];
  const overlays = [];
  for (const layer of wanted) {
    told.push(await drawn(members, layer, { ...look, full: state.full ?? (await fullOf(members, layer)) }));
    overlays.push(await overlay(members, chosen.overlays, layer));
  }
  if (shown.length !== wanted.length) {
    shown.splice(0, shown.length, ...wanted.map(() => new Stage({ label: "Picture of the sample" })));
    for (const stage of shown) leads(stage, shown);
    root.replaceChildren(...shown.map((stage) => stage.root));
    root.classList.toggle("beside", wanted.length > 1);
  }
  shown.forEach((stage, i) => {
    const layer = wanted[i];
    const say = (point) => {
      const values = valuesAt(members, layer, point, told[i].picture);
      shown.forEach((other, j) => {
        other.mark = other === stage || !values ? undefined : point;
        other.say(other === stage && values ? values : titleIn(wanted, j));
        if (shown.length > 1) other.redraw();
      });
    };
    stage.hover = say;
    stage.press = (point) => void say(point);
    stage.draw = (context) => {
      overlays[i](context, stage);
      if (stage.mark) cross(context, stage);
      if (stage.leads) follow(stage, shown);
    };
    stage.canvas.setAttribute("aria-label", layer.title);
    stage.say(titleIn(wanted, i));
    stage.show(told[i].picture);
  });
  return told;
}

const titleIn = (layers, i) => (layers.length > 1 ? layers[i].title : "");

/** The truth is drawn in the colours of the estimate, so that both mean the same. */
async function fullOf(members, { kind, name }) {
  const estimate = name.replace("truth.", "");
  return kind === "flow" && estimate !== name && members.has(estimate) ? (await members.array(estimate)).full : undefined;
}

/** The stage that was touched last leads the others. */
function leads(stage, others) {
  for (const name of ["pointerdown", "wheel", "keydown"]) {
    stage.root.addEventListener(name, () => others.forEach((other) => (other.leads = other === stage)), { capture: true, passive: true });
  }
}

/** Other stages show what this one does. */
function follow(stage, others) {
  for (const other of others) {
    if (other.scale === stage.scale && other.x === stage.x && other.y === stage.y) continue;
    Object.assign(other, { scale: stage.scale, x: stage.x, y: stage.y });
    other.redraw();
  }
}

function cross(context, { unit, mark }) {
  for (const [color, width] of [["#000", 3], ["#fff", 1.2]]) {
    context.strokeStyle = color;
    context.lineWidth = width * unit;
    context.beginPath();
    for (const [dx, dy] of [[8, 0], [0, 8]]) {
      context.moveTo(mark.x - dx * unit, mark.y - dy * unit);
      context.lineTo(mark.x + dx * unit, mark.y + dy * unit);
    }
    context.stroke();
  }
}

function keys() {
  const told = [["←", "→", "other samples"], ["Esc", "back"], ["+", "−", "0", "zoom"], ["Shift", "←", "move"]];
  const parts = told.map((line) => element("span", {}, line.slice(0, -1).flatMap((key) => [element("kbd", { textContent: key }), " "]), line.at(-1)));
  return element("p", { class: "faint keys" }, parts);
}
