// Which view is shown: the part of the address behind #.
"use strict";

(() => {
  const view = document.getElementById("view");
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
    try {
      await views[chosen](place, item === undefined ? undefined : decodeURIComponent(item));
    } catch (error) {
      place.replaceChildren(videxplain.element("p", { role: "alert" }, error.message));
    }
  }

  window.addEventListener("hashchange", show);
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("select, button, summary, a, input:not([type=range]):not([type=checkbox])");
    const other = event.target.closest("input[type=checkbox]") && event.key === " ";
    if (!typing && !other && !event.ctrlKey && !event.metaKey && !event.altKey && videxplain.keys(event.key)) event.preventDefault();
  });
  show();
})();
