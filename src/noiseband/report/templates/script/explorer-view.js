// One question of the explorer: the answers side by side, each with its scores and reasons.

function questionView(protocol, question, state) {
  const [instruction, input, reference] = protocol.questions[question];
  const models = chosen(protocol, state).filter((model) =>
    inRange(protocol.means[model][question], state),
  );
  const asked = make("p", { class: "written asked", dir: "auto" }, shown(instruction));
  if (input) asked.append(" ", make("span", { class: "given" }, shown(input)));
  const expected = make("p", { class: "written expected", dir: "auto" });
  expected.append(make("span", { class: "label" }, "Reference"), " ", shown(reference));
  const cards = models.map((model) => answerCard(protocol, question, model));
  const name = { class: "question", "aria-label": `Question ${question + 1}` };
  return make("article", name, asked, expected, make("ul", { class: "cards" }, ...cards));
}

function answerCard(protocol, question, model) {
  const text = protocol.answers[model][question];
  const score = protocol.means[model][question];
  const mark = make("span", { class: "score" }, score === null ? "no score" : score.toFixed(1));
  const by = make("p", { class: "by" }, modelName(protocol, model), mark);
  const said = text?.trim()
    ? written(shown(text))
    : make("p", { class: "written quiet" }, text === null ? "(no answer)" : "(an empty answer)");
  const rounds = protocol.rounds.map((round, k) => {
    const given = protocol.scores[k][model][question];
    const score = make("b", {}, given === null ? "no score" : String(given));
    const reason = named(protocol.reasons[k][model][question] ?? "");
    return make("li", {}, `Round ${round}: `, score, " ", reason);
  });
  const reasons = make("ul", { class: "reasons" }, ...rounds);
  return make("li", {}, by, said, make("details", {}, make("summary", {}, "Why"), reasons));
}
