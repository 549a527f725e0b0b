// Find rows, digits and signs in pen strokes. The computation and its numbers are those of stroke_rows.py,
// stroke_signs.py and stroke_groups.py in digits/reading, where they are explained. A stroke is here an object
// { left, top, right, bottom, number, points }: its box, its place in the order of drawing, and its points [x, y].

import { bounds, boxAround } from "./drawing.js";
import { median } from "./numbers.js";

const SMALL_STROKE = 0.4, DIGIT_HEIGHT = 1.2, STACKED_GAP = 0.3, STACKED_WIDTH = 0.6, SHARED_WIDTH = 0.3, MOST_COMPARED = 200, MOST_POINTS = 33;
const TOUCHING = 0.06, TWO_ROWS = 1.7, NARROW = 0.8, THRESHOLD = 0.9, SURE = 0.995;
const SLOPES = [0, 2, -2, 4, -4, 7, -7, 10, -10, 14, -14, 18, -18].map((degrees) => Math.tan((degrees * Math.PI) / 180));
const ROW_DISTANCE = 0.5, SLOPE_COST = 10;

const FREE = 0.06, DOT_SIZE = 0.22, DOT_LEVEL = 0.7, COLON_APART = 0.3, INSIDE = 0.3;
const COMMA_WIDTH = 0.3, COMMA_HEIGHT = 0.4, COMMA_LEVELS = [0.7, 1.05], COMMA_LONG = 1.2, COMMA_LEAST = 0.1;
const DASH_WIDTHS = [0.15, 1.3], DASH_FLAT = 0.35, DASH_LEVELS = [0.25, 0.75];
const SLASH_HEIGHT = 1.15, SLASH_LEAN = 0.2, SLASH_LONG = 1.1, SLASH_LEVELS = [0.02, 0.98];

const MOST_STROKES = 5, MAX_DIGIT_WIDTH = 2, MAX_STROKE_GAP = 0.35, JOIN_COST = 0.6, JOIN_GAP_COST = 5;
const SEVER_COST = 4, SEVER_REACH = 0.8, SHARED_COST = 8, CONFIDENCE_COST = 1.5, MIN_CONFIDENCE = 1e-4;
const WIDTH_COST = 6, LEAST_HEIGHT = 0.6, LOW_COST = 4, LOW_HEIGHT = 0.9, NEVER = 1e9, MOST_STEPS = 30;

/** Find the marks and signs of a drawing. `strokes` are arrays of points [x, y], in the order of drawing;
 *  `classify(indices)` returns the answer for the strokes with these indices, an object with `probabilities`.
 *  Returns { marks, signs }, in reading order: marks are [{ indices, box, row, answer }], signs are
 *  [{ character, box, row }]; a box is [left, top, width, height] in whole units. */
export function findInStrokes(strokes, classify) {
  const drawn = strokes.map((points, number) => {
    const [left, top, right, bottom] = bounds([points]);
    return { left, top, right, bottom, number, points };
  }).filter(({ points }) => points.length > 0);
  const marks = [], signs = [];
  rowsOf(drawn).forEach((strokesOfRow, row) => {
    const found = readRow(strokesOfRow, classify);
    marks.push(...found.digits.map(({ members, answer }) => ({ indices: indicesOf(members), box: boxOf(members), row, answer })));
    signs.push(...found.signs.map(({ character, members }) => ({ character, box: boxOf(members), row })));
  });
  return { marks, signs };
}

const width = (place) => place.right - place.left;
const height = (place) => place.bottom - place.top;
const middle = (place) => (place.left + place.right) / 2;
const shared = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left);
const boxOf = (members) => boxAround(members.map(({ points }) => points));
const indicesOf = (members) => members.map(({ number }) => number).sort((a, b) => a - b);

function around(places) {
  const side = (name, which) => which(...places.map((place) => place[name]));
  return { left: side("left", Math.min), top: side("top", Math.min), right: side("right", Math.max), bottom: side("bottom", Math.max) };
}

function readRow(row, classify) {
  const tall = rowHeight(row), free = mayBeSigns(row, tall);
  const digits = digitsOf(row.filter((stroke) => !free.includes(stroke)), tall, classify);
  if (!free.length) return { digits, signs: [] };
  const signs = signsAmong(free, digits, tall), taken = signs.flatMap(({ members }) => members);
  if (taken.length === free.length) return { digits, signs };
  return { digits: digitsOf(row.filter((stroke) => !taken.includes(stroke)), tall, classify), signs };
}

// Rows

function strokeHeight(places) {
  const tallest = Math.max(...places.map(height));
  return median(places.map(height).filter((tall) => tall >= SMALL_STROKE * tallest)) || Math.max(...places.map(width), 1e-6);
}

/** Group strokes that touch one another, directly or through others. */
function clustersOf(strokes, tall) {
  if (strokes.length > MOST_COMPARED) return strokes.map((stroke) => [stroke]);
  const limit = TOUCHING * tall, group = strokes.map((_, i) => i), order = strokes.map((_, i) => i).sort((i, j) => strokes[i].left - strokes[j].left);
  order.forEach((i, place) => {
    for (const j of order.slice(place + 1)) {
      if (strokes[j].left > strokes[i].right + limit) break;
      if (group[i] === group[j] || distance(strokes[i], strokes[j], limit) > limit) continue;
      const old = Math.max(group[i], group[j]), now = Math.min(group[i], group[j]);
      group.forEach((each, k) => { if (each === old) group[k] = now; });
    }
  });
  return [...new Set(group)].sort((a, b) => a - b).map((first) => strokes.filter((_, i) => group[i] === first));
}

function rowsOf(strokes) {
  if (!strokes.length) return [];
  const asCluster = (members) => ({ ...around(members), members });
  let clusters = clustersOf(strokes, strokeHeight(strokes)).map(asCluster), tall = strokeHeight(clusters);
  if (clusters.some((cluster) => height(cluster) > TWO_ROWS * tall)) {
    tall = strokeHeight(strokes);
    clusters = strokes.map((stroke) => asCluster([stroke]));
  }
  const isHigh = (cluster) => height(cluster) >= SMALL_STROKE * tall, high = clusters.filter(isHigh);
  const rows = wholeDigits(slopingRows(high.length ? high : clusters, DIGIT_HEIGHT * tall));
  if (high.length) {
    const cores = rows.map((row) => [...row]);
    for (const cluster of clusters) if (!isHigh(cluster)) rows[nearestRow(cluster, cores)].push(cluster);
  }
  return rows.map((row) => row.flatMap(({ members }) => members).sort((a, b) => middle(a) - middle(b)));
}

/** Group places into rows by the best of several slopes, as in digits/reading/rows.py. */
function slopingRows(places, tall) {
  let best = [Infinity, []];
  for (const slope of SLOPES) {
    const level = (place) => (place.top + place.bottom) / 2 - slope * middle(place), rows = [];
    for (const place of [...places].sort((a, b) => level(a) - level(b))) {
      const row = rows[rows.length - 1];
      if (row && level(place) - level(row[row.length - 1]) <= ROW_DISTANCE * tall) row.push(place);
      else rows.push([place]);
    }
    const spread = rows.reduce((sum, row) => sum + (level(row[row.length - 1]) - level(row[0])), 0) / tall;
    const cost = spread + rows.length + SLOPE_COST * Math.abs(slope);
    if (cost < best[0]) best = [cost, rows];
  }
  return best[1].map((row) => row.sort((a, b) => middle(a) - middle(b)));
}

/** Join the only two rows if they are the upper and lower halves of the same digits. */
function wholeDigits(rows) {
  return rows.length === 2 && areHalves(...rows) ? [rows.flat()] : rows;
}

function areHalves(upper, lower) {
  const touch = (a, b) => shared(a, b) >= STACKED_WIDTH * Math.min(width(a), width(b))
    && b.top - a.bottom <= STACKED_GAP * Math.min(height(a), height(b));
  if (upper.length <= lower.length) return upper.every((a) => lower.some((b) => touch(a, b)));
  return lower.every((b) => upper.some((a) => touch(a, b)));
}

function nearestRow(stroke, rows) {
  const away = (other) => Math.max(0, other.left - stroke.right, stroke.left - other.right)
    + 2 * Math.max(0, other.top - stroke.bottom, stroke.top - other.bottom);
  const distances = rows.map((row) => Math.min(...row.map(away)));
  return distances.indexOf(Math.min(...distances));
}

function rowHeight(row) {
  const columns = [];
  for (const stroke of [...row].sort((a, b) => a.left - b.left || a.right - b.right)) {
    const last = columns[columns.length - 1];
    if (last && Math.min(stroke.right, last.right) - stroke.left >= SHARED_WIDTH * Math.min(width(stroke), width(last))) {
      columns[columns.length - 1] = around([last, stroke]);
    } else columns.push(stroke);
  }
  return strokeHeight(columns);
}

/** Return the distance between two strokes, 0 if they cross; Infinity if it is surely above `limit`. */
function distance(a, b, limit) {
  const down = Math.max(a.top, b.top) - Math.min(a.bottom, b.bottom);
  if (Math.max(-shared(a, b), down) > limit) return Infinity;
  const first = fewerPoints(a.points), second = fewerPoints(b.points);
  return cross(first, second) ? 0 : Math.sqrt(Math.min(squaredDistance(first, second), squaredDistance(second, first)));
}

function fewerPoints(points) {
  const last = points.length - 1, step = Math.ceil(last / (MOST_POINTS - 1)) || 1;
  return points.filter((_, i) => i === last || i % step === 0);
}

function cross(first, second) {
  const left = ([px, py], [qx, qy], [rx, ry]) => (qx - px) * (ry - py) > (qy - py) * (rx - px);
  for (let i = 1; i < first.length; i++) {
    for (let j = 1; j < second.length; j++) {
      const a = first[i - 1], b = first[i], c = second[j - 1], d = second[j];
      if (left(a, b, c) !== left(a, b, d) && left(c, d, a) !== left(c, d, b)) return true;
    }
  }
  return false;
}

function squaredDistance(points, line) {
  let least = Infinity;
  for (let i = 0; i < Math.max(1, line.length - 1); i++) {
    const [sx, sy] = line[i], [ex, ey] = line[Math.min(i + 1, line.length - 1)];
    const ax = ex - sx, ay = ey - sy, length = Math.max(ax * ax + ay * ay, 1e-12);
    for (const [px, py] of points) {
      const part = Math.min(Math.max(((px - sx) * ax + (py - sy) * ay) / length, 0), 1);
      const x = px - sx - part * ax, y = py - sy - part * ay;
      least = Math.min(least, x * x + y * y);
    }
  }
  return least;
}

// Signs

function mayBeSigns(row, tall) {
  if (row.length > MOST_COMPARED) return [];
  const found = row.filter((stroke) => (height(stroke) <= COMMA_HEIGHT * tall || isSlash(stroke, tall))
    && row.every((other) => other === stroke || distance(stroke, other, FREE * tall) >= FREE * tall));
  return found.length < row.length ? found : [];
}

function signsAmong(strokes, digits, tall) {
  const dots = strokes.filter((stroke) => Math.max(width(stroke), height(stroke)) <= DOT_SIZE * tall), found = [];
  for (const upper of dots) {
    const lower = dots.find((dot) => upper.bottom < dot.top && Math.abs(middle(upper) - middle(dot)) <= COLON_APART * tall);
    if (lower) found.push({ character: ":", members: [upper, lower] });
  }
  const taken = found.flatMap(({ members }) => members);
  for (const stroke of strokes) {
    const character = taken.includes(stroke) ? null : signOf(stroke, digits, tall);
    if (character) found.push({ character, members: [stroke] });
  }
  return found.sort((a, b) => middle(a.members[0]) - middle(b.members[0]));
}

function signOf(stroke, digits, rowTall) {
  const isInside = (digit) => shared(stroke, digit) > INSIDE * width(stroke);
  if (digits.some((digit) => isInside(digit) && digit.bottom < stroke.top)) return null; // the stem of a 9
  const left = digits.filter((digit) => middle(digit) <= middle(stroke)), right = digits.filter((digit) => middle(digit) > middle(stroke));
  const near = [...left.slice(-1), ...right.slice(0, 1)], mean = (side) => near.reduce((sum, digit) => sum + digit[side], 0) / near.length;
  const top = mean("top"), bottom = mean("bottom"), wide = width(stroke) / rowTall, tall = height(stroke) / rowTall;
  const [first, at, last] = [stroke.top, (stroke.top + stroke.bottom) / 2, stroke.bottom].map((y) => (y - top) / (bottom - top));
  const isLong = tall >= Math.max(COMMA_LONG * wide, COMMA_LEAST) && last >= COMMA_LEVELS[1];
  if (isLong && wide <= COMMA_WIDTH && tall <= COMMA_HEIGHT && first >= COMMA_LEVELS[0]) return ",";
  if (Math.max(wide, tall) <= DOT_SIZE && at >= DOT_LEVEL) return ".";
  const isFlat = wide >= DASH_WIDTHS[0] && wide <= DASH_WIDTHS[1] && tall <= DASH_FLAT * wide;
  if (isFlat && at >= DASH_LEVELS[0] && at <= DASH_LEVELS[1]) return digits.some(isInside) ? null : "-";
  const isBetween = left.length && right.length && middle(left[0]) < middle(stroke);
  return tall >= SLASH_HEIGHT && isBetween && first < SLASH_LEVELS[0] && last > SLASH_LEVELS[1] ? "/" : null;
}

/** Return whether a stroke is high, straight and leans to the right. */
function isSlash(stroke, tall) {
  if (height(stroke) < SLASH_HEIGHT * tall || width(stroke) < SLASH_LEAN * height(stroke)) return false;
  const { points } = stroke, [[ax, ay], [bx, by]] = [points[0], points[points.length - 1]];
  const apart = ([px, py], [qx, qy]) => Math.sqrt((qx - px) * (qx - px) + (qy - py) * (qy - py));
  const length = points.reduce((sum, point, i) => sum + (i ? apart(points[i - 1], point) : 0), 0);
  return length <= SLASH_LONG * apart([ax, ay], [bx, by]) && (bx - ax) * (by - ay) < 0;
}

// Digits

/** Group the strokes of a row into digits; returns them as boxes with `members` and `answer`. */
function digitsOf(row, tall, classify) {
  const groups = groupsOf(row, tall), path = cheapest(groups, row, classify), held = heldTogether(path, groups, row, tall);
  if (!held.size) return path;
  return cheapest(groups.filter(({ first, end }) => !held.has(first) && !held.has(end)), row, classify);
}

function cheapest(groups, row, classify) {
  let path = [];
  for (let step = 0; step <= MOST_STEPS; step++) {
    path = cheapestPath(groups, row.length, step === MOST_STEPS);
    const unknown = path.filter((group) => !group.answer);
    if (!unknown.length) break;
    for (const group of unknown) {
      group.answer = classify(indicesOf(group.members));
      const confidence = Math.min(1, Math.max(...group.answer.probabilities, MIN_CONFIDENCE));
      group.cost -= CONFIDENCE_COST * Math.log(confidence);
    }
  }
  return path;
}

/** Return the places in a row at which no digit may begin: inside touching strokes whose parts are not sure. */
function heldTogether(path, groups, row, tall) {
  const clusters = clustersOf(row, tall), held = new Set();
  for (const cluster of clusters) {
    const first = row.indexOf(cluster[0]), end = row.indexOf(cluster[cluster.length - 1]) + 1;
    const isKnown = groups.some((group) => group.first === first && group.end === end);
    if (end - first > cluster.length || !isKnown) continue;
    const limit = width(around(cluster)) <= NARROW * tall ? SURE : clusters.length === 1 ? THRESHOLD : 0;
    const parts = path.filter((group) => group.first < end && group.end > first);
    if (Math.min(...parts.map(({ answer }) => Math.max(...answer.probabilities))) >= limit) continue;
    for (let place = first + 1; place < end; place++) held.add(place);
  }
  return held;
}

function groupsOf(row, tall) {
  const near = new Map(), severed = new Map(), key = (i, j) => i * row.length + j, found = [];
  const last = (i) => Math.min(i + MOST_STROKES, row.length);
  for (let i = 0; i < row.length; i++) {
    for (let j = i + 1; j < last(i); j++) {
      near.set(key(i, j), distance(row[i], row[j], MAX_STROKE_GAP * tall) / tall);
      severed.set(key(i, j), severCost(row[i], row[j], near.get(key(i, j)), tall));
    }
  }
  for (let first = 0; first < row.length; first++) {
    for (let end = first + 1; end <= last(first); end++) {
      const members = row.slice(first, end), place = around(members);
      if (members.length > 1 && width(place) > MAX_DIGIT_WIDTH * tall) break;
      const joints = joinCost(first, end, (i, j) => near.get(key(i, j)));
      if (joints === null) continue;
      let cut = 0; // a pair that is in two groups costs a half in each
      for (let i = Math.max(0, first - MOST_STROKES + 1); i < end; i++) {
        for (let j = i + 1; j < last(i); j++) if ((first <= i) !== (first <= j && j < end)) cut += severed.get(key(i, j)) / 2;
      }
      found.push({ ...place, first, end, members, cost: shapeCost(place, tall), joints: joints + cut });
    }
  }
  return found;
}

/** Return the cost of joining strokes by their smallest gaps (a minimum spanning tree); null if one is too wide. */
function joinCost(first, end, near) {
  let cost = 0, gaps = []; // of the strokes that are not yet joined: [place, gap]
  for (let place = first + 1; place < end; place++) gaps.push([place, near(first, place)]);
  while (gaps.length) {
    const gap = Math.min(...gaps.map(([, each]) => each)), [place] = gaps.find(([, each]) => each === gap);
    if (gap > MAX_STROKE_GAP) return null;
    const apart = Math.max(0, gap - TOUCHING);
    cost += JOIN_COST * Math.min(1, apart / TOUCHING) + JOIN_GAP_COST * apart;
    gaps = gaps.filter(([other]) => other !== place).map(([other, old]) => [other, Math.min(old, near(Math.min(place, other), Math.max(place, other)))]);
  }
  return cost;
}

/** Choose the groups with the smallest total cost, as cheapest_path in digits/reading/cheapest_cuts.py. */
function cheapestPath(groups, count, onlyKnown) {
  const best = [0, ...new Array(count).fill(Infinity)], cameBy = [];
  for (const group of groups) {
    const total = best[group.first] + (group.cost + (onlyKnown && !group.answer ? NEVER : 0)) + group.joints;
    if (total < best[group.end]) [best[group.end], cameBy[group.end]] = [total, group];
  }
  const path = [];
  for (let place = count; place > 0; place = path[0].first) path.unshift(cameBy[place]);
  return path;
}

function severCost(a, b, gap, tall) {
  const near = Math.max(0, 1 - Math.abs(middle(a) - middle(b)) / (SEVER_REACH * tall)), touching = Math.max(0, Math.min(1, 2 - gap / TOUCHING));
  const narrower = Math.max(Math.min(width(a), width(b)), 1e-6);
  const common = Math.max(0, Math.min(1, shared(a, b) / narrower) - SHARED_WIDTH);
  return SEVER_COST * near * touching + SHARED_COST * common * near;
}

function shapeCost(place, tall) {
  const wide = Math.max(0, width(place) / Math.max(height(place), LEAST_HEIGHT * tall) - 1);
  return WIDTH_COST * wide + LOW_COST * Math.max(0, LOW_HEIGHT - height(place) / tall);
}
