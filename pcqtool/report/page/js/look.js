// Elements, labels and patterns. Text is always set as text, so that names cannot become markup.

const SVG = "http://www.w3.org/2000/svg";

function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function shape(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function swatch(label) {
  return element("span", { className: `swatch c${label}`, "aria-hidden": "true" }, labels[label].letters);
}

const named = (label) => [swatch(label), labels[label].name];

function legend() {
  return element("ul", { className: "legend" }, ...labels.map((_, i) => element("li", {}, ...named(i))));
}

// From the bottom of a stack to its top: neutral comes last, so that emotions begin at the line.
const stacking = labels.map((_, i) => i).sort((a, b) => (labels[a].name === "neutral") - (labels[b].name === "neutral"));

// Patterns over the colours, so that areas differ without them; the most common label, neutral, stays plain.
const HATCHES = [
  "M0 8 L8 0", "M0 0 L8 8", "M0 4 H8", "M4 0 V8", "M0 4 H8 M4 0 V8", "M0 8 L8 0 M0 0 L8 8", "dots",
];

function hatches() {
  const definitions = shape("defs");
  let next = 0;
  labels.forEach((label, i) => {
    if (label.name === "neutral") return;
    const path = HATCHES[next++ % HATCHES.length];
    const mark = path === "dots"
      ? shape("circle", { cx: 3, cy: 3, r: 1.2, class: "hatch-dot" })
      : shape("path", { d: path, class: "hatch" });
    const size = { width: 8, height: 8, patternUnits: "userSpaceOnUse" };
    definitions.append(shape("pattern", { id: `hatch-${i}`, ...size }, mark));
  });
  return shape("svg", { width: 0, height: 0, "aria-hidden": "true", class: "visually-hidden" }, definitions);
}

// The area of a label: its colour, and its pattern above.
function areaOf(label, path) {
  const area = shape("path", { d: path, class: `area c${label}` });
  if (labels[label].name === "neutral") return [area];
  return [area, shape("path", { d: path, fill: `url(#hatch-${label})`, "pointer-events": "none" })];
}

const live = document.getElementById("live");

function announce(text) {
  live.textContent = text;
}

function splitName(name) {
  const at = name.lastIndexOf("/");
  return [name.slice(at + 1), name.slice(0, Math.max(at, 0))];
}

function trackName(row) {
  const channel = rows.channel.at(row), speaker = rows.speaker.at(row);
  const parts = [];
  if (channel !== null && channel !== "mix") parts.push(`channel ${channel}`);
  if (speaker !== null) parts.push(`speaker ${speaker}`);
  return parts.join(", ");
}
