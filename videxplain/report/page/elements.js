// Small builders of elements. Text is always set as text, so that no name can become markup.
"use strict";

videxplain.element = (tag, properties = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "class") made.className = value;
    else if (key in made && !key.startsWith("aria")) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
};

videxplain.choice = (label, options, chosen, changed) => {
  const { element } = videxplain;
  const select = element("select", { onchange: () => changed(select.value) });
  for (const option of options) {
    const { value, title } = typeof option === "object" ? option : { value: option, title: option };
    select.append(element("option", { value, selected: value === chosen }, title));
  }
  return element("label", { class: "field" }, label, select);
};

videxplain.checkboxes = (label, names, chosen, changed) => {
  const { element } = videxplain;
  const boxes = names.map((name) => {
    const box = element("input", { type: "checkbox", checked: chosen.has(name) });
    box.addEventListener("change", () => {
      if (box.checked) chosen.add(name); else chosen.delete(name);
      changed();
    });
    return element("label", {}, box, name);
  });
  return element("fieldset", {}, element("legend", {}, label), ...boxes);
};

videxplain.slider = (label, properties, changed) => {
  const { element } = videxplain;
  const shown = element("output", {}, String(properties.value));
  const input = element("input", { type: "range", ...properties });
  input.addEventListener("input", () => { shown.textContent = input.value; changed(Number(input.value)); });
  return element("label", { class: "field" }, label, element("span", {}, input, shown));
};

// A place whose content is made anew; the control that had the focus has it again.
videxplain.refill = (place, ...children) => {
  const focused = place.contains(document.activeElement) ? document.activeElement : null;
  const label = focused?.closest("label, th")?.firstChild?.textContent;
  const kind = focused?.localName;
  place.replaceChildren(...children);
  if (!focused || focused.isConnected) { focused?.focus({ preventScroll: true }); return; }
  [...place.querySelectorAll(kind)].find((each) => each.closest("label, th")?.firstChild?.textContent === label)?.focus({ preventScroll: true });
};

videxplain.number = (value, digits = 3) => {
  if (value === null || value === undefined) return "";
  if (typeof value !== "number") return String(value);
  return Number.isInteger(value) && Math.abs(value) >= 2 ? String(value) : value.toFixed(digits);
};

videxplain.network = (row) =>
  `${row.model} (${row.pretrain_dataset})${row.setting ? `, ${row.setting}` : ""}`;

videxplain.unique = (values) => [...new Set(values)];

videxplain.areaName = (area) => (area === null ? "map" : String(area));

// Methods that others must pass, and how their lines are dashed.
videxplain.FLOORS = { random: "dot", center: "dash" };
videxplain.isFloor = (method) => Object.hasOwn(videxplain.FLOORS, method.split(" ")[0]);

// Methods shown until the reader asks for more.
videxplain.MOST = 12;
