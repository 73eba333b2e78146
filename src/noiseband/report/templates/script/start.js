// What the script does to the page. Without it everything can be read as it stands.
for (const table of document.querySelectorAll("table.sortable")) sortable(table);
for (const table of document.querySelectorAll("table")) savesTable(table);
for (const figure of document.querySelectorAll("figure")) savesChart(figure);

const card = numberCard();
for (const table of document.querySelectorAll("table")) numbersOf(table, card);
const hint =
  "Click a number in a table, or move to it with the arrow keys and press Enter, for its full " +
  "value and where it comes from.";
document.getElementById("results").append(make("p", { class: "note hint" }, hint));

switches(document.getElementById("training"));
for (const [id, fill] of Object.entries({ timeline, explorer })) {
  const place = document.getElementById(id);
  if (place) whenNear(place, () => fill(place));
}

// An address of one of the explorer's views has no element of its own to scroll to.
function toExplorer() {
  if (location.hash.startsWith(`${PLACE}?`)) document.getElementById("explorer")?.scrollIntoView();
}
addEventListener("hashchange", toExplorer);
toExplorer();
