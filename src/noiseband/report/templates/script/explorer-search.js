// Which questions the explorer lists, and in which order.

const SIDE_BY_SIDE = 6;

// A protocol of the page's data with what searching needs: the mean over the rounds of each
// model's score for each question, null where no round has one.
function searchable(protocol) {
  const means = protocol.models.map((_, model) =>
    protocol.questions.map((_, question) =>
      mean(protocol.scores.map((round) => round[model][question])),
    ),
  );
  return { ...protocol, means, keys: protocol.models.map(([run, seed]) => `${run}/${seed}`) };
}

function mean(values) {
  const known = values.filter((value) => value !== null);
  return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
}

// Numbers of the models side by side: the chosen ones, or a few from the best to the worst.
function chosen(protocol, state) {
  const found = protocol.keys.flatMap((key, model) => (state.models.includes(key) ? [model] : []));
  if (found.length) return found;
  const average = protocol.means.map((scores) => mean(scores) ?? -1);
  const ranked = [...average.keys()].sort((a, b) => average[b] - average[a]);
  const few = Math.min(SIDE_BY_SIDE, ranked.length);
  const pace = (ranked.length - 1) / Math.max(1, few - 1);
  return Array.from({ length: few }, (_, k) => ranked[Math.round(k * pace)]);
}

// Pairs of models whose runs are twins, fine-tuned with one seed.
function twinPairs(protocol, twins) {
  const numbers = [...protocol.models.keys()];
  const pairs = numbers.flatMap((one) => numbers.slice(one + 1).map((other) => [one, other]));
  return pairs.filter((pair) => {
    const [[run, seed], [other, same]] = pair.map((model) => protocol.models[model]);
    return seed === same && twins.some((runs) => runs.includes(run) && runs.includes(other));
  });
}

// A model's answer is in the state's range of scores; without a range, so is one without a score.
function inRange(score, state) {
  if (state.low === PLAIN_STATE.low && state.high === PLAIN_STATE.high) return true;
  return score !== null && score >= Number(state.low) && score <= Number(state.high);
}

// Numbers of the questions that a state lists, with how far apart their scores are.
function listed(protocol, twins, state) {
  const models = chosen(protocol, state);
  const pairs = twinPairs(protocol, twins);
  const wanted = state.search.trim().toLowerCase();
  const scores = (question, of) => of.map((model) => protocol.means[model][question]);
  const rank = {
    number: (question) => question,
    models: (question) => -spread(scores(question, models)),
    twins: (question) => -Math.max(...pairs.map((pair) => spread(scores(question, pair)))),
    best: (question) => -(mean(scores(question, models)) ?? -1),
    worst: (question) => mean(scores(question, models)) ?? 101,
  }[state.order];
  const found = [...protocol.questions.keys()].filter((question) => {
    const answers = models.map((model) => protocol.answers[model][question]);
    const texts = [...protocol.questions[question], ...answers];
    return (
      scores(question, models).some((score) => inRange(score, state)) &&
      texts.some((text) => text?.toLowerCase().includes(wanted))
    );
  });
  return found.sort((a, b) => rank(a) - rank(b) || a - b);
}

function spread(scores) {
  const known = scores.filter((score) => score !== null);
  return known.length ? Math.max(...known) - Math.min(...known) : -1;
}
