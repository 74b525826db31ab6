// The tables: rows are channels or speakers of recordings; segments and events belong to rows.

const data = JSON.parse(document.getElementById("data").textContent);
const labels = data.labels;
const names = data.names;
const packedRows = data.rows;
const rows = {
  n: packedRows.n,
  recording: integers(packedRows.recording),
  channel: words(packedRows.channel),
  speaker: words(packedRows.speaker),
  status: words(packedRows.status),
  error: words(packedRows.error),
  note: words(packedRows.note),
  label: codes(packedRows.label),
  confidence: fractions(packedRows.confidence),
  duration: times(packedRows.duration),
  speech: times(packedRows.speech),
  talk: fractions(packedRows.talk),
  classified: times(packedRows.classified),
  shares: fractions(packedRows.shares),
  peaks: fractions(packedRows.peaks),
  peakTimes: times(packedRows.peak_times),
};
const segments = { start: times(data.segments.start), length: times(data.segments.length) };
const events = {
  start: times(data.events.start),
  length: times(data.events.length),
  label: codes(data.events.label),
  confidence: fractions(data.events.confidence),
  peak: fractions(data.events.peak),
  peakTime: times(data.events.peak_time),
};
const groupings = data.groupings.map((each) => ({ name: each.name, kind: each.kind, ...words(each) }));

function offsets(counts) {
  const sums = new Uint32Array(counts.length + 1);
  for (let i = 0; i < counts.length; i++) sums[i + 1] = sums[i] + counts[i];
  return sums;
}

const segmentOffsets = lazily(() => offsets(decodeIntegers(data.segments.count)));
const eventOffsets = lazily(() => offsets(decodeIntegers(data.events.count)));

// The first row of each recording, and the number of rows at the end.
const rowOffsets = lazily(() => {
  const counts = new Uint32Array(names.length);
  for (const recording of rows.recording()) counts[recording]++;
  return offsets(counts);
});

function rowsOf(recording) {
  const [first, last] = [rowOffsets()[recording], rowOffsets()[recording + 1]];
  return Array.from({ length: last - first }, (_, i) => first + i);
}

// Segments of a row: start, end, and the probability of a label; NaN without a prediction.
function segmentsOf(row) {
  const [first, last] = [segmentOffsets()[row], segmentOffsets()[row + 1]];
  const n = labels.length;
  const bytes = sliceBase64(data.segments.probabilities.data, first * n, last * n);
  return {
    n: last - first,
    start: (i) => segments.start()[first + i],
    end: (i) => segments.start()[first + i] + segments.length()[first + i],
    probability: (i, label) => (bytes[i * n + label] === 255 ? NaN : bytes[i * n + label] / 254),
  };
}

function eventAt(index) {
  const start = events.start()[index];
  return {
    index, start, end: start + events.length()[index], label: events.label()[index],
    peak: events.peak()[index], confidence: events.confidence()[index], peakTime: events.peakTime()[index],
  };
}

function eventsOf(row) {
  const found = [];
  for (let i = eventOffsets()[row]; i < eventOffsets()[row + 1]; i++) found.push(eventAt(i));
  return found;
}

// The row that an event belongs to: the last whose first event is not after it.
function rowOfEvent(index) {
  let low = 0, high = rows.n - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (eventOffsets()[middle] <= index) low = middle;
    else high = middle - 1;
  }
  return low;
}

// The emotion with the highest peak; neutral is left out, since it is strong in most recordings.
const strongest = lazily(() => {
  const found = new Int16Array(rows.n).fill(-1);
  const n = labels.length, peaks = rows.peaks();
  for (let row = 0; row < rows.n; row++) {
    let highest = 0;
    for (let label = 0; label < n; label++) {
      if (labels[label].name !== "neutral" && peaks[row * n + label] > highest) {
        highest = peaks[row * n + label];
        found[row] = label;
      }
    }
  }
  return found;
});
