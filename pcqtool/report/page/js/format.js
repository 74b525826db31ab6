// Numbers and dates as the viewer's locale writes them.

const locale = navigator.languages && navigator.languages.length ? [...navigator.languages] : undefined;
const formats = {};

function numberFormat(style, digits) {
  const key = style + digits;
  const options = { style, minimumFractionDigits: digits, maximumFractionDigits: digits };
  return (formats[key] ??= new Intl.NumberFormat(locale, options));
}

const asNumber = (value, digits = 0) => numberFormat("decimal", digits).format(value);
const asPercent = (value, digits = 0) => (Number.isNaN(value) ? "" : numberFormat("percent", digits).format(value));
const dayFormat = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeZone: "UTC" });
const asDay = (iso) => dayFormat.format(new Date(iso + "T00:00:00Z"));

function asClock(seconds) {
  if (Number.isNaN(seconds)) return "";
  const whole = Math.floor(seconds + 1e-6);
  const two = (n) => String(n).padStart(2, "0");
  const minutes = Math.floor(whole / 60) % 60, hours = Math.floor(whole / 3600);
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

const asSpan = (start, end) => `${asClock(start)}–${asClock(end)}`;

function asDuration(seconds) {
  if (seconds >= 3600) return `${asNumber(seconds / 3600, 1)} h`;
  return seconds >= 60 ? `${asNumber(seconds / 60, 1)} min` : `${asNumber(seconds)} s`;
}

// Numbers that the page was written with, in the form of the viewer's locale.
function localise() {
  for (const each of document.querySelectorAll("data[data-style]")) {
    each.textContent = numberFormat(each.dataset.style, Number(each.dataset.digits)).format(Number(each.value));
  }
  for (const each of document.querySelectorAll("[data-seconds]")) {
    each.textContent = asDuration(Number(each.dataset.seconds));
  }
  for (const each of document.querySelectorAll("time[data-date]")) {
    each.textContent = new Intl.DateTimeFormat(locale, { dateStyle: "long" }).format(new Date(each.dateTime));
  }
  const bars = [...document.querySelectorAll(".bar[data-share]")];
  const longest = Math.max(0.01, ...bars.map((bar) => Number(bar.dataset.share)));
  for (const bar of bars) bar.style.width = `${(100 * Number(bar.dataset.share)) / longest}%`;
}
