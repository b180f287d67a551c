/**
 * Does step 1,000 of a training loop cost as much as step 10? Straightforward training loops, in which no parameter's
 * value is ever read: time, and memory that remains after garbage collection. Only ratios are meaningful.
 *
 *   npm run bench:loop [-- --device webasm] [--steps 1000]
 */
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  add,
  availableDevices,
  backward,
  detach,
  grad,
  mean,
  mul,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
  useDevice,
  zeros,
} from "../mod.ts";
import { median } from "./harness/statistics.ts";

const { values: options } = parseArgs({
  options: { device: { type: "string" }, steps: { type: "string", default: "1000" } },
});
const steps = Number(options.steps);
/** The number of steps timed together, at either end. */
const WINDOW = 10;
const size = 256;
const start = Float32Array.from({ length: size }, (_, i) => Math.sin(i));

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Each makes a step: a function that records the step and returns the loss. */
const loops: Record<string, () => () => Tensor> = {
  "plain": () => {
    let w = tensor(start);
    return () => {
      const loss = sum(square(w));
      w = sub(w, mul(grad(loss, w), 0.01));
      return loss;
    };
  },
  "backward": () => {
    let w = tensor(start, [size], { requiresGrad: true });
    return () => {
      const loss = sum(square(w));
      backward(loss);
      w = detach(sub(w, mul(w.grad!, 0.01)), { requiresGrad: true });
      return loss;
    };
  },
  "momentum": () => {
    let w = tensor(start), velocity = zeros([size]);
    return () => {
      const loss = sum(square(w));
      velocity = add(mul(velocity, 0.9), grad(loss, w));
      w = sub(w, mul(velocity, 0.01));
      return loss;
    };
  },
  "a changing rate": () => {
    let w = tensor(start), step = 0;
    return () => {
      const loss = sum(square(w));
      w = sub(w, mul(grad(loss, w), 0.01 / (1 + 0.001 * step++)));
      return loss;
    };
  },
  "minibatches": () => {
    let w = tensor(start), step = 0;
    return () => {
      const batch = tensor(start.map((x) => x + step));
      step++;
      const loss = mean(square(sub(w, batch)));
      w = sub(w, mul(grad(loss, w), 0.01));
      return loss;
    };
  },
  "constant data, with detach": () => {
    const data = tensor(start.map((x) => x + 1));
    let w = tensor(start);
    return () => {
      const loss = mean(square(sub(w, data)));
      w = detach(sub(w, mul(grad(loss, w), 0.01)));
      return loss;
    };
  },
  "constant data": () => {
    const data = tensor(start.map((x) => x + 1));
    let w = tensor(start);
    return () => {
      const loss = mean(square(sub(w, data)));
      w = sub(w, mul(grad(loss, w), 0.01));
      return loss;
    };
  },
};

async function heap(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    collect();
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const names = options.device
  ? [options.device]
  : (await availableDevices()).filter((d) => d.available).map((d) => d.name);
for (const name of names) {
  const device = await useDevice(name);
  console.log(`\n${name}: step ${steps} against step ${2 * WINDOW}`);
  for (const [what, make] of Object.entries(loops)) {
    const step = make();
    const times: number[] = [];
    let early = 0, compiled = 0;
    for (let i = 0; i < steps; i++) {
      const from = performance.now();
      await step().item();
      times.push(performance.now() - from);
      if (i === 2) compiled = device.compiled;
      if (i === 2 * WINDOW) early = await heap();
    }
    const ratio = median(times.slice(-WINDOW)) / median(times.slice(WINDOW, 2 * WINDOW));
    const grown = (await heap() - early) / (steps - 2 * WINDOW);
    console.log(
      `  ${what.padEnd(32)} time ${ratio.toFixed(2).padStart(5)}, memory ${
        grown.toFixed(0).padStart(6)
      } bytes a step, ` +
        `${device.compiled - compiled} plans after the third step`,
    );
  }
}
