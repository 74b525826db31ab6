// The probabilities of one channel or speaker over time, and its events.

const HEIGHT = 148, PLOT = 96, STRIP = 104, STRIP_HEIGHT = 22, AXIS = 144;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];

// Segments of a row as steps that do not overlap, at most one per unit of width.
function stepsOf(row, width) {
  const found = segmentsOf(row);
  const each = Math.max(1, Math.ceil(found.n / width));
  const steps = [];
  for (let first = 0; first < found.n; first += each) {
    const last = Math.min(found.n, first + each) - 1;
    const sums = new Float64Array(labels.length);
    let n = 0;
    for (let i = first; i <= last; i++) {
      if (Number.isNaN(found.probability(i, 0))) continue;
      for (let label = 0; label < sums.length; label++) sums[label] += found.probability(i, label);
      n++;
    }
    const next = last + 1 < found.n ? found.start(last + 1) : Infinity;
    const end = Math.min(found.end(last), next);
    if (end > found.start(first)) steps.push({ start: found.start(first), end, values: n ? sums.map((s) => s / n) : null });
  }
  return steps;
}

function stepAt(steps, time) {
  return steps.findIndex((step) => step.start <= time && time < step.end);
}

function describeStep(step) {
  if (!step) return "no speech";
  if (!step.values) return `${asClock(step.start)}: not classified`;
  const order = [...step.values.keys()].sort((a, b) => step.values[b] - step.values[a]).slice(0, 3);
  return `${asClock(step.start)}: ` + order.map((i) => `${labels[i].name} ${asPercent(step.values[i])}`).join(", ");
}

// Runs of steps that follow each other and have predictions.
function runsOf(steps) {
  const runs = [];
  steps.forEach((step, i) => {
    if (!step.values) return;
    const before = steps[i - 1];
    if (before && before.values && step.start - before.end < 0.02) runs[runs.length - 1].push(step);
    else runs.push([step]);
  });
  return runs;
}

// Stacked areas; between the middles of two steps, the line is straight.
function drawAreas(svg, steps, x) {
  const paths = labels.map(() => "");
  for (const run of runsOf(steps)) {
    const [first, last] = [run[0], run[run.length - 1]];
    const at = [first.start, ...run.map((step) => (step.start + step.end) / 2), last.end].map((time) => x(time).toFixed(1));
    let below = at.map(() => 0);
    for (const label of stacking) {
      const values = [first, ...run, last].map((step) => step.values[label]);
      const above = below.map((value, i) => value + values[i]);
      const y = (value) => (PLOT * (1 - Math.min(1, value))).toFixed(1);
      const up = at.map((left, i) => `${left} ${y(above[i])}`).join("L");
      const back = at.map((left, i) => `${left} ${y(below[i])}`).reverse().join("L");
      if (Math.max(...values) > 0.004) paths[label] += `M${up}L${back}Z`;
      below = above;
    }
  }
  const holes = steps.filter((step) => !step.values).map((step) => `M${x(step.start)} 0H${x(step.end)}V${PLOT}H${x(step.start)}Z`);
  svg.append(shape("path", { d: holes.join(""), class: "hole" }));
  paths.forEach((path, label) => path && svg.append(...areaOf(label, path)));
}

function drawEvents(svg, found, x) {
  for (const event of found) {
    const [left, width] = [x(event.start), Math.max(2, x(event.end) - x(event.start))];
    const box = shape("rect", { x: left + 0.5, y: STRIP, width: Math.max(1, width - 1), height: STRIP_HEIGHT, rx: 3 });
    const group = shape("g", { class: `event c${event.label}`, "data-event": event.index }, box);
    if (width > 18) group.append(shape("text", { x: left + width / 2, y: STRIP + 15 }, labels[event.label].letters));
    svg.append(group);
  }
}

function drawAxis(svg, duration, width, x) {
  const step = STEPS.find((each) => x(each) >= 62) ?? STEPS[STEPS.length - 1];
  for (let time = 0; time <= duration; time += step) {
    const anchor = time === 0 ? "start" : x(time) > width - 20 ? "end" : "middle";
    svg.append(shape("line", { class: "rule", x1: x(time), x2: x(time), y1: PLOT, y2: PLOT + 5 }));
    svg.append(shape("text", { class: "tick", x: x(time), y: AXIS, "text-anchor": anchor }, asClock(time)));
  }
}

// A timeline: a slider for the keyboard, and a picture to click on.
function timeline(row, width, onReadout) {
  const duration = Math.max(rows.duration()[row] || 0, 0.01);
  const x = (time) => (time / duration) * width;
  const steps = stepsOf(row, width);
  const found = eventsOf(row);
  const name = trackName(row) || "the recording";
  const svg = shape("svg", {
    class: "timeline", viewBox: `0 0 ${width} ${HEIGHT}`, preserveAspectRatio: "none", role: "slider", tabindex: 0,
    "aria-label": `Probabilities over time, ${name}`, "aria-valuemin": 0, "aria-valuemax": duration.toFixed(2),
    "aria-valuenow": 0, "aria-valuetext": describeStep(steps[0]),
  });
  drawAreas(svg, steps, x);
  drawEvents(svg, found, x);
  drawAxis(svg, duration, width, x);
  const cursor = shape("line", { class: "cursor", y1: 0, y2: STRIP + STRIP_HEIGHT });
  svg.append(cursor);
  let at = 0;

  function point(time) {
    cursor.setAttribute("x1", x(time));
    cursor.setAttribute("x2", x(time));
    cursor.style.visibility = "visible";
  }

  function read(index) {
    const step = steps[index];
    onReadout(describeStep(step));
    if (step) point(step.start);
  }

  function timeOf(event) {
    const box = svg.getBoundingClientRect();
    return ((event.clientX - box.left) / box.width) * duration;
  }

  function playStep(index) {
    const step = steps[index];
    if (step) player.play(row, step.start, step.end);
  }

  svg.addEventListener("pointermove", (event) => {
    const index = stepAt(steps, timeOf(event));
    onReadout(index < 0 ? "" : describeStep(steps[index]));
  });
  svg.addEventListener("click", (pointer) => {
    const group = pointer.target.closest("[data-event]");
    const index = stepAt(steps, timeOf(pointer));
    if (group) playEvent(row, eventAt(Number(group.dataset.event)));
    else if (index >= 0) [at] = [index, read(index), playStep(index)];
  });
  svg.addEventListener("keydown", (event) => {
    const moves = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10, Home: -Infinity, End: Infinity };
    if (event.key === "Enter" || event.key === " ") playStep(at);
    else if (event.key in moves) {
      at = Math.max(0, Math.min(steps.length - 1, at + moves[event.key]));
      read(at);
      svg.setAttribute("aria-valuenow", steps[at] ? steps[at].start.toFixed(2) : 0);
      svg.setAttribute("aria-valuetext", describeStep(steps[at]));
    } else return;
    event.preventDefault();
  });
  return { svg, point };
}

function playEvent(row, event, ended) {
  return player.play(row, event.start, event.end, { event: event.index, ended });
}
