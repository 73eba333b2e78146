// The coherence timeline: a slider over the baseline's checkpoints, another run beside it.

async function timeline(place) {
  const runs = await unpack("samples-data");
  const [[baseline, own]] = runs;
  const steps = [...new Set(own.map(([step]) => step))];

  const range = { type: "range", min: 0, max: steps.length - 1, value: steps.length - 1 };
  const slider = make("input", { ...range, id: "checkpoint" });
  const at = make("output", { for: "checkpoint" });
  const other = make("select", { id: "beside" });
  other.append(make("option", { value: "" }, "nothing"));
  runs.slice(1).forEach(([run], k) => other.append(make("option", { value: k + 1 }, plain(run))));
  const texts = make("div", { class: "beside" });

  const draw = () => {
    const step = steps[slider.value];
    at.textContent = `step ${step.toLocaleString("en")}`;
    slider.setAttribute("aria-valuetext", at.textContent);
    const shownRuns = other.value ? [runs[0], runs[other.value]] : [runs[0]];
    texts.replaceChildren(...shownRuns.map(([run, samples]) => moment(run, samples, step)));
  };
  slider.addEventListener("input", draw);
  other.addEventListener("change", draw);
  place.replaceChildren(
    make("div", { class: "controls" },
      make("label", { for: "checkpoint" }, "Checkpoint of ", named(baseline)), slider, at,
      make("label", { for: "beside" }, "beside it "), other),
    texts,
  );
  draw();
  document.querySelector(".growth").classList.add("folded");
}

// What a run wrote at a step, or at its last checkpoint before.
function moment(run, samples, step) {
  const last = Math.max(...samples.map(([when]) => when).filter((when) => when <= step));
  const then = samples.filter(([when]) => when === last);
  const texts = then.map(([, prompt, text]) =>
    written(make("span", { class: "prompt" }, shown(prompt)), shown(text)),
  );
  const when = then.length ? `step ${last.toLocaleString("en")}` : "not begun";
  return make("div", {}, make("p", { class: "by" }, named(run), make("span", {}, when)), ...texts);
}
