// Putting the page together.

function chooseScheme() {
  const button = document.getElementById("scheme");
  const root = document.documentElement;
  const prefers = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.scheme ? root.dataset.scheme === "dark" : prefers.matches);
  const show = () => {
    button.setAttribute("aria-pressed", String(isDark()));
  };
  button.addEventListener("click", () => {
    root.dataset.scheme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("pcqtool-scheme", root.dataset.scheme);
    } catch {
      // A browser may forbid a page from disk to store anything.
    }
    show();
  });
  try {
    const kept = localStorage.getItem("pcqtool-scheme");
    if (kept === "light" || kept === "dark") root.dataset.scheme = kept;
  } catch {
    // As above.
  }
  prefers.addEventListener("change", show);
  show();
}

function open(row) {
  table.choose(row);
  detail.show(row);
  document.getElementById("detail").scrollIntoView({ block: "nearest" });
}

function openFromMoments(row) {
  open(row);
  document.getElementById("detail").scrollIntoView({ block: "start" });
  document.getElementById("detail").focus({ preventScroll: true });
}

// Decode what the first click needs, while nothing else is to be done.
function prepare() {
  const waiting = [segmentOffsets, segments.start, segments.length, eventOffsets, rows.peaks, strongest];
  waiting.push(...Object.values(events));
  const later = window.requestIdleCallback ?? ((act) => setTimeout(act, 50));
  const next = () => {
    if (!waiting.length) return;
    waiting.shift()();
    later(next);
  };
  later(next);
}

localise();
chooseScheme();
document.body.append(hatches());
table.start(open);
moments.begin(openFromMoments);
trends.begin();
prepare();
