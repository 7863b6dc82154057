// What annotations are taken away as.

import { address, get, post } from "/static/lib/api.js";
import { element } from "/static/lib/dom.js";
import { attempt, say } from "/static/lib/status.js";

/** Makes the buttons. image() gives the name of the image that is shown, saved() waits until all is saved. */
export function exportButtons({ writable, image, saved }) {
  const note = element("div", { class: "note", "aria-live": "polite" });
  const button = (text, about, work) =>
    element("button", {
      type: "button",
      textContent: text,
      title: about,
      onclick: async (event) => {
        event.target.disabled = true;
        await saved();
        await attempt(work);
        event.target.disabled = false;
      },
    });
  const root = element(
    "div",
    {},
    element(
      "div",
      { class: "row" },
      button("PNG of this image", "The number of the object at each pixel, with a palette", () => png(image())),
      button("COCO JSON of all", "Of all images that are done or have a mask", coco),
      writable && button("Masks for evaluation", "Images and masks as the segmentation evaluation reads them", () => masks(note)),
    ),
    note,
  );
  return root;
}

async function png(name) {
  const answer = await fetch(address("/api/annotate/labels", { image: name }));
  if (!answer.ok) throw new Error((await answer.json()).error);
  download(await answer.blob(), `${name}-objects.png`);
}

async function coco() {
  const found = await get("/api/annotate/coco");
  download(new Blob([JSON.stringify(found)], { type: "application/json" }), "annotations.json");
  say(`${found.annotations.length} objects on ${found.images.length} images.`);
  for (const one of found.info.left_out) say(`Left out: ${one}`, true);
}

async function masks(note) {
  const found = await (await post("/api/annotate/segmentation", {})).json();
  note.replaceChildren(
    element("p", { textContent: `${found.images} images and their masks are in ${found.folder}. In an evaluation of config.yaml:` }),
    element("pre", { class: "scroll", textContent: found.config }),
    ...found.leftOut.map((one) => element("p", { class: "bad", textContent: `Left out: ${one}` })),
  );
}

function download(blob, name) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
