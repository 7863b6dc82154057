// The head of a part: its title, and under it the one place where it says what it does, how things stand, and what went wrong.

import { element } from "./dom.js";

const PASSES = 6000; // milliseconds
let current;

export class Status {
  /** Begins a part with its head; title: of texts and elements. */
  constructor(main, ...title) {
    this.line = element("p", { role: "status" });
    this.words = element("div", { "aria-live": "assertive" });
    this.title = element("h1", {}, title);
    this.root = element("div", { class: "status" }, this.line, this.words);
    main.append(this.title, this.root);
    current = this;
  }

  /** Says how things stand. */
  tell(text) {
    this.line.className = "";
    if (this.line.textContent !== text) this.line.textContent = text;
  }

  /** Says what it is doing; what went wrong before is done with. */
  busy(text) {
    this.clear();
    this.tell(text);
    this.line.className = "busy";
  }

  /** Says what went wrong, until it is closed or something else is done; actions: buttons. */
  fail(text, ...actions) {
    if (this.line.className) this.tell(""); // it is not doing that any more
    this._word(text, "bad", actions);
  }

  /** Says something for some seconds, beside how things stand. */
  note(text) {
    const word = this._word(text, "", []);
    setTimeout(() => word.remove(), PASSES);
  }

  /** Takes away what was said beside how things stand. */
  clear() {
    this.words.replaceChildren();
  }

  _word(text, kind, actions) {
    const close = element("button", { type: "button", "aria-label": "Close", title: "Close", textContent: "✕", onclick: () => word.remove() });
    const word = element("div", { class: `word ${kind}` }, element("span", { textContent: text }), actions, close);
    const same = [...this.words.children].find((one) => one.textContent === word.textContent);
    if (same) return same; // it is not read out again
    this.words.append(word);
    while (this.words.children.length > 3) this.words.firstChild.remove();
    return word;
  }
}

/** Says something in the head of the part that is open. */
export function say(text, bad = false) {
  if (!current?.root.isConnected) new Status(document.getElementById("main"), "Common Fate");
  if (bad) current.fail(text);
  else current.note(text);
}

/** Runs what may fail; says what went wrong and gives undefined then. An abort is no failure. */
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    if (error.name !== "AbortError") say(error.message, true);
    return undefined;
  }
}
