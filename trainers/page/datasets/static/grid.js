// A view as a grid that scrolls through all that its filters let through.

import { get } from "/static/lib/api.js";
import { element } from "/static/lib/dom.js";
import { attempt, say, Status } from "/static/lib/status.js";
import { filterBar, leavesOut } from "./filters.js";
import { load } from "./queue.js";
import { Rows } from "./rows.js";
import { ScrollGrid } from "./scroll.js";
import { count, filtered, hashOf, named, thumbOf, titleOfView } from "./where.js";

const POLL = 1500; // ms

/** The sample that was looked at last, so that the grid opens where it is. */
export const last = { hash: "", key: "" };

export async function openGrid(main, place) {
  const status = new Status(main, ...titleOfView(place));
  status.busy("Opening the view…");
  const about = await get("/api/datasets/view", named(place));
  const state = { rows: undefined, timer: undefined, turn: 0, closed: false };
  const empty = element("div", { class: "advice", hidden: true });
  const grid = new ScrollGrid(main, {
    label: `Samples of ${place.dataset} ${place.view}`,
    draw: (index) => cellOf(place, about, state.rows, index),
    seen: (first, end) => state.rows?.want(first, end),
  });
  const changed = async () => {
    const mine = ++state.turn;
    history.replaceState(null, "", hashOf(place));
    state.rows?.close();
    const rows = new Rows(place, (first, end) => arrived(grid, first, end), (error) => say(error.message, true));
    const total = await attempt(() => rows.begin());
    if (total === undefined || state.closed || mine !== state.turn) return;
    state.rows = rows;
    status.tell(said(place, about, total));
    empty.hidden = total > 0;
    if (!total) empty.replaceChildren(...nothing(place, about, bar));
    grid.refresh(total, place.filters.has("failure") ? 3 : 1);
    watch(place, state, status, changed);
  };
  const bar = filterBar(place, about, changed);
  main.append(bar.root, empty, grid.root);
  await changed();
  await back(place, grid);
  return () => {
    state.closed = true;
    clearTimeout(state.timer);
    state.rows?.close();
    grid.close();
  };
}

/** Goes to the sample that was looked at last, where it is among these. */
async function back(place, grid) {
  if (last.hash !== hashOf(place)) return;
  const found = await get("/api/datasets/find", { ...filtered(place), key: last.key }).catch(() => undefined);
  if (found?.total) grid.reach(found.place, true);
}

/** What is shown in place of samples where there is none, and what to do about it. */
function nothing({ filters }, about, { clear }) {
  if (about.samples && leavesOut(filters)) {
    const words = "No sample fits all of these filters.";
    return [element("p", { textContent: words }), element("button", { type: "button", class: "primary", textContent: `Show all ${count(about.samples, "sample")}`, onclick: clear })];
  }
  const why = about.failures.length ? "Choose what failed under Failures to see why." : "Its videos may be too short, or not be there: look at what snakemake said.";
  return [element("p", { textContent: `No sample of this view was made. ${why}` })];
}

function said(place, about, total) {
  const failed = place.filters.get("failure");
  if (failed) return `${count(total)} failed.`;
  const of = total === about.samples ? count(total, "sample") : `${count(total)} of ${count(about.samples, "sample")}`;
  return `${of} of ${count(about.videos, "video")}.`;
}

const ofMotion = ({ filters }) => !filters.has("failure") && ["motion_from", "motion_to", "order"].some((name) => filters.has(name));

const goes = ([least, most]) => ` Mean motion goes from ${least.toFixed(2)} to ${most.toFixed(2)} px here.`;

/** While motion is being measured, says how far it is, and looks again when more is known; then, from where to where it goes. */
function watch(place, state, status, changed) {
  clearTimeout(state.timer);
  if (!ofMotion(place)) return;
  const add = (text) => status.tell(status.line.textContent + text);
  if (state.range) add(goes(state.range));
  const look = async () => {
    const motion = await attempt(() => get("/api/datasets/motion", named(place)));
    if (!motion || state.closed) return;
    const before = state.known ?? 0;
    state.known = motion.done;
    const done = motion.done >= motion.of;
    if (motion.done !== before) await changed(); // which looks again by itself
    else if (!done) state.timer = setTimeout(look, POLL);
    if (done) {
      clearTimeout(state.timer);
      if (motion.range && !state.range) add(goes((state.range = motion.range)));
    } else if (motion.done !== before) add(` The motion of ${count(motion.done)} is known so far: more may follow.`);
  };
  state.timer = setTimeout(look, state.known === undefined ? 100 : POLL);
}

/** Draws cells again whose rows have come. */
function arrived(grid, first, end) {
  let focus = false;
  for (let index = first; index < end; index += 1) {
    const cell = grid.cells.get(index);
    if (!cell) continue;
    focus ||= cell === document.activeElement;
    cell.remove();
    grid.cells.delete(index);
  }
  grid.render();
  if (focus) grid.cells.get(grid.focused)?.focus({ preventScroll: true });
}

function cellOf(place, about, rows, index) {
  const row = rows?.at(index);
  if (!row) return element("a", { class: "sample" }, element("div", { class: "picture" }), element("span", { textContent: "…" }));
  const href = hashOf(place, row.key);
  const member = row.failed ? "jpg" : shownOf(place, about);
  const picture = element("div", { class: "picture" });
  const at = row.key.lastIndexOf("-"); // the frame's number stays where there is little room
  const [video, frame] = at < 0 ? [row.key, ""] : [row.key.slice(0, at), row.key.slice(at)];
  const caption = element("span", {}, element("span", { class: "key" }, element("span", { textContent: video }), frame, row.motion === undefined ? null : element("span", { class: "motion", textContent: `${row.motion.toFixed(2)} px` })));
  const cell = element("a", { class: "sample", href, title: row.failed ? `${row.key}: ${row.failed.reason}` : row.key }, picture, caption);
  if (row.failed) caption.append(element("span", { class: "bad", textContent: `${row.failed.stage}: ${row.failed.reason}` }));
  if (member) {
    const img = element("img", { alt: "", draggable: false });
    picture.append(img);
    const failed = () => picture.replaceChildren(element("span", { class: row.failed ? "faint" : "bad", textContent: row.failed ? "no picture" : "cannot be read" }));
    queueMicrotask(() => load(img, thumbOf(place, rows.version, row.row, member), failed));
  }
  return cell;
}

/** The member that the grid shows. */
function shownOf(place, about) {
  const small = about.members.filter((member) => member.small).map((member) => member.name);
  const asked = place.filters.get("show");
  return small.includes(asked) ? asked : small[0];
}
