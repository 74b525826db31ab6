// Playing a stretch of a recording, or a clip inside the page.

const player = (() => {
  const audio = document.getElementById("audio");
  const box = document.getElementById("player");
  const playing = document.getElementById("playing");
  let now = null; // {row, start, end, offset, ended}
  let source = "";

  function urlOf(recording) {
    const own = data.audio.others[recording];
    return own ?? data.audio.base + names[recording].split("/").map(encodeURIComponent).join("/");
  }

  // What to play for a stretch: the source, and the time in the recording at which the source begins.
  function find(row, event) {
    if (data.audio) return { url: urlOf(rows.recording()[row]), offset: 0 };
    const clip = event === undefined ? undefined : data.clips[event];
    return clip && { url: `data:audio/flac;base64,${clip.data}`, offset: clip.start, end: clip.end };
  }

  function stop() {
    audio.pause();
    if (now) document.dispatchEvent(new CustomEvent("player", { detail: null }));
    now = null;
  }

  function play(row, start, end, { event, ended } = {}) {
    const found = find(row, event);
    if (!found) return false;
    stop();
    box.hidden = false;
    const begin = Math.max(start, found.offset);
    now = { row, start: begin, end: Math.min(end, found.end ?? Infinity), offset: found.offset, event, ended };
    const [file] = splitName(names[rows.recording()[row]]);
    playing.textContent = [file, trackName(row), asSpan(now.start, now.end)].filter(Boolean).join(" · ");
    announce(`Playing ${playing.textContent}`);
    if (found.url !== source) {
      audio.src = source = found.url;
      audio.load();
    }
    const current = now;
    const begun = () => {
      if (now !== current) return;
      audio.currentTime = begin - found.offset;
      audio.play().catch(() => {});
      document.dispatchEvent(new CustomEvent("player", { detail: current }));
    };
    if (audio.readyState >= 1) begun();
    else audio.addEventListener("loadedmetadata", begun, { once: true });
    return true;
  }

  function finish() {
    const ended = now && now.ended;
    stop();
    if (ended) ended();
  }

  function follow() {
    if (!now || audio.paused) return;
    const time = audio.currentTime + now.offset;
    document.dispatchEvent(new CustomEvent("player-time", { detail: { row: now.row, time } }));
    if (time >= now.end) finish();
    requestAnimationFrame(follow);
  }

  audio.addEventListener("timeupdate", () => {
    if (now && !audio.paused && audio.currentTime + now.offset >= now.end) finish();
  });
  audio.addEventListener("ended", finish);
  audio.addEventListener("error", () => {
    if (!source) return;
    source = "";
    now = null;
    const text = "This recording cannot be played: it is not where it was, or the browser does not know its format.";
    playing.textContent = text;
    announce(text);
  });
  audio.addEventListener("play", () => requestAnimationFrame(follow));
  return { play, stop, canPlay: (row, event) => Boolean(find(row, event)), current: () => now };
})();
