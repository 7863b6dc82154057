// Thumbnails are asked for a few at a time, and only while their cells are still there.

const AT_ONCE = 4;
const waiting = [];
let running = 0;

/** Loads a picture when its turn comes; calls failed(img) where there is none. */
export function load(img, src, failed) {
  waiting.push({ img, src, failed });
  next();
}

function next() {
  while (running < AT_ONCE && waiting.length) {
    const { img, src, failed } = waiting.shift();
    if (!img.isConnected) continue; // scrolled away
    running += 1;
    const done = (event) => {
      running -= 1;
      if (event.type === "error") failed(img);
      next();
    };
    img.addEventListener("load", done, { once: true });
    img.addEventListener("error", done, { once: true });
    img.src = src;
  }
}
