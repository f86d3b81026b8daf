// Pictures out of sheets, and what is made of them: heat map, what is kept, what is deleted.
"use strict";

videxplain.frames = (() => {
  const QUICK = { willReadFrequently: true };

  // A sheet as colours: frame i stands at row i / columns, column i % columns.
  async function pixels(source) {
    const image = new Image();
    image.src = source;
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height);
    const context = canvas.getContext("2d", QUICK);
    context.drawImage(image, 0, 0);
    return context.getImageData(0, 0, image.width, image.height);
  }

  // Frames one behind the other: channels values a pixel.
  async function read(source, layout, channels) {
    const sheet = await pixels(source);
    const { count, height, width, columns } = layout;
    const found = new Uint8ClampedArray(count * height * width * channels);
    for (let frame = 0, to = 0; frame < count; frame += 1) {
      const top = Math.floor(frame / columns) * height, left = (frame % columns) * width;
      for (let y = 0; y < height; y += 1) {
        let from = 4 * ((top + y) * sheet.width + left);
        for (let x = 0; x < width; x += 1, from += 4) {
          for (let c = 0; c < channels; c += 1, to += 1) found[to] = sheet.data[from + c];
        }
      }
    }
    return found;
  }

  // The level that the most salient share of all voxels reaches.
  function levelOf(levels, share) {
    const counts = new Uint32Array(256);
    for (const level of levels) counts[level] += 1;
    let level = 255;
    for (let above = counts[255]; level > 0 && above < share * levels.length; above += counts[level]) level -= 1;
    return Math.max(level, 1);
  }

  // Draw one frame: kind is original, heat map, kept or deleted.
  function draw(kind, frame, clip, heat, look) {
    const size = clip.height * clip.width;
    const image = new ImageData(clip.width, clip.height);
    const start = frame * size;
    for (let p = 0; p < size; p += 1) {
      const at = 3 * (start + p), to = 4 * p, level = heat ? heat.levels[start + p] : 0;
      const mask = heat ? (heat.cut === null ? level / 255 : Number(level >= heat.cut)) : 1;
      const shown = kind === "kept" ? mask : kind === "deleted" ? 1 - mask : 1;
      const opacity = kind === "heat map" && level >= 255 * look.threshold ? look.opacity : 0;
      const grey = 0.299 * clip.original[at] + 0.587 * clip.original[at + 1] + 0.114 * clip.original[at + 2];
      for (let c = 0; c < 3; c += 1) {
        const picture = kind === "heat map" ? grey : clip.original[at + c];
        const nothing = look.faded ?? clip.blurred[at + c];
        image.data[to + c] = opacity * look.colours[3 * level + c]
          + (1 - opacity) * (shown * picture + (1 - shown) * nothing);
      }
      image.data[to + 3] = 255;
    }
    return image;
  }

  async function clip(name) {
    const layout = await videxplain.load(`frames/${name}`);
    const [original, blurred] = await Promise.all(
      [layout.original, layout.blurred].map((sheet) => read(sheet, layout, 3)));
    return { ...layout, original, blurred };
  }

  return { clip, read, draw, levelOf };
})();
