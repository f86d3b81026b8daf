// Clips, and the methods' explanations of one playing side by side, in step.
"use strict";

videxplain.gallery = async (view, name) => {
  const { element, table } = videxplain;
  const { clips } = await videxplain.load("clips");
  const clip = clips.find((each) => each.clip === name);
  if (clip) return videxplain.theatre(view, clip);
  const link = (each) => element("a", { href: `#/gallery/${encodeURIComponent(each.clip)}` }, each.name);
  const columns = [
    { title: "Clip", value: (each) => each.name, cell: link },
    { title: "Label", value: (each) => each.label, cell: (each) => each.label ?? "" },
    { title: "Jobs", value: (each) => each.jobs, align: "number", cell: (each) => String(each.jobs) },
    { title: "Masks that lose the class", value: (each) => each.not_preserved, align: "number", cell: (each) => String(each.not_preserved) },
  ];
  const place = element("div"), order = {};
  const search = element("input", { type: "search", oninput: () => show() });
  function show() {
    const rows = clips.filter((each) => `${each.name} ${each.label ?? ""}`.toLowerCase().includes(search.value.toLowerCase()));
    place.replaceChildren(table({ caption: `${rows.length} of ${clips.length} clips`, columns, rows, order }));
  }
  view.replaceChildren(element("h1", {}, "Gallery"), name === undefined ? "" : element("p", {}, "There is no such clip; these are all."), element("div", { class: "controls" }, element("label", { class: "field" }, "Search", search)), place);
  show();
};

videxplain.theatre = async (view, clip) => {
  const { element, unique, network, isFloor, MOST } = videxplain;
  const FRAMES_A_SECOND = 8;
  const { tiles } = await videxplain.load(`clips/${clip.clip}`);
  const colourMaps = await videxplain.load("colours");
  const networks = unique(tiles.map(network));
  const areas = unique(tiles.flatMap((tile) => [...tile.maps, ...tile.records].map((each) => each.area))).filter((area) => area !== null).sort((one, other) => one - other);
  const offered = areas.length ? areas : [0.05, 0.1, 0.2];
  const chosen = { network: networks[0], methods: new Set(), area: offered[Math.floor(offered.length / 2)], most: MOST };
  const looks = { kinds: [...videxplain.KINDS], opacity: 0.55, threshold: 0, colours: colourMaps.viridis };
  let colours = "viridis";
  const kinds = new Set(looks.kinds);
  const controls = element("div", { class: "controls" }), stage = element("div", { class: "stage" }), scale = element("p", { class: "quiet" });
  const frameShown = element("output", { "aria-live": "off" });
  const slider = element("input", { type: "range", min: 0, value: 0, "aria-label": "Frame" });
  slider.dataset.keys = "player";
  const play = element("button", { type: "button", onclick: toggle }, "Play");
  const made = new Map(), pictures = new Map();   // what was read for this clip, until another is looked at
  let shown = [], length = 1, frame = 0, timer = null, turn = 0;

  const keep = (kept, key, make) => {
    if (!kept.has(key)) {
      kept.set(key, make());
      kept.get(key).catch(() => kept.delete(key));
    }
    return kept.get(key);
  };
  const picturesOf = (frames) => keep(pictures, frames, () => videxplain.frames.clip(frames));
  const tileOf = (told) => keep(made, told, () => videxplain.tile(told, clip.clip, picturesOf));

  function draw() {
    slider.value = frame;
    slider.setAttribute("aria-valuetext", `frame ${frame + 1} of ${length}`);
    frameShown.textContent = `frame ${frame + 1} of ${length}`;
    for (const tile of shown) tile.draw((frame + 0.5) / length);
  }
  function step(by) { frame = (frame + by + length) % length; draw(); }
  function stop() { clearInterval(timer); timer = null; play.textContent = "Play"; }
  function toggle() {
    if (timer !== null) { stop(); return; }
    timer = setInterval(() => { if (stage.isConnected) step(1); else stop(); }, 1000 / FRAMES_A_SECOND);
    play.textContent = "Pause";
  }
  slider.addEventListener("input", () => { frame = Number(slider.value); draw(); });
  const keys = (key) => {
    if (key === " ") toggle();
    else if (key === "ArrowRight") step(1);
    else if (key === "ArrowLeft") step(-1);
    else return false;
    return true;
  };
  if (view.isConnected) videxplain.keys = keys;   // another view may have been opened since

  function look() {
    looks.kinds = videxplain.KINDS.filter((kind) => kinds.has(kind));
    scale.replaceChildren("Heat map from 0 ", videxplain.scaleBar(colours, looks.colours), " to 1; each tile says what 1 stands for.");
    for (const tile of shown) tile.look(looks);
    draw();
  }

  async function cast() {
    const mine = (turn += 1);   // a later choice overtakes this one
    const own = tiles.filter((tile) => network(tile) === chosen.network && chosen.methods.has(tile.method));
    const area = chosen.area;
    const found = await Promise.all(own.slice(0, chosen.most).map(tileOf));
    const read = await Promise.all(found.map((tile) => tile.read(area)));
    if (mine !== turn) return;
    shown = found;
    shown.forEach((tile, at) => tile.choose(area, read[at]));
    length = Math.max(1, ...shown.map((tile) => tile.count));
    slider.max = length - 1;
    frame = Math.min(frame, length - 1);
    const more = element("button", { type: "button", onclick: () => { chosen.most += MOST; cast(); } }, `Show more (${own.length - shown.length} left)`);
    more.hidden = own.length <= shown.length;
    look();
    stage.replaceChildren(...shown.map((tile) => tile.box), ...(own.length ? [] : ["No method is chosen."]), more);
  }

  function choose() {
    const methods = unique(tiles.filter((tile) => network(tile) === chosen.network).map((tile) => tile.method));
    chosen.methods = new Set([...methods.filter((each) => !isFloor(each)), ...methods.filter(isFloor)]);
    videxplain.refill(controls,
      videxplain.choice("Network", networks, chosen.network, (value) => { chosen.network = value; choose(); }),
      videxplain.choice("Area", offered.map(String), String(chosen.area), (value) => { chosen.area = Number(value); cast(); }),
      videxplain.choice("Colours", [{ value: "viridis", title: "viridis" }, { value: "cividis", title: "cividis" }, { value: "jet", title: "jet, as published" }], colours, (value) => { colours = value; looks.colours = colourMaps[value]; look(); }),
      videxplain.slider("Opacity", { min: 0, max: 1, step: 0.05, value: looks.opacity }, (value) => { looks.opacity = value; look(); }),
      videxplain.slider("Hide below", { min: 0, max: 1, step: 0.05, value: looks.threshold }, (value) => { looks.threshold = value; look(); }),
      videxplain.checkboxes("Pictures", videxplain.KINDS, kinds, look),
      videxplain.checkboxes("Methods", methods, chosen.methods, cast));
    return cast();
  }

  view.replaceChildren(
    element("p", {}, element("a", { href: "#/gallery" }, "All clips"), " · ", element("a", { href: `#/clip/${encodeURIComponent(clip.clip)}` }, "All numbers of this clip")),
    element("h1", {}, clip.name), element("p", { class: "quiet" }, clip.label === null ? "no label" : `label ${clip.label}`),
    controls, element("div", { class: "player", role: "group", "aria-label": "Player" }, play, slider, frameShown, element("small", {}, "space, ← →")), scale, stage);
  await choose();
};
