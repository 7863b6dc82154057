// The marionette: arrows are pulled on an image, and it moves as they say.

import { get, latest, post } from "/static/lib/api.js";
import { styled } from "/static/lib/dom.js";
import { noModel } from "/static/lib/models.js";
import { picker } from "/static/lib/picker.js";
import { Stage } from "/static/lib/stage.js";
import { attempt, say, Status } from "/static/lib/status.js";
import { Arrows, rows } from "./arrows.js";
import { drawArrows, drawCrosshair } from "./drawing.js";
import { layout } from "./layout.js";
import { decoded } from "./parts.js";
import { Player } from "./player.js";
import { keys, presser } from "./pulling.js";
import { download, fileOf } from "./saving.js";
import { named, sharesOf, shortenings } from "./words.js";

const MOST_ARROWS = 64;
const VIEWS = ["moved", "original", "flow"];
const BEGIN = "Press on the image and drag to pull an arrow; tap to set a fixed point.";

export async function open(main, parts, site) {
  await styled("/tools/marionette/marionette.css");
  const status = new Status(main, "Marionette");
  status.busy("Looking for models…");
  const models = await get("/api/models", { method: "cmp" });
  if (!models.length) {
    status.tell("A network says how an image moves, and there is none yet.");
    main.append(noModel(["cmp"], site.results));
    return undefined;
  }
  // image: the one that was chosen, opened: the one that is shown; list: the arrows that were asked about last.
  const state = { model: models[0].name, view: "moved", pictures: {}, image: "", name: "", opened: "", list: [], shares: [] };
  const closed = new AbortController();
  let saving;

  const arrows = new Arrows(changed, MOST_ARROWS);
  const stage = new Stage({ label: "The image, with its arrows", draw, press });
  const full = () => say(`There are ${MOST_ARROWS} arrows: that is all a model is told.`);
  const pulled = presser(arrows, stage, full);
  const page = layout({
    models,
    stage: stage.root,
    pick: picker(choose, main),
    model: (name) => ((state.model = name), start()),
    view: look,
    undo: () => arrows.undo(),
    remove: () => arrows.remove(),
    clear: () => arrows.clear(),
    play,
    save,
    cancel: () => saving.abort(),
  });
  const player = new Player({ film: page.film, show: (bitmap) => stage.show(bitmap), said: progress, ended });
  main.append(...page.elements);
  const show = () => look(VIEWS[(VIEWS.indexOf(state.view) + 1) % VIEWS.length]);
  const pressed = keys(arrows, { middle, full, play, show });
  stage.root.addEventListener("keydown", (event) => state.opened && pressed(event), true);
  for (const name of ["focus", "blur"]) stage.canvas.addEventListener(name, () => stage.redraw());

  /** Reads the image and the model. */
  const start = latest(async () => {
    const { image, model } = state;
    if (!image) return;
    player.stop();
    status.busy("Reading the image and the model…");
    const found = await attempt(() => get("/api/marionette/open", { image, model }, closed.signal));
    const picture = found && (await attempt(() => decoded(found.picture)));
    if (image !== state.image || model !== state.model) return;
    if (!picture) {
      status.tell("This image or model cannot be used: choose another.");
      return;
    }
    const other = state.opened !== image;
    Object.assign(state, { opened: image, pictures: { original: picture }, list: [], shares: [] });
    stage.root.style.aspectRatio = `${picture.width} / ${picture.height}`;
    page.size(picture, found);
    if (other) arrows.begin(picture.width, picture.height);
    else changed();
  });

  /** Asks what the arrows lead to. */
  const predict = latest(async () => {
    const body = asked();
    if (!body.arrows.length) return;
    const begun = performance.now();
    state.predicting = true;
    stands();
    const found = await attempt(async () => (await post("/api/marionette/predict", body, closed.signal)).json());
    const [moved, flow] = found ? await Promise.all([decoded(found.moved), decoded(found.flow)]) : [];
    state.predicting = false;
    if (found) stands();
    else status.tell("This could not be predicted.");
    if (!found || !arrows.list.length || state.opened !== body.image) return;
    Object.assign(state.pictures, { moved, flow });
    state.shares = sharesOf(body.arrows, found.taken);
    page.predicted((performance.now() - begun) / 1000, found.full);
    page.note(shortenings(body.arrows, state.shares));
    redraw();
  });

  const asked = () => ({ model: state.model, image: state.opened, arrows: rows(arrows.list) });

  function choose(image, name) {
    Object.assign(state, { image, name });
    history.replaceState(null, "", `#/marionette/${image}`);
    start();
  }

  /** Shows the arrows, and asks what they lead to where they are others. */
  function changed() {
    page.arrows(arrows);
    stands();
    if (arrows.list === state.list) {
      stage.redraw();
      return;
    }
    state.list = arrows.list;
    player.stop();
    if (arrows.list.length) predict();
    else {
      Object.assign(state, { pictures: { original: state.pictures.original }, shares: [] });
      page.note("");
      page.predicted();
    }
    redraw();
  }

  /** Says which arrow is chosen, and whether it is waited for what it leads to. */
  function stands() {
    const words = named(arrows) || BEGIN;
    if (state.predicting) status.busy(`${words} Predicting…`);
    else status.tell(words);
  }

  /** Says how far frames or a file are; without a share, that they are there. */
  function progress(text, share) {
    page.progress(share);
    if (share !== undefined) status.busy(text);
    else if (text) status.tell(text);
    else stands();
  }

  function redraw() {
    if (player.busy) return;
    const { original, moved = original, flow } = state.pictures;
    const shown = { original, moved, flow: flow ?? original }[state.view];
    if (shown) stage.show(shown);
    page.pictures(moved, flow);
  }

  function look(view) {
    state.view = view;
    page.looking(view);
    player.stop();
    redraw();
  }

  function press(point, event) {
    player.stop();
    return pulled(point, event);
  }

  function middle() {
    const box = stage.canvas.getBoundingClientRect();
    return stage.point({ clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 });
  }

  function draw(context) {
    if (player.busy) return;
    const shares = state.shares.length === arrows.list.length ? state.shares : [];
    drawArrows(context, stage.unit, arrows.list, arrows.chosen, shares);
    if (!arrows.current && stage.canvas.matches(":focus-visible")) drawCrosshair(context, stage.unit, middle());
  }

  /** Whether there is an animation; says so where there is none. */
  function moves() {
    if (!arrows.list.length) say("Pull an arrow first: without one, nothing moves.");
    return arrows.list.length > 0 && !saving;
  }

  async function play() {
    if (player.busy) player.stop();
    else if (moves()) {
      page.playing(true);
      await attempt(() => player.play(asked()));
    }
  }

  function ended() {
    page.playing(false);
    progress("", undefined);
    redraw();
  }

  async function save(kind) {
    player.stop();
    if (!moves()) return;
    saving = new AbortController();
    closed.signal.addEventListener("abort", () => saving?.abort());
    page.saving(true);
    const blob = await attempt(() => fileOf(kind, { ...asked(), ...page.film() }, progress, saving.signal));
    saving = undefined;
    page.saving(false);
    progress(blob ? `Saved: ${(blob.size / 1e6).toFixed(2)} MB.` : "", undefined);
    if (blob) download(blob, `${state.name.replace(/\.[^.]*$/, "") || "image"}-moved.${kind}`);
  }

  const there = (await attempt(() => get("/api/pictures"))) ?? [];
  const id = parts.join("/");
  const first = there.find((one) => one.id === id) ?? (id.startsWith("sent/") ? { id, name: "" } : there[0]);
  if (first) choose(first.id, first.name);
  else status.tell("Choose a picture to pull at, or drop one here.");
  return () => {
    closed.abort();
    player.stop();
  };
}
