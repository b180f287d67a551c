/** Trains the network with a variant of the loss, one step at a time. */
import {
  adamW,
  clipByNorm,
  type DataArray,
  detect,
  grad,
  meanAveragePrecision,
  type Optimiser,
  type OptimiserState,
  realize,
  schedules,
  slice,
  type SSDLoss,
  type Tensor,
  tensor,
} from "../../mod.ts";
import { Network, PARTS } from "./network.ts";
import { CLASSES, type Scene, Scenes, targetsOf } from "./scenes.ts";
import { lossOf } from "./variants.ts";

/** The settings of a training, besides the variant of the loss: the same settings give the same numbers. */
export interface Settings {
  /** The seed of the scenes and the first weights. */
  readonly seed: number;
  readonly steps: number;
  /** Scenes in a step. */
  readonly batch: number;
  /** The learning rate at its highest: it rises over the first steps, then falls to 0 along a cosine. */
  readonly rate: number;
  /** Channels of the layers of each block of the {@link Network}. */
  readonly blocks: readonly (readonly number[])[];
  /** How often the network is tested, at equal distances, last after the last step; and on how many scenes. */
  readonly tests: number;
  readonly testScenes: number;
  /** The device of the loss and the optimiser. */
  readonly device: string;
}

/** The settings of `npm run train`. */
export const DEFAULTS: Settings = {
  seed: 1,
  steps: 800,
  batch: 8,
  rate: 1.5e-3,
  blocks: [[16], [32], [48], [64, 64], [64]],
  tests: 4,
  testScenes: 128,
  device: "wasm",
};

/** A detection: corners relative to the scene. */
export interface Detection {
  readonly label: number;
  readonly score: number;
  readonly box: readonly [x1: number, y1: number, x2: number, y2: number];
}

/** The network, tested after this many steps. */
export interface TestResult {
  readonly step: number;
  /** COCO's mean average precision at an IoU of 0.5, and averaged over 0.5 to 0.95. */
  readonly map50: number;
  readonly map: number;
  /** The average precision of each digit at an IoU of 0.5. */
  readonly byDigit: readonly number[];
  /** For each scene, by falling score. */
  readonly detections: readonly (readonly Detection[])[];
}

/** How far a training has come. */
export interface Progress {
  /** The number of steps done. */
  readonly step: number;
  /** The components of the loss at each step, the total last. */
  readonly losses: readonly (readonly number[])[];
  readonly tests: readonly TestResult[];
  /** Seconds spent, on the clock and on all cores. */
  readonly seconds: { readonly wall: number; readonly cpu: number };
}

/** All that a training has come to: it goes on from here. */
export interface Snapshot {
  readonly progress: Progress;
  readonly weights: readonly DataArray[];
  /** The optimiser's moments of each array of the weights, by name. */
  readonly moments: Readonly<Record<string, readonly DataArray[]>>;
}

/** The learning rate rises over this many steps, or over half of them all. */
const WARM_UP = 20;
/** The most that the gradient's norm may be. */
const MOST_NORM = 10;
/** Detections with a lower score are left out, in each scene all but the best ones. */
const DETECTIONS = { scoreThreshold: 0.05, perImage: 50 };
/** Scenes tested at once. */
const TEST_BATCH = 32;

/** The scene numbers of tests; the digits in them are never trained with. */
export function testScenes(settings: Settings): Scene[] {
  return new Scenes(settings.seed).many("test", 0, settings.testScenes);
}

/** A training, from the beginning or from where it was left. */
export class Training {
  readonly #settings: Settings;
  readonly #network: Network;
  readonly #loss: SSDLoss;
  readonly #optimiser: Optimiser;
  readonly #scenes: Scenes;
  readonly #test: readonly Scene[];
  /** The weights as the network takes them, and as the optimiser does. */
  #weights: readonly Float32Array[];
  #parameters: Tensor[];
  #state: OptimiserState<Tensor[]>;
  #progress: Progress;

  constructor(variant: string, settings: Settings, snapshot?: Snapshot) {
    const { seed, blocks, rate, steps } = settings;
    this.#settings = settings;
    this.#network = new Network(blocks);
    this.#loss = lossOf(variant, this.#network.defaultBoxes);
    const warmUp = Math.min(WARM_UP, Math.floor(steps / 2));
    const learningRate = schedules.warmUp(schedules.cosine(rate, { steps: steps - warmUp }), { steps: warmUp });
    this.#optimiser = adamW({ learningRate, weightDecay: 0 });
    this.#scenes = new Scenes(seed);
    this.#test = testScenes(settings);
    const weights = snapshot?.weights ?? this.#network.initialWeights(seed);
    this.#weights = weights.map((values) => Float32Array.from(values));
    this.#parameters = this.#tensors(weights);
    this.#progress = snapshot?.progress ?? { step: 0, losses: [], tests: [], seconds: { wall: 0, cpu: 0 } };
    this.#state = snapshot ? this.#restored(snapshot) : this.#optimiser.init(this.#parameters);
  }

  /** How far it has come. */
  get progress(): Progress {
    return this.#progress;
  }

  /** All that it has come to. */
  async snapshot(): Promise<Snapshot> {
    const moments = Object.entries(this.#state.moments).map(async ([name, m]) => [name, await this.#read(m)] as const);
    return {
      progress: this.#progress,
      weights: await this.#read(this.#parameters),
      moments: Object.fromEntries(await Promise.all(moments)),
    };
  }

  /** The optimiser's state is plain data: the number of the step, and tensors by names. */
  #restored({ progress: { step }, moments }: Snapshot): OptimiserState<Tensor[]> {
    const entries = Object.entries(moments).map(([name, arrays]) => [name, this.#tensors(arrays)]);
    return { step, moments: Object.fromEntries(entries) };
  }

  get done(): boolean {
    return this.#progress.step >= this.#settings.steps;
  }

  /** The names of the components of the loss. */
  get componentNames(): readonly string[] {
    return this.#loss.componentNames;
  }

  /** Does one step, and tests the network if it is time to. */
  async step(): Promise<void> {
    const started = { wall: performance.now(), cpu: process.cpuUsage() };
    const { batch, steps, tests } = this.#settings;
    const { step, losses, seconds, tests: before } = this.#progress;
    const scenes = this.#scenes.many("training", step * batch, batch);
    const { components, gradient } = await this.#evaluate(this.#network.predict(this.#weights, scenes), scenes);
    await this.#update(this.#network.gradients(this.#weights, scenes, gradient));

    const done = step + 1;
    const due = Math.floor(done * tests / steps) > Math.floor(step * tests / steps);
    const after = due ? [...before, await this.#tested(done)] : before;
    const { user, system } = process.cpuUsage(started.cpu);
    this.#progress = {
      step: done,
      losses: [...losses, components],
      tests: after,
      seconds: {
        wall: seconds.wall + (performance.now() - started.wall) / 1e3,
        cpu: seconds.cpu + (user + system) / 1e6,
      },
    };
  }

  /** The loss at predictions `[scenes, PARTS, boxes]`, and its gradient with respect to them, in one plan. */
  async #evaluate(values: Float32Array, scenes: readonly Scene[]) {
    const { device } = this.#settings;
    const predictions = tensor(values, [scenes.length, PARTS, this.#loss.defaultBoxes.count]);
    const { loss, components } = this.#loss.forward(halves(predictions), targetsOf(scenes));
    const gradient = grad(loss, predictions);
    await realize([components, gradient], { device });
    return {
      components: Array.from(await components.data({ device })),
      gradient: Float32Array.from(await gradient.data({ device })),
    };
  }

  /** Moves the weights, in one plan. */
  async #update(gradients: readonly Float32Array[]): Promise<void> {
    const [clipped] = clipByNorm(this.#tensors(gradients), MOST_NORM);
    [this.#parameters, this.#state] = this.#optimiser.step(this.#parameters, clipped, this.#state);
    await realize([this.#parameters, this.#state], { device: this.#settings.device });
    this.#weights = (await this.#read(this.#parameters)).map((values) => Float32Array.from(values));
  }

  /** A tensor for each array of the weights. */
  #tensors(arrays: readonly DataArray[]): Tensor[] {
    return arrays.map((values, i) => tensor(values, this.#network.shapes[i]));
  }

  #read(tensors: readonly Tensor[]): Promise<DataArray[]> {
    return Promise.all(tensors.map((t) => t.data({ device: this.#settings.device })));
  }

  async #tested(step: number): Promise<TestResult> {
    const { defaultBoxes } = this.#network;
    const found = [];
    for (let i = 0; i < this.#test.length; i += TEST_BATCH) {
      const scenes = this.#test.slice(i, i + TEST_BATCH);
      const values = this.#network.predict(this.#weights, scenes);
      const predictions = halves(tensor(values, [scenes.length, PARTS, defaultBoxes.count]));
      found.push(...await detect(predictions, defaultBoxes, { ...DETECTIONS, device: this.#settings.device }));
    }
    const { map, byThreshold: [map50], byClass } = await meanAveragePrecision(found, targetsOf(this.#test));
    return {
      step,
      map50,
      map,
      byDigit: Array.from(
        { length: CLASSES },
        (_, digit) => byClass.find(({ label }) => label === digit)?.byThreshold[0] ?? NaN,
      ),
      detections: found.map(({ boxes, scores, labels }) =>
        Array.from(scores, (score, i) => {
          const [x1, y1, x2, y2] = boxes.subarray(4 * i, 4 * i + 4);
          return { label: labels[i], score, box: [x1, y1, x2, y2] };
        })
      ),
    };
  }
}

/** Locations and logits of the network's predictions. */
function halves(predictions: Tensor): [locations: Tensor, logits: Tensor] {
  return [slice(predictions, [null, [0, 4], null]), slice(predictions, [null, [4, PARTS], null])];
}
