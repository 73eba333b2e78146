// What the reader chooses by: protocol, order, scores, words, models, and the question itself.

// `change` is called with what becomes different of the state, and whether in passing.
function explorerControls(protocols, twins, change) {
  const select = (id, act) => {
    const made = make("select", { id });
    made.addEventListener("change", () => act(made.value));
    return made;
  };
  const box = (id, attributes, name) => {
    const made = make("input", { id, ...attributes });
    made.addEventListener("input", () => change({ [name]: made.value, question: "" }, true));
    return made;
  };
  const labelled = (text, control) => make("span", {}, make("label", { for: control.id }, text), " ", control);

  const protocol = select("explorer-protocol", (name) => change({ protocol: name, question: "", models: [] }));
  protocol.append(...protocols.map(({ name }) => make("option", { value: name }, plain(name))));
  const order = select("explorer-order", (name) => change({ order: name, question: "", ...twinsFor(name) }));
  const search = box("explorer-search", { type: "search", placeholder: "in questions and answers" }, "search");
  const limits = { type: "number", min: 0, max: 100, step: "any" };
  const low = box("explorer-low", limits, "low");
  const high = box("explorer-high", limits, "high");
  const question = select("explorer-question", (number) => change({ question: number }));
  const models = make("div", { class: "chips", role: "group", "aria-label": "Models side by side" });
  const found = make("p", { role: "status" });
  const link = make("a", { href: PLACE }, "Link to this view");
  let now;

  // Where twins disagree is seen with the twins side by side.
  const twinsFor = (name) => {
    if (name !== "twins") return {};
    const pairs = twinPairs(now.protocol, twins).flat();
    return { models: [...new Set(pairs)].map((model) => now.protocol.keys[model]) };
  };
  const step = (by) => () => {
    const next = now.questions[now.questions.indexOf(now.question) + by];
    if (next !== undefined) change({ question: String(next + 1) });
  };
  const before = button("Previous", {}, step(-1));
  const after = button("Next", {}, step(1));

  const showModels = (state) => {
    const on = chosen(now.protocol, state);
    models.replaceChildren(
      ...now.protocol.keys.map((key, model) => {
        const [run, seed] = now.protocol.models[model];
        const several = now.protocol.models.some(([, other]) => other !== seed);
        const pressed = { class: "toggle", "aria-pressed": on.includes(model), "data-key": key };
        const name = make("span", {}, named(run), several ? `, seed ${seed}` : "");
        return button(name, pressed, () => {
          const next = on.includes(model) ? on.filter((one) => one !== model) : [...on, model];
          change({ models: next.map((one) => now.protocol.keys[one]) });
          for (const chip of models.children) if (chip.dataset.key === key) chip.focus();
        });
      }),
    );
  };

  const show = (state, shownProtocol, questions, number) => {
    now = { protocol: shownProtocol, questions, question: number };
    protocol.value = shownProtocol.name;
    const pairs = twinPairs(shownProtocol, twins).length > 0;
    const orders = Object.entries(ORDERS).filter(([name]) => name !== "twins" || pairs);
    order.replaceChildren(...orders.map(([name, words]) => make("option", { value: name }, words)));
    order.value = state.order;
    for (const [field, value] of [[search, state.search], [low, state.low], [high, state.high]]) {
      if (field.value !== value) field.value = value;
    }
    question.replaceChildren(
      ...questions.map((each) => {
        const [instruction, input] = shownProtocol.questions[each];
        const words = `${each + 1}. ${plain(`${instruction} ${input}`)}`;
        return make("option", { value: each + 1 }, words.length > 90 ? `${words.slice(0, 89)}…` : words);
      }),
    );
    question.value = String(number + 1);
    const place = questions.indexOf(number);
    before.disabled = place <= 0;
    after.disabled = place === questions.length - 1;
    found.textContent = `${questions.length} of ${shownProtocol.questions.length} questions`;
    link.href = addressOf(state);
    showModels(state);
  };

  const scores = make("span", {}, labelled("Scores from", low), " ", labelled("to", high));
  const element = make("div", { class: "panel" },
    make("div", { class: "controls" },
      labelled("Protocol", protocol), labelled("Questions", order), labelled("Search", search), scores),
    models,
    make("div", { class: "controls" }, labelled("Question", question), before, after, found, link),
  );
  return { element, show };
}
