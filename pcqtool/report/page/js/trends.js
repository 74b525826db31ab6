// Shares of emotions by day, hour, agent or another property of recordings.

const MAX_DAYS = 92, MAX_GROUPS = 60;

const groupText = (grouping, value) => (grouping.kind === "date" ? asDay(value) : grouping.kind === "hour" ? `${Number(value)} h` : value);

const trends = (() => {
  const box = document.getElementById("trend");

  // Mondays in place of days, when there are many.
  function weekOf(iso) {
    const day = new Date(iso + "T00:00:00Z");
    day.setUTCDate(day.getUTCDate() - ((day.getUTCDay() + 6) % 7));
    return day.toISOString().slice(0, 10);
  }

  function sums(grouping, channel) {
    const byWeek = grouping.kind === "date" && grouping.values.length > MAX_DAYS;
    const found = new Map();
    const n = labels.length;
    for (let row = 0; row < rows.n; row++) {
      const own = grouping.at(row);
      if (own === null || (channel !== "" && rows.channel.at(row) !== channel)) continue;
      const value = byWeek ? weekOf(own) : own;
      let group = found.get(value);
      if (!group) found.set(value, (group = { value, seconds: new Float64Array(n), total: 0, recordings: new Set() }));
      group.recordings.add(rows.recording()[row]);
      const classified = rows.classified()[row];
      if (!(classified > 0)) continue;
      for (let label = 0; label < n; label++) group.seconds[label] += classified * (rows.shares()[row * n + label] || 0);
      group.total += classified;
    }
    const groups = [...found.values()];
    if (grouping.kind === "text") groups.sort((a, b) => b.recordings.size - a.recordings.size || (a.value < b.value ? -1 : 1));
    else groups.sort((a, b) => (a.value < b.value ? -1 : 1));
    return { groups, byWeek };
  }

  const share = (group, label) => (group.total ? group.seconds[label] / group.total : 0);

  function holder(grouping, group, byWeek) {
    const text = `${grouping.name}: ${byWeek ? "week of " : ""}${groupText(grouping, group.value)}`;
    const button = element("button", { type: "button", className: "link name", title: `Show the recordings, ${text}` }, groupText(grouping, group.value));
    button.addEventListener("click", () => {
      const holds = (row) => grouping.at(row) !== null && (byWeek ? weekOf(grouping.at(row)) : grouping.at(row)) === group.value;
      table.setGroup({ text, holds });
      document.getElementById("recordings").scrollIntoView();
      document.getElementById("recordings").focus({ preventScroll: true });
    });
    return button;
  }

  function stacks(grouping, groups) {
    const made = element("div", { className: "rows" });
    for (const group of groups.slice(0, MAX_GROUPS)) {
      const parts = stacking.map((i) => {
        const title = `${labels[i].name} ${asPercent(share(group, i))}`;
        const part = element("span", { className: `c${i}`, title }, share(group, i) > 0.06 ? labels[i].letters : "");
        part.style.width = `${100 * share(group, i)}%`;
        return part;
      });
      const stack = element("div", { className: "stack", "aria-hidden": "true" }, ...parts);
      const count = element("span", { className: "muted figure" }, asNumber(group.recordings.size));
      made.append(holder(grouping, group, false), stack, count);
    }
    return made;
  }

  function chart(grouping, groups) {
    const width = Math.max(280, box.clientWidth), left = 44, top = 8, height = 190;
    const step = Math.min(90, (width - left) / groups.length), gap = Math.min(10, step * 0.2);
    const svg = shape("svg", { class: "chart", viewBox: `0 0 ${width} 230`, "aria-hidden": "true" });
    for (const level of [0, 0.5, 1]) {
      const y = top + height * (1 - level);
      svg.append(shape("line", { class: "rule", x1: left, x2: left + step * groups.length, y1: y, y2: y }));
      svg.append(shape("text", { x: left - 6, y: y + 4, "text-anchor": "end" }, asPercent(level)));
    }
    const paths = labels.map(() => "");
    const every = Math.ceil(86 / step);
    groups.forEach((group, i) => {
      const x = left + i * step + gap / 2;
      let y = top + height;
      for (const label of stacking) {
        const size = share(group, label) * height;
        if (size > 0.2) paths[label] += `M${x.toFixed(1)} ${y.toFixed(1)}h${(step - gap).toFixed(1)}v${(-size).toFixed(1)}h${(gap - step).toFixed(1)}Z`;
        y -= size;
      }
      if (i % every === 0) svg.append(shape("text", { x: x + (step - gap) / 2, y: 222, "text-anchor": "middle" }, groupText(grouping, group.value)));
    });
    paths.forEach((path, label) => path && svg.append(...areaOf(label, path)));
    return svg;
  }

  function numbers(grouping, groups, byWeek) {
    const headings = [byWeek ? "week of" : grouping.name, "recordings", "classified", ...labels.map((label) => label.name)];
    const head = element("tr", {}, ...headings.map((text) => element("th", { scope: "col" }, text)));
    const body = groups.map((group) =>
      element("tr", {}, element("th", { scope: "row" }, holder(grouping, group, byWeek)),
        ...[asNumber(group.recordings.size), asDuration(group.total), ...labels.map((_, i) => asPercent(share(group, i)))].map((text) => element("td", {}, text))));
    const made = element("table", { className: "small trend" }, element("thead", {}, head), element("tbody", {}, ...body));
    const region = element("div", { className: "scroll-x", tabIndex: 0, role: "region" }, made);
    region.setAttribute("aria-label", `Numbers by ${grouping.name}`);
    return element("details", {}, element("summary", {}, "Numbers"), region);
  }

  function draw() {
    const grouping = groupings[Number(document.getElementById("trend-by").value)];
    const { groups, byWeek } = sums(grouping, document.getElementById("trend-channel").value);
    const opened = box.querySelector("details")?.open;
    const parts = [legend(), grouping.kind === "text" ? stacks(grouping, groups) : chart(grouping, groups)];
    const left = grouping.kind === "text" && groups.length > MAX_GROUPS ? `; ${asNumber(MAX_GROUPS)} of ${asNumber(groups.length)} are drawn` : "";
    const unit = byWeek ? "week" : grouping.name;
    parts.push(element("p", { className: "muted" }, `Share of the classified time by ${unit}${left}. Few recordings say little.`));
    parts.push(numbers(grouping, groups, byWeek));
    box.replaceChildren(...parts);
    box.querySelector("details").open = Boolean(opened);
  }

  function begin() {
    if (!groupings.length) return;
    document.getElementById("trends").hidden = false;
    const by = document.getElementById("trend-by");
    by.append(...groupings.map((each, i) => element("option", { value: String(i) }, each.name)));
    const channel = document.getElementById("trend-channel");
    channel.append(...rows.channel.values.map((value) => element("option", { value }, value)));
    document.getElementById("trend-channel-label").hidden = rows.channel.values.length < 2;
    const form = document.getElementById("trend-choices");
    form.addEventListener("input", draw);
    form.addEventListener("submit", (event) => event.preventDefault());
    let width = box.clientWidth;
    new ResizeObserver(() => {
      if (Math.abs(box.clientWidth - width) < 4) return;
      width = box.clientWidth;
      draw();
    }).observe(box);
    draw();
  }

  return { begin };
})();
