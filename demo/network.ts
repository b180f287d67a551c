/** The face detector shipped with face-api, an SSD over MobileNetV1, up to its raw outputs. */
import { createRequire } from "node:module";
import { dirname, join, sep } from "node:path";
import type * as TF from "@tensorflow/tfjs";

/** The network's output for one photograph, in the layout of the SSD loss: boxes are the last axis. */
export interface RawOutput {
  /** Box encodings, `[4, boxes]`: x, y, w, h. */
  readonly locations: Float32Array;
  /** Class logits, `[3, boxes]`: background, face, and a class that the network has but never uses. */
  readonly logits: Float32Array;
}

/** The network, loaded. */
export interface Network {
  /** The network's default boxes: cx, cy, w, h of each, relative to the square input. */
  readonly defaultBoxes: Float32Array;
  /** A description of the backend that executes it. */
  readonly backend: string;
  /** Runs it on one photograph: RGB, 0 to 255, {@link INPUT_SIDE} pixels a side. */
  run(pixels: Int32Array): Promise<RawOutput>;
}

/** The side of the square input, in pixels. */
export const INPUT_SIDE = 512;
/** Rows of the logits. */
export const LOGIT_ROWS = 3;
/** The row of the logits that stands for faces. */
export const FACE_ROW = 1;
/** The label of a face in targets: the background is not a label. */
export const FACE_LABEL = FACE_ROW - 1;
/** The network's encodings of box centres are multiplied by ten, those of sizes by five. */
export const ENCODING = { scaleXy: 1 / 10, scaleWh: 1 / 5 };

interface Pointwise {
  filters: TF.Tensor4D;
  batch_norm_offset: TF.Tensor1D;
}
interface Depthwise {
  filters: TF.Tensor4D;
  batch_norm_mean: TF.Tensor1D;
  batch_norm_variance: TF.Tensor1D;
  batch_norm_offset: TF.Tensor1D;
  batch_norm_scale: TF.Tensor1D;
}
interface Head {
  filters: TF.Tensor4D;
  bias: TF.Tensor1D;
}
/** The dequantised weights, under face-api's names. */
interface Weights {
  mobilenetv1: { conv_0: Pointwise } & Record<string, { depthwise_conv: Depthwise; pointwise_conv: Pointwise }>;
  prediction_layer: Record<string, Pointwise> & Record<string, { box_encoding_predictor: Head; class_predictor: Head }>;
  output_layer: { extra_dim: TF.Tensor3D };
}
/** The part of face-api in use: the weights, and its own decoded output for comparison. */
interface FaceApi {
  NetInput: new (inputs: TF.Tensor3D[]) => unknown;
  nets: {
    ssdMobilenetv1: {
      params: Weights;
      loadFromDisk(folder: string): Promise<void>;
      forwardInput(input: unknown): { boxes: TF.Tensor2D[]; scores: TF.Tensor1D[] };
    };
  };
}

const require = createRequire(import.meta.url);

/** The folder of a package. */
export function packageFolder(name: string): string {
  return dirname(require.resolve(`${name}/package.json`));
}

/** The layers of MobileNetV1 that halve the grid, and the layer whose output feeds the first heads. */
const HALVING = [2, 4, 6, 12];
const FIRST_HEAD_LAYER = 11;
const LAYERS = 13;
const BATCH_NORM_EPSILON = 0.001;

/** Computes the raw outputs as the network has them: `[boxes, 4]` and `[boxes, 3]`. */
function forwardOf(
  tf: typeof TF,
  { mobilenetv1, prediction_layer: heads }: Weights,
): (image: TF.Tensor3D) => [TF.Tensor, TF.Tensor] {
  const relu6 = (x: TF.Tensor4D) => tf.clipByValue(x, 0, 6);
  const pointwise = (x: TF.Tensor4D, w: Pointwise, stride: number) =>
    relu6(tf.add(tf.conv2d(x, w.filters, stride, "same"), w.batch_norm_offset));
  const depthwise = (x: TF.Tensor4D, w: Depthwise, stride: number) =>
    relu6(tf.batchNorm(
      tf.depthwiseConv2d(x, w.filters, stride, "same"),
      w.batch_norm_mean,
      w.batch_norm_variance,
      w.batch_norm_offset,
      w.batch_norm_scale,
      BATCH_NORM_EPSILON,
    ));
  /** The predictions of one level: as many rows as it has default boxes. */
  const predict = (x: TF.Tensor4D, w: Head, columns: number) =>
    tf.reshape(tf.add(tf.conv2d(x, w.filters, 1, "same"), w.bias), [-1, columns]);

  return (image) => {
    let x = pointwise(tf.expandDims(tf.sub(tf.div(image, 127.5), 1)), mobilenetv1.conv_0, 2);
    const levels: TF.Tensor4D[] = [];
    for (let layer = 1; layer <= LAYERS; layer++) {
      const weights = mobilenetv1[`conv_${layer}`];
      x = pointwise(depthwise(x, weights.depthwise_conv, HALVING.includes(layer) ? 2 : 1), weights.pointwise_conv, 1);
      if (layer === FIRST_HEAD_LAYER || layer === LAYERS) levels.push(x);
    }
    // Four more levels, each a bottleneck convolution and one that halves the grid.
    for (let i = 0; i < 8; i += 2) {
      x = pointwise(pointwise(x, heads[`conv_${i}`], 1), heads[`conv_${i + 1}`], 2);
      levels.push(x);
    }
    const column = (kind: "box_encoding_predictor" | "class_predictor", columns: number) =>
      tf.concat(levels.map((level, i) => predict(level, heads[`box_predictor_${i}`][kind], columns)));
    return [column("box_encoding_predictor", 4), column("class_predictor", LOGIT_ROWS)];
  };
}

/** The largest difference between face-api's decoded output and ours, decoded from the raw outputs. */
async function differenceFromFaceApi(
  tf: typeof TF,
  faceApi: FaceApi,
  pixels: TF.Tensor3D,
  [encodings, logits]: [TF.Tensor, TF.Tensor],
): Promise<number> {
  const net = faceApi.nets.ssdMobilenetv1;
  const difference = tf.tidy(() => {
    const { boxes: [boxes], scores: [scores] } = net.forwardInput(new faceApi.NetInput([pixels]));
    const corners = tf.squeeze(net.params.output_layer.extra_dim as TF.Tensor, [0]);
    const [low, high] = tf.split(corners, 2, 1);
    const size = tf.sub(high, low);
    const [centreCode, sizeCode] = tf.split(encodings, 2, 1);
    const centre = tf.add(tf.div(tf.add(low, high), 2), tf.mul(tf.mul(centreCode, ENCODING.scaleXy), size));
    const half = tf.div(tf.mul(tf.exp(tf.mul(sizeCode, ENCODING.scaleWh)), size), 2);
    const decoded = tf.concat([tf.sub(centre, half), tf.add(centre, half)], 1);
    const probability = tf.sigmoid(tf.squeeze(tf.slice(logits, [0, FACE_ROW], [-1, 1]), [1]));
    return tf.maximum(
      tf.max(tf.abs(tf.sub(decoded, boxes))),
      tf.max(tf.abs(tf.sub(probability, scores))),
    );
  });
  const [value] = await difference.data();
  difference.dispose();
  return value;
}

/** Loads the network with its weights, on tfjs' WebAssembly backend. */
export async function loadNetwork(): Promise<Network> {
  const tf = require("@tensorflow/tfjs") as typeof TF;
  const wasm = require("@tensorflow/tfjs-backend-wasm") as typeof import("@tensorflow/tfjs-backend-wasm");
  const faceApi = require("@vladmandic/face-api/dist/face-api.node-wasm.js") as FaceApi;
  wasm.setWasmPaths(join(packageFolder("@tensorflow/tfjs-backend-wasm"), "dist") + sep);
  if (!(await tf.setBackend("wasm"))) throw new Error("tfjs' WebAssembly backend does not start");
  await tf.ready();

  const net = faceApi.nets.ssdMobilenetv1;
  await net.loadFromDisk(join(packageFolder("@vladmandic/face-api"), "model"));
  const { output_layer } = net.params;
  const forward = forwardOf(tf, net.params);
  let checked = false;
  return {
    defaultBoxes: centresAndSizes(await output_layer.extra_dim.data() as Float32Array),
    backend: `tfjs ${tf.version_core}, ${tf.getBackend()}`,
    async run(pixels) {
      const image = tf.tensor3d(pixels, [INPUT_SIDE, INPUT_SIDE, 3], "int32");
      const [encodings, logits] = tf.tidy(() => forward(tf.cast(image, "float32")));
      if (!checked) {
        const difference = await differenceFromFaceApi(tf, faceApi, image, [encodings, logits]);
        if (!(difference < 1e-5)) {
          throw new Error(`the decoded raw outputs differ from face-api's detections by ${difference}`);
        }
        checked = true;
      }
      const output = {
        // The network orders encodings as y, x, h, w.
        locations: boxesLast(await encodings.data() as Float32Array, [1, 0, 3, 2]),
        logits: boxesLast(await logits.data() as Float32Array, [0, 1, 2]),
      };
      tf.dispose([image, encodings, logits]);
      return output;
    },
  };
}

/** Transposes `[boxes, columns]` to `[columns, boxes]`, with the columns in the given order. */
function boxesLast(rows: Float32Array, order: readonly number[]): Float32Array {
  const columns = order.length;
  const count = rows.length / columns;
  return Float32Array.from(rows, (_, i) => rows[(i % count) * columns + order[Math.floor(i / count)]]);
}

/** Converts boxes given as y0, x0, y1, x1 to cx, cy, w, h. */
function centresAndSizes(corners: Float32Array): Float32Array {
  const boxes = new Float32Array(corners.length);
  for (let i = 0; i < corners.length; i += 4) {
    const [y0, x0, y1, x1] = corners.subarray(i, i + 4);
    boxes.set([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0], i);
  }
  return boxes;
}
