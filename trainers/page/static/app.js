// The frame of the page: its menu, and the part that the address names, `#/PART/...`.

import { get } from "./lib/api.js";
import { element } from "./lib/dom.js";
import { say, Status } from "./lib/status.js";

let main = document.getElementById("main");
const menu = document.getElementById("menu");
let site;
let close = () => {};
let turn = 0;

/** Draws the part that the address names. A part is /tools/NAME/tool.js: open(main, parts, site) may give a function that closes it. */
async function show() {
  const mine = ++turn;
  const [name = "", ...parts] = location.hash.replace(/^#\/?/, "").split("/").map(decode);
  close?.();
  close = undefined;
  clear(name);
  const own = main; // while a part loads, another may have been asked for, which has another
  for (const link of menu.children) link.ariaCurrent = link.dataset.name === name ? "page" : null;
  menu.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  const tool = site.tools.find((one) => one.name === name);
  document.title = tool ? `${tool.title} · Common Fate` : "Common Fate";
  if (!tool) {
    home();
    return;
  }
  try {
    const { open } = await import(`/tools/${tool.name}/tool.js`);
    if (mine !== turn) return;
    const closing = await open(own, parts, site);
    if (mine === turn) close = closing;
    else closing?.();
  } catch (error) {
    if (mine !== turn) return;
    own.replaceChildren();
    new Status(own, tool.title).fail(error.message);
  }
}

/** Leaves nothing of other parts: what one of them draws late is drawn where nobody sees it, and its styles hold no longer. */
function clear(name) {
  const fresh = main.cloneNode(false);
  main.replaceWith(fresh);
  main = fresh;
  for (const sheet of document.querySelectorAll('head link[href^="/tools/"]')) if (!sheet.getAttribute("href").startsWith(`/tools/${name}/`)) sheet.remove();
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function home() {
  const cards = site.tools.map((tool) =>
    element("a", { class: "card", href: `#/${tool.name}` }, element("h2", { textContent: tool.title }), element("p", { textContent: tool.about })),
  );
  main.append(
    element("h1", { textContent: "Things that move together belong together" }),
    element("p", { class: "faint", textContent: `What is in the folder ${site.results}${site.readOnly ? ", to look at: nothing is written" : ""}.` }),
    element("div", { class: "cards" }, cards),
  );
}

try {
  site = await get("/api/site");
  menu.append(...site.tools.map((tool) => {
    const link = element("a", { href: `#/${tool.name}`, textContent: tool.title });
    link.dataset.name = tool.name;
    return link;
  }));
  addEventListener("hashchange", show);
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault(); // the address says which part is shown
    main.focus();
  });
  await show();
} catch (error) {
  say(error.message, true);
}
