// How arrows are pulled: by mouse, touch and keyboard.

import { head, isFixed } from "./arrows.js";

/** Pixels of the screen within which something is hit, and within which a pointer has not moved. */
const REACH = { mouse: 10, other: 22 };
const STILL = { mouse: 3, other: 8 };
const of = (table, event) => table[event.pointerType === "mouse" ? "mouse" : "other"];

/** Makes the stage's press: full() is called where there are too many arrows. */
export function presser(arrows, stage, full) {
  return (point, event) => {
    if (event.button !== 0 || event.shiftKey) return undefined;
    const found = hit(arrows.list, point, of(REACH, event) * stage.unit);
    if (!found && !stage.inside(point)) return undefined;
    let moved = false;
    const begin = () => {
      if (found && found.part !== "shaft") {
        arrows.choose(found.index);
        arrows.mark();
        return true;
      }
      const added = arrows.add(point);
      if (!added) full();
      return added;
    };
    const move = (to, last) => {
      if (!moved && Math.hypot(to.y - point.y, to.x - point.x) < of(STILL, last) * stage.unit) return;
      if (!moved) moved = begin();
      if (!moved) return;
      if (found?.part === "foot") arrows.moveTo(to);
      else arrows.pullTo(closed(arrows.current, to, stage.unit));
    };
    const up = () => {
      if (moved) return;
      if (found) arrows.choose(found.index);
      else if (!arrows.add(point)) full();
    };
    return { move, up, cancel: () => moved && arrows.undo() };
  };
}

/** Finds what is at a point: heads lie over feet, and both over shafts; of a fixed point, its foot. */
function hit(list, point, reach) {
  const near = (other) => Math.hypot(other.y - point.y, other.x - point.x);
  const parts = {
    head: (arrow) => (isFixed(arrow) ? Infinity : near(head(arrow))),
    foot: near,
    shaft: (arrow) => near(nearest(arrow, point)),
  };
  for (const [part, distance] of Object.entries(parts)) {
    const found = list.map((arrow, index) => ({ index, part, far: distance(arrow) })).sort((a, b) => a.far - b.far)[0];
    if (found?.far <= reach) return found;
  }
  return undefined;
}

/** The point of an arrow's shaft that is nearest to a point. */
function nearest({ y, x, dy, dx }, point) {
  const squared = dy * dy + dx * dx;
  const share = squared ? Math.min(Math.max(((point.y - y) * dy + (point.x - x) * dx) / squared, 0), 1) : 0;
  return { y: y + share * dy, x: x + share * dx };
}

/** A head that is pulled back onto its foot makes a fixed point. */
function closed(arrow, to, unit) {
  return Math.hypot(to.y - arrow.y, to.x - arrow.x) < 5 * unit ? arrow : to;
}

const WAYS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/** Makes the stage's keys; middle() is where an arrow is added, play() plays, show() shows the next view. */
export function keys(arrows, { middle, full, play, show }) {
  const step = () => Math.max(1, Math.round(Math.min(arrows.width, arrows.height) / 100));
  const go = (event) => {
    if (!arrows.current) return false; // the stage moves the picture
    const [y, x] = WAYS[event.key].map((way) => way * step());
    arrows.mark(event.shiftKey ? "foot" : "head");
    if (event.shiftKey) arrows.moveTo({ y: arrows.current.y + y, x: arrows.current.x + x });
    else arrows.pullTo({ y: head(arrows.current).y + y, x: head(arrows.current).x + x });
    return true;
  };
  const next = (event) => {
    const index = arrows.chosen < 0 && event.shiftKey ? arrows.list.length - 1 : arrows.chosen + (event.shiftKey ? -1 : 1);
    const there = index >= 0 && index < arrows.list.length;
    if (there || arrows.current) arrows.choose(there ? index : -1);
    return there; // after the last, the next control has its turn
  };
  const doings = {
    a: () => arrows.add(middle()) || full(),
    v: show,
    " ": play,
    Delete: () => arrows.remove(),
    Backspace: () => arrows.remove(),
    Escape: () => arrows.choose(-1),
    Tab: next,
    ...Object.fromEntries(Object.keys(WAYS).map((name) => [name, go])),
  };
  return (event) => {
    const undo = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z";
    if (!undo && (event.ctrlKey || event.metaKey || event.altKey)) return;
    const doing = undo ? () => arrows.undo() : doings[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!doing || doing(event) === false) return;
    event.preventDefault();
    event.stopPropagation();
  };
}
