/** The examples that train: with gpugrad alone, and with networks of other libraries. */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { crossEntropy, type Tensor, useDevice, valueAndGrad } from "../../mod.ts";
import { runtime } from "../../core/runtime.ts";
import { assertClose } from "../ops/compare.ts";
import { skip } from "../support/skip.ts";

const inNode = (name: string) => skip(name, runtime() === "node" ? undefined : "once, under Node");

before(async () => {
  await useDevice("cpu");
});

/** Asserts that training brought the loss below a bound. */
function assertFell(losses: readonly number[], bound: number): void {
  assert.ok(losses.at(-1)! < bound && losses[0] > 1, `the loss went from ${losses[0]} to ${losses.at(-1)}`);
}

test(...inNode("a network trained with gpugrad alone tells the points apart"), async () => {
  const { losses, right } = await (await import("../../examples/points/points.ts")).fit(80);
  assertFell(losses, 0.1);
  assert.ok(right > 0.98, `${right} of the points are in the right class`);
});

test(...inNode("a network of TensorFlow.js gets the gradients that its own loss gives, and learns"), async () => {
  const tf = await import("@tensorflow/tfjs");
  const { lossAndGradients, problem, train } = await import("../../examples/interop/tfjs.ts");
  await tf.setBackend("cpu");
  const { predict, arms } = problem();
  const found = await lossAndGradients(predict, (logits: Tensor) => crossEntropy(logits, arms));
  const { value, grads } = tf.variableGrads(() =>
    tf.losses.softmaxCrossEntropy(tf.oneHot(tf.tensor1d(arms, "int32"), 3), predict())
  );
  assertClose([found.loss], value.dataSync(), () => 1e-6, "the loss");
  const names = Object.keys(grads);
  assert.equal(names.length, 4);
  for (const name of names) assertClose(found.gradients[name].dataSync(), grads[name].dataSync(), () => 1e-6, name);
  assertFell(await train(35), 0.4);
});

test(...inNode("nothing is copied between TensorFlow.js and tensors where its backend has host arrays"), async () => {
  const tf = await import("@tensorflow/tfjs");
  const { fromTfjs, toTfjs } = await import("../../examples/interop/tfjs.ts");
  await tf.setBackend("cpu");
  const theirs = tf.tensor2d([[1, 2], [3, 4]]);
  const ours: Tensor = await fromTfjs(theirs);
  assert.equal(await ours.data({ copy: false }), theirs.dataSync());
  const back = await toTfjs(ours);
  assert.equal(back.dataSync(), theirs.dataSync());
  assert.deepEqual(back.shape, [2, 2]);
});

test(...inNode("a network of ONNX Runtime gets the gradients that the tape gives, and learns"), async () => {
  const { openNetwork, start, train } = await import("../../examples/interop/onnx.ts");
  const { forward } = await import("../../examples/points/points.ts");
  const { spiral } = await import("../../examples/points/spiral.ts");
  const { arms } = spiral();
  const [loss, gradients] = await (await openNetwork())(start);
  const lossOf = valueAndGrad((weights: typeof start) => crossEntropy(forward(weights), arms));
  const [value, expected] = lossOf(start);
  assertClose([await loss.item()], [await value.item()], () => 1e-6, "the loss");
  for (const name of ["w1", "b1", "w2", "b2"] as const) {
    assert.deepEqual(gradients[name].shape, expected[name].shape);
    assertClose(await gradients[name].data(), await expected[name].data(), () => 1e-6, name);
  }
  assertFell(await train(30), 0.2);
});
