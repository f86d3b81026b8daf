// What the heat maps' colours mean; data/colours.js has 256 of each map, red, green and blue of every level.
"use strict";

videxplain.scaleBar = (name, colours) => {
  const canvas = videxplain.element("canvas", { width: 256, height: 1, class: "scale", role: "img", "aria-label": `colours of ${name}, from 0 to 1` });
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(256, 1);
  for (let level = 0; level < 256; level += 1) {
    pixels.data.set([...colours.slice(3 * level, 3 * level + 3), 255], 4 * level);
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
};
