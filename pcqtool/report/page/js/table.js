// The table of recordings: sorted, filtered, and with only the visible rows in the document.

const ROW_HEIGHT = 36, MARGIN = 6;

const table = (() => {
  const scroller = document.getElementById("scroller");
  const head = document.querySelector("#table thead");
  const body = document.querySelector("#table tbody");
  const count = document.getElementById("count");
  const hasTalk = lazily(() => rows.talk().some((value) => !Number.isNaN(value)));
  const hasTracks = rows.channel.values.length > 1 || rows.speaker.values.length > 0;
  const lowered = lazily(() => names.map((name) => name.toLowerCase()));

  const text = (content, className = "num") => element("td", { className }, content);
  const number = (values, format) => ({
    sort: (row) => values()[row], cell: (row, extra = "") => text(format(values()[row]), `num ${extra}`.trim()),
  });
  const labelCell = (label, tail = "") => (label < 0 ? text("", "") : element("td", {}, ...named(label), tail));

  const columns = [
    { title: "Recording", size: "col-name", sort: (row) => row, cell: nameCell },
    hasTracks && { title: "Channel", size: "col-channel", sort: trackRank, cell: (row) => text(trackText(row), "") },
    { title: "Label", size: "col-label", sort: (row) => rows.label()[row], cell: (row) => labelCell(rows.label()[row]) },
    { title: "Confidence", size: "col-num", when: "from-tiny", ...number(rows.confidence, asPercent) },
    { title: "Duration", size: "col-time", when: "from-small", ...number(rows.duration, asClock) },
    { title: "Speech", size: "col-time", when: "from-wide", ...number(rows.speech, asClock) },
    hasTalk() && { title: "Talk share", size: "col-num", when: "from-medium", ...number(rows.talk, asPercent) },
    {
      title: "Strongest", size: "col-strong", when: "from-medium", sort: (row) => strongestPeak(row),
      cell: (row) => labelCell(strongest()[row], strongest()[row] < 0 ? "" : ` ${asPercent(strongestPeak(row))}`),
    },
    rows.status.values.length > 1 && {
      title: "Status", size: "col-status", when: "from-wide", sort: (row) => rows.status.index()[row],
      cell: (row) => text((rows.status.at(row) ?? "").replace("_", " "), ""),
    },
  ].filter(Boolean);

  const isNumeric = (column) => ["col-num", "col-time"].includes(column.size);
  const state = { order: [], column: 0, down: false, active: 0, chosen: -1, group: null };

  function trackText(row) {
    return [rows.channel.at(row), rows.speaker.at(row)].filter((part) => part !== null).join(" · ");
  }

  function trackRank(row) {
    return rows.channel.index()[row] * 100000 + rows.speaker.index()[row];
  }

  function strongestPeak(row) {
    return strongest()[row] < 0 ? NaN : rows.peaks()[row * labels.length + strongest()[row]];
  }

  function nameCell(row, position) {
    const name = names[rows.recording()[row]];
    const [file, folder] = splitName(name);
    const button = element("button", { type: "button", className: "link", title: name }, file);
    button.tabIndex = position === state.active ? 0 : -1;
    if (folder) button.append(element("span", { className: "folder" }, folder));
    return element("th", { scope: "row" }, button);
  }

  function drawHead() {
    const cells = columns.map((column, i) => {
      const button = element("button", { type: "button" }, column.title);
      button.addEventListener("click", () => sortBy(i));
      const isNumber = isNumeric(column);
      const cell = element("th", { scope: "col", className: `${column.size} ${column.when ?? ""} ${isNumber ? "num" : ""}` });
      if (i === state.column) cell.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      cell.append(button);
      return cell;
    });
    head.replaceChildren(element("tr", { "aria-rowindex": "1" }, ...cells));
  }

  function spacer(height) {
    const cell = element("td", { colSpan: columns.length });
    const row = element("tr", { className: "spacer", "aria-hidden": "true" }, cell);
    cell.style.height = `${height}px`;
    return row;
  }

  function drawRow(position) {
    const row = state.order[position];
    const cells = columns.map((column) => {
      const cell = column.cell(row, position);
      if (column.when) cell.classList.add(column.when);
      return cell;
    });
    const drawn = element("tr", { "aria-rowindex": String(position + 2) }, ...cells);
    drawn.dataset.position = position;
    if (row === state.chosen) drawn.className = "chosen";
    return drawn;
  }

  function draw() {
    const hadFocus = body.contains(document.activeElement);
    const first = Math.max(0, Math.floor(scroller.scrollTop / ROW_HEIGHT) - MARGIN);
    const last = Math.min(state.order.length, first + Math.ceil(scroller.clientHeight / ROW_HEIGHT) + 2 * MARGIN);
    const drawn = [];
    if (first > 0) drawn.push(spacer(first * ROW_HEIGHT));
    for (let position = first; position < last; position++) drawn.push(drawRow(position));
    if (last < state.order.length) drawn.push(spacer((state.order.length - last) * ROW_HEIGHT));
    body.replaceChildren(...drawn);
    document.getElementById("table").setAttribute("aria-rowcount", state.order.length + 1);
    if (hadFocus) focusActive();
  }

  function focusActive() {
    const button = body.querySelector(`tr[data-position="${state.active}"] button`);
    if (button) button.focus({ preventScroll: true });
  }

  function moveTo(position) {
    state.active = Math.max(0, Math.min(state.order.length - 1, position));
    const top = state.active * ROW_HEIGHT, room = scroller.clientHeight - 2 * ROW_HEIGHT;
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top > scroller.scrollTop + room) scroller.scrollTop = top - room;
    draw();
    focusActive();
  }

  function sortBy(column) {
    state.down = state.column === column ? !state.down : isNumeric(columns[column]) || columns[column].size === "col-strong";
    state.column = column;
    drawHead();
    update();
    head.querySelectorAll("button")[column].focus();
    announce(`Sorted by ${columns[column].title}, ${state.down ? "descending" : "ascending"}`);
  }

  function matches() {
    const value = (id) => document.getElementById(id).value;
    const wanted = value("filter-name").trim().toLowerCase().split(/\s+/).filter(Boolean);
    const [label, channel, status] = ["label", "channel", "status"].map((name) => value(`filter-${name}`));
    const confidence = Number(value("filter-confidence"));
    return (row) =>
      wanted.every((word) => lowered()[rows.recording()[row]].includes(word)) &&
      (label === "" || rows.label()[row] === Number(label)) &&
      (channel === "" || rows.channel.at(row) === channel) &&
      (status === "" || rows.status.at(row) === status) &&
      (confidence === 0 || rows.confidence()[row] >= confidence) &&
      (!state.group || state.group.holds(row));
  }

  // Filter and sort again; rows without a value are always last.
  function update() {
    const fits = matches();
    const found = [];
    for (let row = 0; row < rows.n; row++) if (fits(row)) found.push(row);
    const key = Float64Array.from({ length: rows.n }, (_, row) => columns[state.column].sort(row));
    const sign = state.down ? -1 : 1;
    state.order = found.sort((a, b) => {
      const missing = Number.isNaN(key[a]) - Number.isNaN(key[b]);
      return missing || sign * (key[a] - key[b]) || a - b;
    });
    state.active = Math.max(0, state.order.indexOf(state.chosen));
    count.textContent = `${asNumber(found.length)} of ${asNumber(rows.n)} rows`;
    scroller.scrollTop = 0;
    draw();
  }

  function filter() {
    update();
    announce(count.textContent);
  }

  function choose(row) {
    state.chosen = row;
    const position = state.order.indexOf(row);
    if (position >= 0) state.active = position;
    draw();
  }

  function setGroup(group) {
    state.group = group;
    const button = document.getElementById("filter-group");
    button.hidden = !group;
    button.textContent = group ? `${group.text} ✕` : "";
    button.setAttribute("aria-label", group ? `Remove the filter ${group.text}` : "");
    filter();
  }

  function option(value, content) {
    return element("option", { value: String(value) }, content);
  }

  function start(open) {
    document.getElementById("filter-label").append(...labels.map((label, i) => option(i, label.name)));
    for (const name of ["channel", "status"]) {
      const values = rows[name].values;
      const select = document.getElementById(`filter-${name}`);
      select.append(...values.map((value) => option(value, value.replace("_", " "))));
      select.parentElement.hidden = values.length < 2;
    }
    const steps = [0.5, 0.6, 0.7, 0.8, 0.9];
    document.getElementById("filter-confidence").append(...steps.map((step) => option(step, asPercent(step))));
    const form = document.getElementById("filters");
    let waiting;
    form.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(filter, 60);
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(() => setGroup(null)));
    document.getElementById("filter-group").addEventListener("click", () => setGroup(null));
    scroller.addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
    body.addEventListener("click", (event) => {
      const drawn = event.target.closest("tr[data-position]");
      if (drawn) open(state.order[Number(drawn.dataset.position)]);
    });
    body.addEventListener("keydown", (event) => {
      const page = Math.floor(scroller.clientHeight / ROW_HEIGHT) - 2;
      const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
      if (!(event.key in steps)) return;
      event.preventDefault();
      moveTo(state.active + steps[event.key]);
    });
    drawHead();
    update();
    new ResizeObserver(draw).observe(scroller);
  }

  return { start, choose, setGroup };
})();
