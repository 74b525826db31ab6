// The chosen recording: a timeline for each channel or speaker, one below the other.

const MAX_EVENTS = 200;

const detail = (() => {
  const box = document.getElementById("detail");
  let recording = -1, drawn = new Map(), width = 0;

  function facts(row) {
    const parts = [asDuration(rows.duration()[row] || 0)];
    for (const each of groupings) if (each.at(row) !== null) parts.push(`${each.name} ${groupText(each, each.at(row))}`);
    return parts.join(" · ");
  }

  function trackFacts(row) {
    const label = rows.label()[row];
    const parts = [label < 0 ? (rows.status.at(row) ?? "").replace("_", " ") : `${labels[label].name} ${asPercent(rows.confidence()[row])}`];
    if (!Number.isNaN(rows.talk()[row])) parts.push(`${asPercent(rows.talk()[row])} of the speech`);
    return parts.join(", ");
  }

  function eventList(row) {
    const found = eventsOf(row);
    if (!found.length) return "";
    const list = element("ol", { className: "events" });
    for (const event of found.slice(0, MAX_EVENTS)) list.append(element("li", {}, eventButton(row, event)));
    const rest = found.length > MAX_EVENTS ? `, the first ${asNumber(MAX_EVENTS)} listed` : "";
    return element("details", {}, element("summary", {}, `Events: ${asNumber(found.length)}${rest}`), list);
  }

  function eventButton(row, event) {
    const content = [swatch(event.label), `${asSpan(event.start, event.end)} ${labels[event.label].name}, peak ${asPercent(event.peak)}`];
    if (!player.canPlay(row, event.index)) return element("span", {}, ...content);
    const button = element("button", { type: "button" }, "▶ ", ...content);
    button.addEventListener("click", () => playEvent(row, event));
    return button;
  }

  function track(row, readout) {
    const name = trackName(row);
    const made = element("div", { className: "track" });
    const title = name ? name[0].toUpperCase() + name.slice(1) : "Whole recording";
    made.append(element("h4", {}, title, element("span", {}, ` — ${trackFacts(row)}`)));
    for (const text of [rows.error.at(row), rows.note.at(row)]) if (text) made.append(element("p", { className: "note" }, text));
    const [first, last] = [segmentOffsets()[row], segmentOffsets()[row + 1]];
    if (last > first) {
      const line = timeline(row, width, (text) => (readout.textContent = text));
      drawn.set(row, line);
      made.append(line.svg, eventList(row));
    }
    return made;
  }

  function draw() {
    const all = rowsOf(recording);
    const [file, folder] = splitName(names[recording]);
    const title = element("h3", { id: "detail-title" }, file);
    const readout = element("p", { className: "readout muted" }, player.canPlay(all[0]) ? "Click on a stretch to play it." : "");
    const opened = [...box.querySelectorAll("details")].map((each) => each.open);
    drawn = new Map();
    width = Math.max(240, Math.floor(box.clientWidth - 38));
    const tracks = all.map((row) => track(row, readout));
    const place = folder ? `${folder} · ` : "";
    box.replaceChildren(title, element("p", { className: "facts-line" }, place + facts(all[0])), legend(), readout, ...tracks);
    box.querySelectorAll("details").forEach((each, i) => (each.open = opened[i] ?? false));
  }

  function show(row) {
    const changed = rows.recording()[row] !== recording;
    recording = rows.recording()[row];
    if (changed) box.replaceChildren();
    draw();
    announce(`${names[recording]}, ${trackFacts(row)}`);
  }

  document.addEventListener("player-time", ({ detail: { row, time } }) => drawn.get(row)?.point(time));
  new ResizeObserver(() => {
    if (recording >= 0 && Math.abs(box.clientWidth - 38 - width) > 4) draw();
  }).observe(box);
  return { show };
})();
