/** The images: a scene that is drawn, and a photograph. */
import photograph from "virtual:photograph";
import type { Truth } from "./boxes.ts";

/** An image with its truths. */
export interface Scene {
  readonly name: string;
  /** The names of the classes, without the background. */
  readonly classes: readonly string[];
  readonly truths: readonly Truth[];
  /** Width by height. */
  readonly aspect: number;
  /** The image, ready to be drawn. */
  image(): Promise<CanvasImageSource>;
  /** The credit line: its author and licence. */
  readonly credit: string;
}

const WIDTH = 960, HEIGHT = 640;

export const SCENES = {
  shapes: {
    name: "drawn shapes",
    classes: ["ball", "crate"],
    truths: [
      { label: 0, box: [0.24, 0.66, 0.22, 0.33] },
      { label: 1, box: [0.62, 0.61, 0.3, 0.4] },
      { label: 0, box: [0.86, 0.82, 0.12, 0.18] },
    ],
    aspect: WIDTH / HEIGHT,
    image: () => Promise.resolve(drawShapes()),
    credit: "",
  },
  photograph: {
    name: "photograph",
    classes: ["face"],
    // The boxes of demo/faces.json.
    truths: [
      { label: 0, box: [0.2672, 0.3684, 0.1052, 0.1977] },
      { label: 0, box: [0.4852, 0.4176, 0.1078, 0.1867] },
      { label: 0, box: [0.8203, 0.2512, 0.1177, 0.1898] },
    ],
    aspect: 1280 / 853,
    image: () => load(photograph),
    credit: "Photograph: Vladimir Mandic, face-api (MIT licence)",
  },
} as const satisfies Record<string, Scene>;

export type SceneName = keyof typeof SCENES;

async function load(address: string): Promise<CanvasImageSource> {
  const image = new Image();
  image.src = address;
  await image.decode();
  return image;
}

/** Balls and a crate on a floor, where the truths are at first. */
function drawShapes(): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [WIDTH, HEIGHT];
  const context = canvas.getContext("2d")!;
  const wall = context.createLinearGradient(0, 0, 0, HEIGHT);
  [[0, "#7d8fa3"], [0.62, "#a9b5c0"], [0.621, "#6d6459"], [1, "#8f8474"]].forEach(([at, colour]) =>
    wall.addColorStop(at as number, colour as string)
  );
  context.fillStyle = wall;
  context.fillRect(0, 0, WIDTH, HEIGHT);
  for (const { label, box } of SCENES.shapes.truths) {
    const [cx, cy, w, h] = [box[0] * WIDTH, box[1] * HEIGHT, box[2] * WIDTH, box[3] * HEIGHT];
    shadow(context, [cx, cy + h / 2, w]);
    if (label === 0) ball(context, [cx, cy, w / 2], cx < WIDTH / 2 ? 8 : 145);
    else crate(context, [cx, cy, w, h]);
  }
  return canvas;
}

function shadow(context: CanvasRenderingContext2D, [x, y, width]: readonly number[]): void {
  context.fillStyle = "rgb(0 0 0 / 25%)";
  context.beginPath();
  context.ellipse(x + width * 0.08, y - 4, width * 0.56, width * 0.09, 0, 0, 7);
  context.fill();
}

function ball(context: CanvasRenderingContext2D, [x, y, r]: readonly number[], hue: number): void {
  const shade = context.createRadialGradient(x - r * 0.35, y - r * 0.4, r * 0.1, x, y, r);
  shade.addColorStop(0, `hsl(${hue} 75% 78%)`);
  shade.addColorStop(0.45, `hsl(${hue} 62% 52%)`);
  shade.addColorStop(1, `hsl(${hue} 60% 27%)`);
  context.fillStyle = shade;
  context.beginPath();
  context.arc(x, y, r, 0, 7);
  context.fill();
}

function crate(context: CanvasRenderingContext2D, [cx, cy, w, h]: readonly number[]): void {
  const [left, top] = [cx - w / 2, cy - h / 2];
  context.fillStyle = "#b98a4e";
  context.fillRect(left, top, w, h);
  context.strokeStyle = "#7c5527";
  context.lineWidth = 3;
  for (let i = 1; i < 5; i++) {
    context.beginPath();
    context.moveTo(left, top + h * i / 5);
    context.lineTo(left + w, top + h * i / 5);
    context.stroke();
  }
  context.lineWidth = 16;
  context.strokeStyle = "#94683a";
  context.strokeRect(left + 8, top + 8, w - 16, h - 16);
  context.beginPath();
  context.moveTo(left + 12, top + h - 12);
  context.lineTo(left + w - 12, top + 12);
  context.stroke();
}
