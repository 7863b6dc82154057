// Masks as pictures over the image: tinted inside, their outline drawn.

// Of 255, inside the object that is worked on, and the others.
const STRONG = 120;
const WEAK = 70;

/** Keeps a canvas for each mask that is drawn, until another is drawn in its place. */
export class Layers {
  constructor() {
    this.kept = [];
  }

  /** Draws the mask of each shown object over the picture; `context` is as Stage gives it. */
  draw(context, drawing, palette) {
    drawing.objects.forEach((object, index) => {
      if (!object.shown) return;
      const strong = index === drawing.active;
      context.drawImage(this._canvas(drawing, object, index, palette, strong), -0.5, -0.5);
    });
    this.kept.length = drawing.objects.length;
  }

  _canvas(drawing, object, index, palette, strong) {
    const base = drawing.base(object);
    const key = [base?.counts, object.added?.counts, object.erased?.counts, object.colour, strong].join();
    // A click whose mask is under way leaves what was there, so that nothing flickers.
    const waits = base === null && this.kept[index]?.colour === object.colour;
    if (!waits && this.kept[index]?.key !== key) {
      const colour = rgb(palette[object.colour]);
      this.kept[index] = { key, colour: object.colour, canvas: painted(drawing.mask(object), drawing, colour, strong) };
    }
    return this.kept[index].canvas;
  }
}

function rgb(text) {
  return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
}

/** The outline is inside the mask, a pixel wide, so that it hides no pixel that is outside. */
function painted(mask, { width, height }, [red, green, blue], strong) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const picture = context.createImageData(width, height);
  const pixels = picture.data;
  for (let i = 0; i < mask.length; i++) {
    if (!mask[i]) continue;
    const x = i % width;
    const edge = (x && !mask[i - 1]) || (x < width - 1 && !mask[i + 1]) || mask[i - width] === 0 || mask[i + width] === 0;
    pixels[4 * i] = red;
    pixels[4 * i + 1] = green;
    pixels[4 * i + 2] = blue;
    pixels[4 * i + 3] = edge ? 255 : strong ? STRONG : WEAK;
  }
  context.putImageData(picture, 0, 0);
  return canvas;
}
