import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type BoxFormat, convertBoxes, decode, DefaultBoxes, encode, tensor, transpose, useDevice } from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { checkGradients, checkProperty } from "../support/property.ts";
import { plainBox } from "./pairs.ts";
import { allClose } from "./support.ts";

const FORMATS = ["xyxy", "xywh", "cxcywh"] as const;

await useDevice("float64");

/** A box given by corners in another format. */
function inFormat([x1, y1, x2, y2]: readonly number[], format: BoxFormat): number[] {
  const [w, h] = [x2 - x1, y2 - y1];
  return format === "xyxy" ? [x1, y1, x2, y2] : format === "xywh" ? [x1, y1, w, h] : [x1 + w / 2, y1 + h / 2, w, h];
}

const some = fc.array(plainBox, { minLength: 3, maxLength: 3 });

for (const { device, on, extent, single } of await devicesUnderTest()) {
  const tolerance = { relative: single ? 1e-5 : 1e-12, scale: 4 };

  test(...on("boxes are converted from each format to each, encoded and decoded"), async () => {
    await checkProperty(fc.tuple(some, some), async ([boxes, anchors]) => {
      const scales = { scaleXy: 0.25, scaleWh: 0.5 };
      const converted = FORMATS.flatMap((from) =>
        FORMATS.map((to) => convertBoxes(tensor(boxes.map((box) => inFormat(box, from))), from, to))
      );
      const locations = FORMATS.map((format) => {
        const [b, a] = [boxes, anchors].map((list) => tensor(list.map((box) => inFormat(box, format))));
        return encode(b, a, { format, ...scales });
      });
      const back = FORMATS.map((format, i) =>
        decode(locations[i], tensor(anchors.map((box) => inFormat(box, format))), { format, ...scales })
      );
      await bring([...converted, ...locations, ...back], { device });
      FORMATS.forEach((from, i) => {
        FORMATS.forEach((to, k) => {
          const expected = boxes.flatMap((box) => inFormat(box, to));
          allClose(converted[3 * i + k].value!, expected, tolerance, `${from} to ${to}`);
        });
        const expected = boxes.flatMap((box, k) => {
          const [cx, cy, w, h] = inFormat(box, "cxcywh");
          const [ax, ay, aw, ah] = inFormat(anchors[k], "cxcywh");
          return [(cx - ax) / aw / 0.25, (cy - ay) / ah / 0.25, Math.log(w / aw) / 0.5, Math.log(h / ah) / 0.5];
        });
        allClose(locations[i].value!, expected, { ...tolerance, scale: 100 }, `encoded, ${from}`);
        allClose(
          back[i].value!,
          boxes.flatMap((box) => inFormat(box, from)),
          { ...tolerance, scale: 50 },
          `decoded, ${from}`,
        );
      });
    }, { runs: 20, extent });
  });
}

test("encode and decode agree with those of DefaultBoxes [float64]", async () => {
  const defaultBoxes = DefaultBoxes.from([[0.5, 0.5, 0.5, 0.25], [0.25, 0.75, 0.125, 0.5]], {
    scaleXy: 0.3,
    scaleWh: 0.4,
  });
  const boxes = tensor([[0.4, 0.6, 0.3, 0.2], [0.3, 0.7, 0.2, 0.4]]);
  const options = { format: "cxcywh", scaleXy: 0.3, scaleWh: 0.4 } as const;
  const locations = encode(boxes, defaultBoxes.cxcywh, options);
  const turned = defaultBoxes.encode(transpose(boxes, [1, 0]));
  assert.deepEqual(await locations.toArray(), await transpose(turned, [1, 0]).toArray());
  assert.deepEqual(
    await decode(locations, defaultBoxes.cxcywh, options).toArray(),
    await transpose(defaultBoxes.decode(turned), [1, 0]).toArray(),
  );
});

test("derivatives of boxes to the second order are right [float64]", async () => {
  const inputs = fc.tuple(some, some).map((lists) => lists.map((list) => ({ shape: [3, 4], values: list.flat() })));
  for (const format of ["xywh", "cxcywh"] as const) {
    await checkGradients((a, b) => decode(encode(a, b), convertBoxes(b, "xyxy", format), { format }), inputs, {
      runs: 2,
      order: 2,
      mode: "fast",
      name: format,
    });
  }
});
