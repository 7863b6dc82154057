// What the marionette's part of the page consists of.

import { choice, element, field } from "/static/lib/dom.js";

const SPEED = { low: 2, high: 30, begin: 15 };
const FRAMES = { low: 2, high: 120, begin: 30 };
const VIEWS = { moved: "Moved", original: "Original", flow: "Flow" };

const KEYS = [
  ["A", "adds a fixed point in the middle"],
  ["Arrow keys", "move the chosen head; with Shift, the whole arrow; with none chosen, the image"],
  ["Tab", "goes on to the next arrow"],
  ["Delete", "removes it"],
  ["Ctrl+Z", "undoes"],
  ["V", "shows another view"],
  ["Space", "plays"],
  ["+ - 0", "zoom; also the wheel and two fingers. Shift and a drag move the image"],
];

/** Makes the elements, and functions that show things in them; `on` has what is shown in it and what its controls do. */
export function layout(on) {
  const controls = bar(on);
  const films = player(on);
  const note = element("p", { class: "note", role: "status", hidden: true });
  const undo = element("button", { textContent: "Undo", disabled: true, onclick: on.undo });
  const remove = element("button", { textContent: "Remove", disabled: true, onclick: on.remove });
  const clear = element("button", { textContent: "Clear", disabled: true, onclick: on.clear });
  const left = element(
    "div",
    { class: "pulled" },
    on.stage,
    element("div", { class: "row" }, undo, remove, clear),
    note,
    element("details", {}, element("summary", { textContent: "Mouse, fingers and keys" }), help()),
  );
  const seen = views();
  const elements = [
    controls.root,
    element("div", { class: "split marionette" }, left, element("div", { class: "side" }, seen.root, films.root)),
  ];
  return {
    elements,
    ...seen.does,
    ...films.does,
    looking: controls.looking,
    size: controls.size,
    note(text) {
      note.textContent = text;
      note.hidden = !text;
    },
    arrows(arrows) {
      undo.disabled = !arrows.undoable;
      remove.disabled = !arrows.current;
      clear.disabled = !arrows.list.length;
    },
  };
}

function bar(on) {
  const buttons = Object.entries(VIEWS).map(([view, textContent]) =>
    element("button", { textContent, "aria-pressed": String(view === "moved"), onclick: () => on.view(view), "data-view": view }),
  );
  const size = element("span", { class: "size faint" });
  const model = choice(on.models.map(({ name }) => [name, name]), on.models[0].name, on.model);
  return {
    root: element(
      "div",
      { class: "bar" },
      on.pick,
      field("Model", model),
      element("div", { class: "row", role: "group", "aria-label": "What the large image shows" }, buttons),
      size,
    ),
    looking(view) {
      for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.view === view));
    },
    size(picture, full) {
      const smaller = picture.width !== full.width;
      size.textContent = `${picture.width} × ${picture.height}${smaller ? `, made smaller from ${full.width} × ${full.height}` : ""}`;
    },
  };
}

/** The moved image and the flow, small. */
function views() {
  const moved = element("canvas", { role: "img", "aria-label": "The moved image" });
  const flow = element("canvas", { role: "img", "aria-label": "The predicted flow" });
  const time = element("span", { class: "faint" });
  const full = element("span", { class: "faint" });
  const wheel = element("img", { src: "/api/marionette/wheel", alt: "Colours of directions", width: 40, height: 40 });
  return {
    root: element(
      "div",
      { class: "views" },
      element("figure", {}, moved, element("figcaption", {}, "Moved ", time)),
      element("figure", {}, flow, element("figcaption", { class: "row" }, wheel, element("span", {}, "Predicted flow ", full))),
    ),
    does: {
      pictures(movedPicture, flowPicture) {
        paint(moved, movedPicture);
        paint(flow, flowPicture, movedPicture);
      },
      predicted(seconds, most) {
        time.textContent = seconds === undefined ? "" : `in ${seconds.toFixed(2)} s`;
        full.textContent = most === undefined ? "" : `full colour: ${most.toFixed(1)} pixels`;
      },
    },
  };
}

/** Draws a picture on a canvas; where there is none, white, of the size of another. */
function paint(canvas, picture, other = picture) {
  if (!other) return;
  canvas.width = other.width;
  canvas.height = other.height;
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  if (picture) context.drawImage(picture, 0, 0);
}

function player(on) {
  const frames = range("Frames", FRAMES, (value) => `${value}`);
  const speed = range("Speed", SPEED, (value) => `${value} a second`);
  const back = element("input", { type: "checkbox", checked: true });
  const play = element("button", { class: "primary", textContent: "Play", onclick: on.play });
  const saves = ["mp4", "gif"].map((kind) => element("button", { textContent: `Save ${kind === "gif" ? "GIF" : kind}`, onclick: () => on.save(kind) }));
  const cancel = element("button", { textContent: "Cancel", hidden: true, onclick: on.cancel });
  const bar = element("progress", { max: 1, value: 0, hidden: true, "aria-label": "How far it is" });
  return {
    root: element(
      "section",
      { class: "player", "aria-label": "Animation" },
      element("div", { class: "row" }, play, saves, cancel),
      bar,
      frames.root,
      speed.root,
      element("label", { class: "row" }, back, "and back again"),
      element("span", { class: "faint", textContent: "A GIF is at most 480 pixels wide or high, and has at most 100 frames." }),
    ),
    does: {
      film: () => ({ frames: frames.value(), speed: speed.value(), back: back.checked }),
      progress(share) {
        bar.hidden = share === undefined;
        bar.value = share ?? 0;
      },
      playing: (now) => (play.textContent = now ? "Stop" : "Play"),
      saving(now) {
        for (const button of [play, ...saves]) button.disabled = now;
        cancel.hidden = !now;
      },
    },
  };
}

/** A slider that says its value. */
function range(name, { low, high, begin }, words) {
  const said = element("span", { textContent: words(begin) });
  const input = element("input", { type: "range", min: low, max: high, value: begin, "aria-label": name, oninput: () => (said.textContent = words(input.value)) });
  return { root: element("label", { class: "field" }, element("span", { class: "between" }, name, said), input), value: () => Number(input.value) };
}

function help() {
  return element(
    "div",
    {},
    element("p", { textContent: "Drag from a place on the image to pull an arrow there; a tap sets a fixed point. Drag a head to change an arrow, its foot to move it; a tap chooses it." }),
    element("dl", { class: "keys" }, KEYS.flatMap(([key, what]) => [element("dt", {}, element("kbd", { textContent: key })), element("dd", { textContent: what })])),
  );
}
