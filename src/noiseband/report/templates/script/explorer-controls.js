// What the reader chooses by: protocol, order, scores, words, models, and the question itself.

function chooser(id, act) {
  const made = make("select", { id });
  made.addEventListener("change", () => act(made.value));
  return made;
}

function offer(select, choices, value) {
  const options = choices.map(([choice, words]) => make("option", { value: choice }, words));
  select.replaceChildren(...options);
  select.value = value;
}

function labelled(text, control) {
  return make("span", {}, make("label", { for: control.id }, text), " ", control);
}

// `change` is called with what becomes different of the state, and whether in passing.
function explorerControls(protocols, twins, change) {
  let now; // what is shown: state, protocol, questions, question
  const first = (different) => change({ question: "", ...different });
  const protocol = chooser("explorer-protocol", (name) => first({ protocol: name, models: [] }));
  const order = chooser("explorer-order", (name) =>
    first({ order: name, ...(name === "twins" ? { models: twinKeys(now.protocol, twins) } : {}) }),
  );
  const question = chooser("explorer-question", (number) => change({ question: number }));
  const field = (name, attributes) => {
    const made = make("input", { id: `explorer-${name}`, ...attributes });
    made.addEventListener("input", () => change({ [name]: made.value, question: "" }, true));
    return made;
  };
  const limits = { type: "number", min: 0, max: 100, step: "any" };
  const fields = {
    search: field("search", { type: "search", placeholder: "in questions and answers" }),
    low: field("low", limits),
    high: field("high", limits),
  };
  const step = (by) => () => {
    const next = now.questions[now.questions.indexOf(now.question) + by];
    change({ question: String(next + 1) });
  };
  const [before, after] = [button("Previous", {}, step(-1)), button("Next", {}, step(1))];
  const group = { class: "chips", role: "group", "aria-label": "Models side by side" };
  const models = make("div", group);
  const found = make("p", { role: "status" });
  const link = make("a", { href: PLACE }, "Link to this view");

  const show = (shownNow) => {
    now = shownNow;
    offer(protocol, protocols.map(({ name }) => [name, plain(name)]), now.protocol.name);
    offer(order, orders(now.protocol, twins), now.state.order);
    offer(question, now.questions.map((each) => [each + 1, title(now.protocol, each)]), now.question + 1);
    for (const [name, made] of Object.entries(fields)) {
      if (made.value !== now.state[name]) made.value = now.state[name];
    }
    const place = now.questions.indexOf(now.question);
    before.disabled = place <= 0;
    after.disabled = place === now.questions.length - 1;
    found.textContent = `${now.questions.length} of ${now.protocol.questions.length} questions`;
    link.href = addressOf(now.state);
    showModels(models, now, change);
  };

  const scores = make("span", {}, labelled("Scores from", fields.low), " ", labelled("to", fields.high));
  const filters = [labelled("Protocol", protocol), labelled("Questions", order)];
  filters.push(labelled("Search", fields.search), scores);
  const walk = [labelled("Question", question), before, after, found, link];
  const rows = [make("div", { class: "controls" }, ...filters), models];
  const element = make("div", { class: "panel" }, ...rows, make("div", { class: "controls" }, ...walk));
  return { element, show };
}

function orders(protocol, twins) {
  const pairs = twinPairs(protocol, twins).length > 0;
  return Object.entries(ORDERS).filter(([name]) => name !== "twins" || pairs);
}

// Where twins disagree is seen with the twins side by side.
function twinKeys(protocol, twins) {
  const models = new Set(twinPairs(protocol, twins).flat());
  return [...models].map((model) => protocol.keys[model]);
}

function title(protocol, question) {
  const [instruction, input] = protocol.questions[question];
  const words = `${question + 1}. ${plain(`${instruction} ${input}`)}`;
  return words.length > 90 ? `${words.slice(0, 89)}…` : words;
}

// A chip for each model, pressed where its answers are shown.
function showModels(place, { state, protocol }, change) {
  const on = chosen(protocol, state);
  const chips = protocol.keys.map((key, model) => {
    const pressed = { class: "toggle", "aria-pressed": on.includes(model) };
    return button(modelName(protocol, model), pressed, () => {
      const next = on.includes(model) ? on.filter((one) => one !== model) : [...on, model];
      change({ models: next.map((one) => protocol.keys[one]) });
      place.children[model].focus();
    });
  });
  place.replaceChildren(...chips);
}

// A run's name, with the seed of fine-tuning where there are several.
function modelName(protocol, model) {
  const [run, seed] = protocol.models[model];
  const several = protocol.models.some(([, other]) => other !== seed);
  return make("span", {}, named(run), several ? `, seed ${seed}` : "");
}
