// The large view of a sample, from which one goes to the others that the filters let through.

import { get, latest } from "/static/lib/api.js";
import { element } from "/static/lib/dom.js";
import { attempt, Status } from "/static/lib/status.js";
import { last } from "./grid.js";
import { openLarge } from "./large.js";
import { Members } from "./members.js";
import { count, filtered, hashOf, named, titleOfView } from "./where.js";

export async function openSample(main, place, key) {
  const name = element("span");
  const status = new Status(main, ...titleOfView(place), " / ", name);
  status.busy("Opening the sample…");
  const found = await get("/api/datasets/find", { ...filtered(place), key });
  const state = { index: found.place, total: found.total, members: undefined, closed: false };
  const body = element("div");
  const grid = () => (location.hash = hashOf(place));
  const buttons = [["‹", "The sample before", -1], ["›", "The next sample", 1]].map(([textContent, label, step]) =>
    element("button", { type: "button", textContent, "aria-label": label, title: label, onclick: () => go(state.index + step) }),
  );
  const back = element("a", { class: "button", href: hashOf(place), textContent: "All samples" });
  main.append(element("div", { class: "row head" }, back, buttons), body);

  const show = async (row, version) => {
    const facts = await get("/api/datasets/sample", { ...named(place), row, version });
    if (state.closed) return;
    state.members?.close();
    state.members = new Members(place, version, facts);
    name.textContent = facts.key;
    status.tell(state.total ? `Sample ${count(state.index + 1)} of ${count(state.total)}.` : "");
    buttons[0].disabled = state.index <= 0;
    buttons[1].disabled = state.index >= state.total - 1;
    Object.assign(last, { hash: hashOf(place), key: facts.key });
    openLarge(body, state.members, status);
  };
  const move = latest((index) =>
    attempt(async () => {
      status.busy(`Opening ${count(index + 1)} of ${count(state.total)}…`);
      const { rows, version, total } = await get("/api/datasets/rows", { ...filtered(place), offset: index, count: 1 });
      if (!rows.length || state.closed) return;
      Object.assign(state, { index, total });
      history.replaceState(null, "", hashOf(place, rows[0].key));
      await show(rows[0].row, version);
    }),
  );
  const go = (index) => {
    if (index >= 0 && index < state.total) move(index);
  };
  const pressed = (event) => {
    const writes = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "Escape") grid();
    else if (writes || event.shiftKey || event.altKey || event.ctrlKey || event.metaKey) return;
    else if (event.key === "ArrowLeft") go(state.index - 1);
    else if (event.key === "ArrowRight") go(state.index + 1);
    else return;
    event.preventDefault();
    event.stopPropagation(); // the picture would move
  };
  document.addEventListener("keydown", pressed, true);
  try {
    await show(found.row, found.version);
  } catch (error) {
    document.removeEventListener("keydown", pressed, true);
    throw error;
  }
  return () => {
    state.closed = true;
    state.members?.close();
    document.removeEventListener("keydown", pressed, true);
  };
}
