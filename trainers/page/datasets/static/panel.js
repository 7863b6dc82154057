// What is said of a sample beside its pictures; all of it is text.

import { element } from "/static/lib/dom.js";

export function panel(facts) {
  const { about, failed, errors } = facts;
  const parts = errors.map((textContent) => element("p", { class: "bad", role: "alert", textContent }));
  if (failed) parts.push(element("p", { class: "bad", textContent: `Failed at ${failed.stage}: ${failed.reason}` }));
  parts.push(table("Sample", { video: facts.video, shard: `${facts.shard}.tar`, size: facts.size ? `${facts.size.join(" × ")}${sampled(facts)}` : undefined }));
  parts.push(table("Video", { licence: "not stated", ...about }));
  if (Object.keys(facts.json).length) parts.push(table("Facts", facts.json));
  if (facts.members.length) parts.push(table("Members", Object.fromEntries(facts.members.map(({ name, about: what }) => [name, what.replaceAll("`", "")]))));
  return element("div", { class: "facts" }, parts);
}

const sampled = ({ step }) => (step > 1 ? `; shown is one pixel of ${step} each way` : "");

function table(title, rows) {
  const lines = Object.entries(rows).filter(([, value]) => value !== undefined && value !== null);
  const cells = lines.map(([name, value]) => element("tr", {}, element("th", { scope: "row", textContent: name }), element("td", { textContent: value })));
  return element("details", { open: title !== "Members" }, element("summary", { textContent: title }), element("table", {}, element("tbody", {}, cells)));
}
