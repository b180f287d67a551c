/** Draws the image with the decisions of the loss and its gradient over it. */
import type { Box } from "./boxes.ts";
import { SCALE_XY } from "./boxes.ts";
import type { Evaluation } from "./engine/protocol.ts";

/** The layers of the picture; colours and dashes of boxes differ in lightness, too. */
export const LAYERS = [
  { name: "heat", text: "size of the gradient", colour: "#f0804e", dashes: "", shown: true },
  { name: "arrows", text: "a step down", colour: "#ffffff", dashes: "", shown: true },
  { name: "matched", text: "matched default boxes", colour: "#4cc9ff", dashes: "", shown: true },
  { name: "mined", text: "mined background", colour: "#ff5cb8", dashes: "5 3", shown: true },
  { name: "predicted", text: "predictions of matched", colour: "#ffe14d", dashes: "6 3", shown: true },
  { name: "others", text: "all default boxes", colour: "#e8ecf0", dashes: "", shown: false },
] as const;

export type LayerName = typeof LAYERS[number]["name"];

/** A picture of an evaluation. */
export interface Picture {
  readonly image: CanvasImageSource;
  readonly boxes: readonly Box[];
  readonly evaluation: Evaluation | null;
  readonly shown: ReadonlySet<LayerName>;
}

const colourOf = (name: LayerName): string => LAYERS.find((layer) => layer.name === name)!.colour;
const dashesOf = (name: LayerName): number[] =>
  LAYERS.find((layer) => layer.name === name)!.dashes.split(" ").filter(Boolean).map(Number);

/** Draws a picture. */
export function draw(canvas: HTMLCanvasElement, { image, boxes, evaluation, shown }: Picture): void {
  const { width, height } = canvas;
  const context = canvas.getContext("2d")!;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.drawImage(image, 0, 0, width, height);
  const unit = width / 640;
  const pen: Pen = { context, width, height, unit };
  if (shown.has("heat") && evaluation) drawHeat(pen, boxes, evaluation);
  if (shown.has("others")) { for (const box of boxes) outline(pen, box, "others", 0.7); }
  if (!evaluation) return;
  const { target, mined, decoded } = evaluation;
  const count = boxes.length;
  const predicted = (
    i: number,
  ): Box => [decoded[i], decoded[count + i], decoded[2 * count + i], decoded[3 * count + i]];
  boxes.forEach((box, i) => {
    if (shown.has("mined") && mined[i] && target[i] < 0) outline(pen, box, "mined", 1.6);
    if (shown.has("matched") && target[i] >= 0) outline(pen, box, "matched", 1.8);
  });
  boxes.forEach((_, i) => {
    if (shown.has("predicted") && target[i] >= 0) outline(pen, predicted(i), "predicted", 1.6);
  });
  if (shown.has("arrows")) drawArrows(pen, boxes, evaluation);
}

interface Pen {
  readonly context: CanvasRenderingContext2D;
  readonly width: number;
  readonly height: number;
  /** A pixel of the page, about. */
  readonly unit: number;
}

function outline({ context, width, height, unit }: Pen, [cx, cy, w, h]: Box, layer: LayerName, line: number): void {
  const rectangle = [(cx - w / 2) * width, (cy - h / 2) * height, w * width, h * height] as const;
  context.setLineDash([]);
  context.strokeStyle = "rgb(0 0 0 / 45%)";
  context.lineWidth = (line + 1.4) * unit;
  if (layer !== "others" && layer !== "mined") context.strokeRect(...rectangle);
  context.setLineDash(dashesOf(layer).map((d) => d * unit));
  context.strokeStyle = colourOf(layer);
  context.globalAlpha = layer === "others" ? 0.35 : 1;
  context.lineWidth = line * unit;
  context.strokeRect(...rectangle);
  context.globalAlpha = 1;
  context.setLineDash([]);
}

/** The grid on which the gradient is summed. */
const CELLS = [72, 48] as const;
/** The scheme "inferno", from small to large. */
const HEAT = [[22, 11, 57], [87, 16, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21], [250, 193, 39], [
  252,
  255,
  164,
]];

/** The norm of each default box's gradient, spread over the box. */
function drawHeat({ context, width, height }: Pen, boxes: readonly Box[], evaluation: Evaluation): void {
  const sizes = gradientPerBox(evaluation, boxes.length);
  const [columns, rows] = CELLS;
  const sums = new Float64Array(columns * rows);
  boxes.forEach(([cx, cy, w, h], i) => {
    if (!(sizes[i] > 0) || !Number.isFinite(sizes[i])) return;
    const each = sizes[i] / Math.max(w * h, 0.004);
    for (let y = Math.max(0, Math.floor((cy - h / 2) * rows)); y < Math.min(rows, (cy + h / 2) * rows); y++) {
      for (
        let x = Math.max(0, Math.floor((cx - w / 2) * columns));
        x < Math.min(columns, (cx + w / 2) * columns);
        x++
      ) {
        const [dx, dy] = [((x + 0.5) / columns - cx) / w, ((y + 0.5) / rows - cy) / h];
        sums[y * columns + x] += each * Math.exp(-6 * (dx * dx + dy * dy));
      }
    }
  });
  const largest = sums.reduce((a, b) => Math.max(a, b), 0);
  if (largest === 0) return;
  const heat = new OffscreenCanvas(columns, rows);
  const pixels = new ImageData(columns, rows);
  sums.forEach((sum, i) => {
    const share = Math.sqrt(sum / largest);
    const at = share * (HEAT.length - 1);
    const [low, high] = [HEAT[Math.floor(at)], HEAT[Math.ceil(at)]];
    for (let k = 0; k < 3; k++) pixels.data[4 * i + k] = low[k] + (high[k] - low[k]) * (at % 1);
    pixels.data[4 * i + 3] = 255 * Math.min(0.75, 1.1 * share);
  });
  heat.getContext("2d")!.putImageData(pixels, 0, 0);
  context.imageSmoothingQuality = "high";
  context.drawImage(heat, 0, 0, width, height);
}

/** The norm of the gradient at each default box, over its locations and its logits. */
export function gradientPerBox({ dLocations, dLogits }: Evaluation, count: number): Float64Array {
  const squares = new Float64Array(count);
  for (const part of [dLocations, dLogits]) part.forEach((v, i) => (squares[i % count] += v * v));
  return squares.map(Math.sqrt);
}

/** The longest arrow, as a part of the width. */
const LONGEST = 0.11;
/** Where no step is longer than this part of the width, as at the end of a descent, arrows are shorter, too. */
const SHORTEST_STEP = 1e-5;

/** Draws how a step of gradient descent moves the centre of each predicted box. */
function drawArrows({ context, width, height, unit }: Pen, boxes: readonly Box[], evaluation: Evaluation): void {
  const { dLocations, decoded } = evaluation;
  const count = boxes.length;
  const steps = boxes.map(([, , w, h], i) => [
    -dLocations[i] * SCALE_XY * w * width,
    -dLocations[count + i] * SCALE_XY * h * height,
  ]);
  const longest = steps.reduce((most, [x, y]) => Math.max(most, Math.hypot(x, y)), SHORTEST_STEP * width);
  if (!Number.isFinite(longest)) return;
  steps.forEach(([x, y], i) => {
    const length = Math.hypot(x, y) / longest;
    if (length < 0.02) return;
    const scale = LONGEST * width / longest;
    const from = [decoded[i] * width, decoded[count + i] * height] as const;
    arrow(context, from, [x * scale, y * scale], unit);
  });
}

function arrow(
  context: CanvasRenderingContext2D,
  [x, y]: readonly [number, number],
  [dx, dy]: readonly [number, number],
  unit: number,
): void {
  const angle = Math.atan2(dy, dx);
  const head = Math.min(9 * unit, 0.6 * Math.hypot(dx, dy));
  const [tipX, tipY] = [x + dx, y + dy];
  const path = new Path2D();
  path.moveTo(x, y);
  path.lineTo(tipX - head * 0.7 * Math.cos(angle), tipY - head * 0.7 * Math.sin(angle));
  const tip = new Path2D();
  tip.moveTo(tipX, tipY);
  for (const turn of [2.65, -2.65]) {
    tip.lineTo(tipX + head * Math.cos(angle + turn), tipY + head * Math.sin(angle + turn));
  }
  tip.closePath();
  context.lineJoin = "round";
  for (const [colour, wide] of [["rgb(0 0 0 / 75%)", 5], ["white", 2.4]] as const) {
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = wide * unit;
    context.stroke(path);
    context.lineWidth = Math.max(0, wide - 2.4) * unit + 0.01;
    context.stroke(tip);
    context.fill(tip);
  }
}
