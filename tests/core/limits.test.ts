/**
 * Work beyond a device's limits is refused before anything runs, naming the limit, the size and the device. Work that
 * can be folded runs.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import {
  add,
  arange,
  mul,
  realize,
  reshape,
  slice,
  sum,
  type Tensor,
  tensor,
  transpose,
  useDevice,
  zeros,
} from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { backendNamed } from "../../core/backends/list.ts";
import { runtime } from "../../core/runtime.ts";
import { type Extent, isSampled, sampleOf } from "../support/cells.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { gpuJs } from "../support/gpujs.ts";

/** A tensor of small whole numbers. */
function counting(shape: number[], modulus: number): Tensor {
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
  // Millions of elements: a loop takes a tenth of what from() and findIndex() take.
  for (let i = 0; i < values.length; i++) values[i] = i % modulus;
  return tensor(values, shape);
}

async function check(device: string, y: Tensor, expected: (i: number) => number): Promise<void> {
  await bring([y], { device });
  const values = y.value!;
  for (let i = 0; i < values.length; i++) {
    if (values[i] !== expected(i)) {
      assert.fail(`element ${i} of [${y.shape}] is ${values[i]}, expected ${expected(i)}`);
    }
  }
}

/** Wider and higher than the textures of any driver, and beyond the workgroups that WebGPU guarantees along one axis. */
const SHAPES = [[81, 20_000], [2, 70_000, 8], [20_000, 81], [3, 70_000, 2], [600_000], [1, 1, 530_000]];

/** The shapes that a GPU is tried with: in Node all of them, elsewhere every other one, which are wide, high and long. */
function foldedOn(extent: Extent): readonly (readonly number[])[] {
  return isSampled(extent) && runtime() !== "node" ? SHAPES.filter((_, i) => i % 2 === 0) : SHAPES;
}

for (const { device, on, gpu, extent } of await devicesUnderTest()) {
  // The host has no textures and no workgroups to fold into.
  for (const shape of gpu ? foldedOn(extent) : sampleOf("some", SHAPES)) {
    test(...on(`[${shape}] is folded to fit the device`), async () => {
      const rows = shape.at(-1)!;
      const y = add(mul(counting([...shape], 97), 2), tensor(Float32Array.from({ length: rows }, (_, i) => i % 13)));
      await check(device, y, (i) => 2 * (i % 97) + ((i % rows) % 13));
    });
  }

  test(...on("positions far into an array are exact"), async () => {
    const many = gpu && extent !== "least" || process.env.GPUGRAD_RUNS !== undefined;
    const [rows, columns] = many ? [2_801, 3_001] : [281, 3_001];
    const x = counting([rows, columns], 251);
    await check(device, add(transpose(x), 0), (i) => ((i % rows) * columns + Math.floor(i / rows)) % 251);
    const flat = reshape(transpose(x), [rows * columns]);
    const end = slice(add(flat, 1), [[rows * columns - 5_000, rows * columns]]);
    const start = rows * columns - 5_000;
    await check(device, end, (i) => (((start + i) % rows) * columns + Math.floor((start + i) / rows)) % 251 + 1);
  });

  test(...on("a sum over more elements than one thread may loop over"), async () => {
    const n = 200_000;
    let expected = 0;
    for (let i = 0; i < n; i++) expected += i % 3;
    await check(device, sum(counting([n], 3)), () => expected);
  });

  if (backendNamed(device).dialect.exactIndex === 2 ** 24) {
    test(...on("an index that float32 cannot hold is refused with the limit, the index and the device"), async () => {
      const n = 5_000;
      const table = add(reshape(arange(n), [n, 1]), arange(n));
      const flat = mul(reshape(transpose(table), [n * n]), tensor(2));
      await assert.rejects(
        realize([flat], { device }),
        new RegExp(
          `shape \\[25000000\\] needs the index 2\\d{7}, but on ${device} indices are exact only up to 16777216`,
        ),
      );
    });
  }

  if (device === "cpu" || device === "float64") {
    test(...on("an array that no host can have is refused at once, with its size"), async () => {
      const all = add(zeros([1e6, 1e6]), tensor(1));
      await assert.rejects(
        realize([all], { device }),
        device === "cpu"
          ? /^Error: cpu: "add" of shape \[1000000, 1000000\] has 1000000000000 elements, but arrays .* at most 4294967296$/
          : /^Error: float64: out of memory: the arrays of this plan take 80000000000\d\d bytes$/,
      );
    });
  }

  if (device === "webasm" || device === "wasm") {
    test(
      ...on("a kernel that needs more than WebAssembly addresses is refused with the limit, its size and the device"),
      async () => {
        const shape = [1, 2 ** 30];
        const plan = {
          leaves: [{ shape: [1], extent: [1], size: 1 }],
          results: [{ from: "step" as const, index: 0 }],
          steps: [{
            name: "enormous",
            shape,
            args: [{ from: "leaf" as const, index: 0 }],
            form: {
              extent: [...shape].reverse(),
              threads: [],
              body: [],
              result: { kind: "read" as const, argument: 0, at: [{ base: 0, terms: [] }] },
            },
            kernel: {
              parameters: ["a0"],
              lines: [],
              result: "a0[0]",
              extent: [...shape].reverse(),
              iterations: 0,
              tables: [],
              opaque: [],
            },
          }],
        };
        await assert.rejects(
          (await useDevice(device)).run({ key: "enormous", plan: () => plan }, [new Float32Array(1)]),
          device === "wasm"
            ? /^Error: wasm: out of memory: an array of 4294967296 bytes does not fit .* can have 4294967296$/
            : /^Error: webasm: .*"enormous" of shape \[1, 1073741824\] .* 4294967300 bytes.* at most 4294967296$/,
        );
      },
    );
  }

  if (gpu) {
    test(...on("an array that is too large is refused with the limit, its size and the device"), async () => {
      const most = device === "webgpu" ? await largestBinding() / 4 : 2 ** 24;
      const y = add(zeros([most + 1]), tensor(1));
      const size = device === "webgpu" ? 4 * (most + 1) : most + 1;
      await assert.rejects(realize([y], { device }), (error: Error) => {
        assert.ok(error.message.startsWith(`${device}: `), error.message);
        for (const part of [String(size), String(device === "webgpu" ? 4 * most : most)]) {
          assert.ok(error.message.includes(part), error.message);
        }
        return true;
      });
    });
  }
}

/** The number of bytes in one binding of the WebGPU device. */
async function largestBinding(): Promise<number> {
  const { device } = await (await gpuJs()).WebGPUContext.acquire();
  const { maxStorageBufferBindingSize, maxBufferSize } = device.limits;
  return Math.min(maxStorageBufferBindingSize, maxBufferSize);
}
