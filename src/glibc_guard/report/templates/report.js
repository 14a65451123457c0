"use strict";
// Filter and sort; without this script the report is whole, the worst findings first.
for (const section of document.querySelectorAll(".artifact")) {
  const table = section.querySelector(".findings");
  if (!table) continue;
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const controls = section.querySelector(".controls");
  const search = controls.querySelector("input[type=search]");
  const boxes = [...controls.querySelectorAll("input[type=checkbox]")];
  const output = controls.querySelector("output");

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const severities = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !severities.has(row.dataset.severity) || !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    output.textContent = shown === rows.length ? "" : `${shown} of ${rows.length} rows`;
  };
  search.addEventListener("input", filter);
  boxes.forEach((box) => box.addEventListener("change", filter));
  controls.hidden = false;

  const ranks = { error: 0, warning: 1, note: 2 };
  const key = (row, column) =>
    column === 0 ? String(ranks[row.dataset.severity]) : row.cells[column].textContent.trim().toLowerCase();
  table.querySelectorAll("th[data-sort]").forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const sorted = [...rows].sort((a, b) => key(a, column).localeCompare(key(b, column), "en", { numeric: true }));
      body.append(...(down ? sorted.reverse() : sorted));
    });
  });
}
