// A table that is sorted by a click on a column, and shows long lists in parts.
"use strict";

// columns: [{title, value(row) to sort by, cell(row) -> node or text, align}]
videxplain.table = ({ caption, columns, rows, part = 100, rowClass = () => "" }) => {
  const { element } = videxplain;
  const body = element("tbody");
  const more = element("button", { type: "button", onclick: () => show(shown + part) });
  let sorted = rows, shown = 0, by = null, descending = false;

  function show(count) {
    shown = Math.min(count, sorted.length);
    body.replaceChildren(...sorted.slice(0, shown).map((row) =>
      element("tr", { class: rowClass(row) }, ...columns.map((column) =>
        element("td", { class: column.align ?? "" }, column.cell(row))))));
    more.hidden = shown === sorted.length;
    more.textContent = `Show more (${sorted.length - shown} left)`;
  }

  function compare(one, other) {
    const missing = (value) => value === null || value === undefined || value === "";
    if (missing(one) || missing(other)) return missing(one) - missing(other);
    const order = typeof one === "number" && typeof other === "number"
      ? one - other : String(one).localeCompare(String(other), "en", { numeric: true });
    return descending ? -order : order;
  }

  function sortBy(column) {
    descending = by === column ? !descending : false;
    by = column;
    sorted = [...rows].sort((one, other) => compare(column.value(one), column.value(other)));
    heads.forEach((head, index) => {
      const order = columns[index] === by ? (descending ? "descending" : "ascending") : "none";
      head.setAttribute("aria-sort", order);
    });
    show(Math.max(shown, part));
  }

  const heads = columns.map((column) => element("th", { scope: "col", class: column.align ?? "", "aria-sort": "none" },
    element("button", { type: "button", onclick: () => sortBy(column) }, column.title)));
  show(part);
  return element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    element("table", {}, element("caption", {}, caption),
      element("thead", {}, element("tr", {}, ...heads)), body), more);
};
