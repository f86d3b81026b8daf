// Which view is shown: the part of the address behind #.
"use strict";

(() => {
  const view = document.getElementById("view");
  const titles = { overview: "Overview", comparison: "Comparison", gallery: "Gallery", clip: "Clip" };
  let started = false;
  const views = { overview: videxplain.overview, comparison: videxplain.comparison, gallery: videxplain.gallery, clip: videxplain.clip };

  async function show() {
    const [, name = "overview", item] = location.hash.split("/");
    videxplain.keys = () => false;
    const chosen = Object.hasOwn(views, name) ? name : "overview";
    for (const link of document.querySelectorAll("nav a")) {
      const current = link.hash === `#/${chosen === "clip" ? "gallery" : chosen}`;
      if (current) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
    }
    const place = videxplain.element("div");   // a view that comes late shows nowhere
    view.replaceChildren(place);
    document.title = `${titles[chosen]} - videxplain report`;
    if (started) view.focus({ preventScroll: true });   // who reads by ear is told that the view changed
    started = true;
    try {
      await views[chosen](place, item === undefined ? undefined : decoded(item));
    } catch (error) {
      place.replaceChildren(alertOf(error));
    }
  }

  // What cannot be decoded is the name of no clip.
  function decoded(item) {
    try { return decodeURIComponent(item); } catch { return ""; }
  }

  const alertOf = (error) => videxplain.element("p", { role: "alert" }, error?.message ?? String(error));

  // A choice may ask for a file that is missing; without this, nothing would seem to happen.
  window.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    view.querySelector("[role=alert]")?.remove();
    view.prepend(alertOf(event.reason));
  });

  // Keys are the player's, unless the control that has the focus uses them itself.
  function taken(target, key) {
    const control = target.closest("select, textarea, summary, a, button, input");
    if (!control || control.dataset.keys === "player") return false;
    return key === " " || !control.matches("button, input[type=checkbox]");
  }

  window.addEventListener("hashchange", show);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || taken(event.target, event.key)) return;
    if (videxplain.keys(event.key)) event.preventDefault();
  });
  show();
})();
