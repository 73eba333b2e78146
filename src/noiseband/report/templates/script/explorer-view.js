// One question of the explorer: the answers side by side, each with its scores and reasons.

function questionView(protocol, question, state) {
  const [instruction, input, reference] = protocol.questions[question];
  const models = chosen(protocol, state).filter((model) => inRange(protocol.means[model][question], state));
  const asked = make("p", { class: "written asked", dir: "auto" }, shown(instruction));
  if (input) asked.append(" ", make("span", { class: "given" }, shown(input)));
  const expected = make("p", { class: "written expected", dir: "auto" });
  expected.append(make("span", { class: "label" }, "Reference"), " ", shown(reference));
  const cards = models.map((model) => answerCard(protocol, question, model));
  const name = { class: "question", "aria-label": `Question ${question + 1}` };
  return make("article", name, asked, expected, make("ul", { class: "cards" }, ...cards));
}

function answerCard(protocol, question, model) {
  const [run, seed] = protocol.models[model];
  const several = protocol.models.some(([, other]) => other !== seed);
  const text = protocol.answers[model][question];
  const score = protocol.means[model][question];
  const by = make("p", { class: "by" }, make("span", {}, named(run), several ? `, seed ${seed}` : ""));
  by.append(make("span", { class: "score" }, score === null ? "no score" : score.toFixed(1)));
  const said = text?.trim()
    ? written(shown(text))
    : make("p", { class: "written quiet" }, text === null ? "(no answer)" : "(an empty answer)");
  const rounds = protocol.rounds.map((round, k) => {
    const given = protocol.scores[k][model][question];
    const mark = make("b", {}, given === null ? "no score" : String(given));
    const reason = shown(protocol.reasons[k][model][question] ?? "");
    return make("li", {}, `Round ${round}: `, mark, " ", make("bdi", {}, reason));
  });
  const why = make("details", {}, make("summary", {}, "Why"), make("ul", { class: "reasons" }, ...rounds));
  return make("li", {}, by, said, why);
}
