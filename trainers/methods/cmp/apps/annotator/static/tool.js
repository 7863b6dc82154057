// Annotate: a folder of images, one after the other.

import { get } from "/static/lib/api.js";
import { element, styled } from "/static/lib/dom.js";
import { Status } from "/static/lib/status.js";
import { Page } from "./page.js";

export async function open(main, [wanted], site) {
  await styled("/tools/annotate/tool.css");
  const root = element("div", { class: "annotating" });
  main.append(root);
  const status = new Status(root, "Annotate");
  status.busy("Looking for images and models…");
  const [found, models] = await Promise.all([get("/api/annotate/images"), get("/api/models", { method: "cmp" })]);
  if (!found.images.length) {
    status.tell("There is no image to annotate.");
    root.append(
      element("div", { class: "advice" }, element("p", { textContent: "Start the page with a folder that has some:" }), element("pre", { class: "scroll", textContent: `python -m trainers page ${site.results} --images FOLDER` })),
    );
    return undefined;
  }
  const page = new Page(found, models, status, site.results);
  root.append(page.controls.root);
  const first = found.images.findIndex((one) => one.name === wanted);
  page.load(first >= 0 ? first : Math.max(found.images.findIndex((one) => !one.done), 0));
  return () => page.close();
}
