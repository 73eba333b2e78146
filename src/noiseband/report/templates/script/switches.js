// Interventions and single runs switched on and off in the charts of training.
//
// A chart names its runs in `data-runs`; what it draws says by number which of them it shows, and
// goes when all of those are off.
function switches(section) {
  const charts = [...section.querySelectorAll("svg[data-runs]")];
  if (charts.length === 0) return;
  const groups = Map.groupBy(JSON.parse(charts[0].dataset.runs), ([, group]) => group);
  const off = new Set();
  const chips = [];

  const chip = (name, runs) => {
    const made = button(named(name), { class: "toggle" }, () => {
      const on = runs.some((run) => off.has(run));
      for (const run of runs) on ? off.delete(run) : off.add(run);
      draw();
    });
    chips.push([made, runs]);
    return made;
  };
  const every = [...groups.values()].flat().map(([run]) => run);
  const all = (text, hide) =>
    button(text, { class: "tool" }, () => {
      for (const run of every) hide ? off.add(run) : off.delete(run);
      draw();
    });
  const draw = () => {
    for (const [made, runs] of chips) {
      const hidden = runs.filter((run) => off.has(run)).length;
      const state = hidden === 0 ? "true" : hidden === runs.length ? "false" : "mixed";
      made.setAttribute("aria-pressed", state);
    }
    for (const chart of charts) hide(chart, off);
  };

  const group = { class: "chips", role: "group", "aria-label": "Interventions shown" };
  const single = { class: "chips", role: "group", "aria-label": "Runs shown" };
  section.querySelector("h2").after(
    make("div", { class: "switches" },
      make("div", group, all("All", false), all("None", true),
        ...[...groups].map(([name, runs]) => chip(name, runs.map(([run]) => run)))),
      make("details", {}, make("summary", {}, "Single runs"),
        make("div", single, ...every.map((run) => chip(run, [run])))),
    ),
  );
  draw();
}

function hide(chart, off) {
  const runs = JSON.parse(chart.dataset.runs);
  for (const part of chart.querySelectorAll("[data-of]")) {
    const gone = part.dataset.of.split(" ").every((number) => off.has(runs[number][0]));
    if (gone) part.setAttribute("visibility", "hidden");
    else part.removeAttribute("visibility");
  }
}
