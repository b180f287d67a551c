/** A network's predictions, checked. */
import { describe, type Signature } from "../core/options.ts";
import { formatShape } from "../core/shape.ts";
import { Tensor } from "../core/tensor.ts";

/**
 * A network's predictions: locations `[batch, 4, boxes]` and logits `[batch, classes + 1, boxes]`; or a pair of
 * anything and these two, the form that networks return in validation mode.
 */
export type Predictions = readonly [locations: Tensor, logits: Tensor] | readonly [unknown, readonly [Tensor, Tensor]];

/** Unpacks and checks locations and logits for `count` default boxes. */
export function unpackPredictions(
  call: Signature,
  predictions: Predictions,
  count: number,
): readonly [locations: Tensor, logits: Tensor] {
  const nested = Array.isArray(predictions) && Array.isArray(predictions[1]);
  const pair = (nested ? predictions[1] : predictions) as readonly [Tensor, Tensor];
  if (!Array.isArray(pair) || pair.length !== 2 || !pair.every((t) => t instanceof Tensor)) {
    throw call.error(
      "expected predictions to be [locations, logits] or [anything, [locations, logits]], both tensors, got " +
        describe(predictions),
    );
  }
  const layouts = { locations: "[batch, 4, boxes]", logits: "[batch, classes + 1, boxes]" };
  Object.entries(layouts).forEach(([name, layout], i) => {
    const { shape, dtype } = pair[i];
    if (dtype !== "float") throw call.error(`expected ${name} of dtype float, got ${dtype}`);
    if (shape.length !== 3) throw call.error(`expected ${name} of shape ${layout}, got ${formatShape(shape)}`);
    if (shape[2] === count) return;
    const turned = shape[1] === count ? `; for [batch, boxes, ...] write transpose(${name}, [0, 2, 1])` : "";
    throw call.error(
      `expected axis 2 of ${name} to be ${count}, the number of default boxes, got ${shape[2]} in shape ${
        formatShape(shape)
      }${turned}`,
    );
  });
  checkAxes(call, pair[0], pair[1]);
  return pair;
}

/** Checks all axes but the last. */
function checkAxes(call: Signature, { shape: locations }: Tensor, { shape: logits }: Tensor): void {
  if (locations[1] !== 4) {
    const swapped = logits[1] === 4 ? "; are the predictions [logits, locations]?" : "";
    throw call.error(
      `expected axis 1 of locations to be 4, got ${locations[1]} in shape ${formatShape(locations)}${swapped}`,
    );
  }
  if (logits[1] < 2) {
    throw call.error(
      `expected axis 1 of logits to be classes + 1, at least 2, got ${logits[1]} in shape ${formatShape(logits)}`,
    );
  }
  if (logits[0] !== locations[0] || logits[0] < 1) {
    throw call.error(
      `expected axis 0 of locations and logits to be the same batch, at least 1, got ${locations[0]} and ${logits[0]}`,
    );
  }
}
