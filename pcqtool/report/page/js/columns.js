// Columns of numbers, decoded when they are first read.

function decodeBase64(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

// The bytes from `first` up to `last`, without decoding the others: four characters are three bytes.
function sliceBase64(text, first, last) {
  const start = Math.floor(first / 3);
  const bytes = decodeBase64(text.slice(4 * start, 4 * Math.ceil(last / 3)));
  return bytes.subarray(first - 3 * start, last - 3 * start);
}

function lazily(make) {
  let made;
  return () => (made === undefined ? (made = make()) : made);
}

// Whole numbers: zigzag, then seven bits a byte, the lowest first.
function decodeIntegers(packed) {
  const bytes = decodeBase64(packed.data);
  let n = 0;
  for (const byte of bytes) n += byte < 128;
  const numbers = new Float64Array(n);
  let at = 0, before = 0;
  for (let i = 0; i < n; i++) {
    let value = 0, factor = 1, byte;
    do {
      byte = bytes[at++];
      value += (byte & 127) * factor;
      factor *= 128;
    } while (byte > 127);
    value = value % 2 ? -(value + 1) / 2 : value / 2;
    if (packed.differences) value = before += value;
    numbers[i] = value;
  }
  return numbers;
}

const integers = (packed) => lazily(() => decodeIntegers(packed));

// Times in seconds; NaN for none, unless the column has differences.
const times = (packed) =>
  lazily(() => decodeIntegers(packed).map((t) => (t < 0 && !packed.differences ? NaN : t / 100)));

// Fractions from 0 to 1; NaN for none.
function fractions(packed) {
  return lazily(() => {
    const bytes = decodeBase64(packed.data);
    if (packed.kind === "u8") return Float32Array.from(bytes, (b) => (b === 255 ? NaN : b / 254));
    const values = new Float32Array(bytes.length / 2);
    for (let i = 0; i < values.length; i++) {
      const value = bytes[2 * i] + 256 * bytes[2 * i + 1];
      values[i] = value === 65535 ? NaN : value / 65534;
    }
    return values;
  });
}

// Numbers of classes; -1 for none.
const codes = (packed) => lazily(() => Int16Array.from(decodeBase64(packed.data), (b) => (b === 255 ? -1 : b)));

// Text that repeats; null for none.
function words(packed) {
  const index = integers(packed.index);
  return { values: packed.values, index, at: (i) => packed.values[index()[i]] ?? null };
}
