// The strongest moments of each emotion, as a list to listen through.

const moments = (() => {
  const list = document.getElementById("moments");
  const note = document.getElementById("moments-note");
  const all = document.getElementById("play-all");
  let shown = [], items = [], running = false;

  function item(event, open) {
    const row = rowOfEvent(event.index);
    const name = names[rows.recording()[row]];
    const place = element("button", { type: "button", className: "link where", title: name }, [splitName(name)[0], trackName(row)].filter(Boolean).join(" · "));
    place.addEventListener("click", () => open(row));
    const content = `${asPercent(event.peak)}  ${asSpan(event.start, event.end)}`;
    const made = element("li", {});
    if (player.canPlay(row, event.index)) {
      const button = element("button", { type: "button", className: "play" }, `▶ ${content}`);
      button.setAttribute("aria-label", `Play ${labels[event.label].name}, peak ${asPercent(event.peak)}, ${asSpan(event.start, event.end)}, ${name}`);
      button.addEventListener("click", () => {
        running = false;
        start(event, row);
      });
      made.append(button);
    } else made.append(element("span", { className: "play" }, content));
    made.append(place);
    return made;
  }

  function start(event, row, ended) {
    if (!playEvent(row, event, ended)) return false;
    items.forEach((each, i) => each.classList.toggle("now", shown[i].index === event.index));
    return true;
  }

  function playFrom(position) {
    if (!running || position >= shown.length) return stopAll();
    const event = shown[position];
    if (!start(event, rowOfEvent(event.index), () => playFrom(position + 1))) playFrom(position + 1);
  }

  function stopAll() {
    running = false;
    all.textContent = "Play all";
  }

  function show(label, open) {
    stopAll();
    shown = data.moments[label].map(eventAt);
    items = shown.map((event) => item(event, open));
    list.replaceChildren(...items);
    all.hidden = !shown.some((event) => player.canPlay(rowOfEvent(event.index), event.index));
    note.textContent = shown.length
      ? `The events in which ${labels[label].name} has the highest probabilities.`
      : `No event of ${labels[label].name}.`;
  }

  function begin(open) {
    const choices = document.getElementById("moment-labels");
    const counts = new Uint32Array(labels.length);
    for (const label of events.label()) if (label >= 0) counts[label]++;
    const first = stacking.find((label) => counts[label] > 0) ?? stacking[0];
    for (const label of stacking) {
      const input = element("input", { type: "radio", name: "moment" });
      input.checked = label === first;
      input.addEventListener("change", () => show(label, open));
      const number = element("span", { className: "count" }, asNumber(counts[label]));
      choices.append(element("label", {}, input, ...named(label), number));
    }
    all.addEventListener("click", () => {
      if (running) {
        stopAll();
        player.stop();
        return;
      }
      running = true;
      all.textContent = "Stop";
      playFrom(0);
    });
    show(first, open);
  }

  return { begin };
})();
