// Elements, always from text and never from HTML: names and titles come from anywhere.

/** Makes an element: properties that start with "on" are listeners, "class" and names with "-" are attributes. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made && !key.includes("-") && key !== "list") made[key] = value;
    else made.setAttribute(key, value === true ? "" : value);
  }
  if (properties.class) made.className = properties.class;
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Makes a labelled control. */
export function field(label, control) {
  return element("label", { class: "field" }, label, control);
}

/** Makes a select of [value, text] pairs. */
export function choice(pairs, chosen, onchange, properties = {}) {
  const options = pairs.map(([value, text]) => element("option", { value, textContent: text, selected: value === chosen }));
  return element("select", { ...properties, onchange: (event) => onchange(event.target.value) }, options);
}

/** Loads a sheet of styles of a part, once; waits until it holds. */
export function styled(href) {
  if (document.querySelector(`link[href="${href}"]`)) return Promise.resolve();
  return new Promise((resolve) => {
    document.head.append(element("link", { rel: "stylesheet", href, onload: resolve, onerror: resolve }));
  });
}
