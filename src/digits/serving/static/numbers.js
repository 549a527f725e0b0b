// Join the digits of each row to numbers. The rules and limits are those of digits/reading/numbers.py.

const WIDE_GAP = 1.5, UNEVEN_GAP = 2.5, ONLY_GAP = 4;
const SMALL = 0.4, FLAT = 0.5, POINT_LEVEL = 0.3, MINUS_GAP = 1;

/** Join marks to numbers. `marks` are [{ digit, probability, accepted, box, row }], `signs` are
 *  [{ character, box, row }]. Returns [{ text, digits, row, box, probability }] in reading order. */
export function numbersOf(marks, signs) {
  const rows = [...new Set(marks.map(({ row }) => row))].sort((a, b) => a - b);
  const of = (row, all) => all.filter((each) => each.row === row);
  return rows.flatMap((row) => numbersOfRow(of(row, marks), of(row, signs)));
}

export const middleOf = ({ box: [left, , width] }) => left + width / 2;
const byMiddle = (a, b) => middleOf(a) - middleOf(b);

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b), half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

function numbersOfRow(marks, signs) {
  const digits = marks.filter(({ accepted }) => accepted).sort(byMiddle);
  if (!digits.length) return [];
  const height = median(digits.map(({ box }) => box[3]));
  const gaps = digits.slice(1).map(({ box }, i) => box[0] - digits[i].box[0] - digits[i].box[2]);
  const low = [...gaps].sort((a, b) => a - b)[(gaps.length - 1) >> 1];
  const wide = gaps.length > 1 ? Math.max(WIDE_GAP * height, UNEVEN_GAP * low) : ONLY_GAP * height;
  const placeOf = (each) => digits.filter((digit) => middleOf(digit) <= middleOf(each)).length;
  const others = marks.filter(({ accepted, box }) => !accepted && !signs.some((sign) => overlap(box, sign.box)));
  const seen = [...signs, ...others.flatMap((mark) => signOf(mark, digits[Math.max(0, placeOf(mark) - 1)], height))];
  const before = Array.from({ length: digits.length + 1 }, () => []); // signs before each digit, and after the last
  for (const sign of seen.sort(byMiddle)) before[placeOf(sign)].push(sign);
  const places = [[0]];
  for (let n = 1; n < digits.length; n++) {
    const point = before[n].length === 1 && ".,".includes(before[n][0].character);
    if ((!before[n].length || point) && gaps[n - 1] <= wide) places[places.length - 1].push(n);
    else places.push([n]);
  }
  return places.map((numbers) => {
    const first = numbers[0], last = before[first].slice(-1);
    const minus = last.filter(({ character, box }) => character === "-" && (first === 0 || gaps[first - 1] > wide)
      && digits[first].box[0] - box[0] - box[2] <= MINUS_GAP * height);
    const parts = numbers.flatMap((n) => [...(n === first ? minus : before[n]), digits[n]]), own = numbers.map((n) => digits[n]);
    return {
      text: parts.map(({ character, digit }) => character ?? digit).join(""),
      digits: own.map(({ digit }) => digit).join(""),
      row: digits[first].row,
      box: around(parts.map(({ box }) => box)),
      probability: own.reduce((product, { probability }) => product * probability, 1),
    };
  });
}

/** Return the sign that a mark is which was not accepted, in an array; `digit` is the one before it. */
function signOf(mark, digit, rowHeight) {
  const [, top, width, height] = mark.box, sign = (character) => [{ character, box: mark.box }];
  if (Math.max(width, height) < SMALL * rowHeight) {
    const above = digit.box[1] + digit.box[3] - (top + height / 2);
    return above <= POINT_LEVEL * rowHeight ? sign(".") : [];
  }
  return sign(height <= FLAT * width && height < SMALL * rowHeight ? "-" : "x");
}

/** Return whether a mark is a part of a number. */
export function belongs({ box: [x, y, w, h], row }, number) {
  const [left, top, width, height] = number.box;
  return row === number.row && x >= left && y >= top && x + w <= left + width && y + h <= top + height;
}

function overlap(a, b) {
  return [0, 1].every((i) => a[i] < b[i] + b[i + 2] && b[i] < a[i] + a[i + 2]);
}

function around(boxes) {
  const [left, top] = [0, 1].map((i) => Math.min(...boxes.map((box) => box[i])));
  const [right, bottom] = [0, 1].map((i) => Math.max(...boxes.map((box) => box[i] + box[i + 2])));
  return [left, top, right - left, bottom - top];
}
