/**
 * How much calls of the whole loss allocate once nothing is new, and the most memory that the device `wasm` takes.
 *
 *   npm run bench -- memory [--batch 1,8,32]
 */
import { grad, realize, tensor, useDevice } from "../mod.ts";
import { caseNamed } from "./cases/list.ts";
import { randomFrom } from "../verify/random.ts";
import type { Input } from "./cases/case.ts";
import { type Allocations, countAllocations } from "./harness/allocations.ts";
import { table } from "./harness/table.ts";

/** The memory use measured for one batch size. */
export interface MemoryUse {
  readonly batch: number;
  /** Bytes of large arrays that a call allocates, other than the results that are read. */
  readonly perCall: number;
  /** The same by kind, results included. */
  readonly kinds: Readonly<Record<string, number>>;
  /** Bytes of predictions, and of the results that are read. */
  readonly predictions: number;
  readonly results: number;
  /** Bytes of the memory of WebAssembly at its largest, beyond inputs and results, in predictions. */
  readonly peak: number;
}

const CALLS = 10;

const settle = () => new Promise((done) => setTimeout(done, 20));

/** Measures calls whose predictions are new and whose gradients are read. The garbage collector runs when it likes. */
async function measure(batch: number, allocations: Allocations): Promise<MemoryUse> {
  const subject = caseNamed("loss");
  const sizes = { ...subject.sizes[0], batch };
  const inputs: readonly Input[] = await subject.inputs(sizes, randomFrom(1));
  const run = subject.code.gpugrad(sizes);
  const call = async () => {
    const leaves = inputs.slice(0, 2).map(({ data, shape }) => tensor(data, shape, { copy: false }));
    const loss = run(leaves, inputs);
    const results = [loss as ReturnType<typeof tensor>, ...grad(loss as ReturnType<typeof tensor>, leaves)];
    await realize(results);
    return (await Promise.all(results.map((result) => result.data({ copy: false })))).reduce(
      (sum, { byteLength }) => sum + byteLength,
      0,
    );
  };
  for (let i = 0; i < 5; i++) {
    await call();
    await settle();
  }
  allocations.arrays.clear();
  let results = 0, most = 0;
  for (let i = 0; i < CALLS; i++) {
    results = await call();
    most = Math.max(most, [...allocations.memories].reduce((sum, { buffer }) => sum + buffer.byteLength, 0));
    await settle();
  }
  const kinds = Object.fromEntries([...allocations.arrays].map(([kind, bytes]) => [kind, bytes / CALLS]));
  const all = Object.values(kinds).reduce((sum, bytes) => sum + bytes, 0);
  const predictions = inputs[0].data.byteLength + inputs[1].data.byteLength;
  const peak = (most - predictions - results) / predictions;
  return { batch, perCall: Math.max(0, all - results), kinds, predictions, results, peak };
}

/** Measures each batch and prints a table. */
export async function measureMemory(batches: readonly number[]): Promise<MemoryUse[]> {
  // Before the device makes its memory, which only grows: so batches come in order.
  const allocations = countAllocations();
  const found: MemoryUse[] = [];
  try {
    await useDevice("wasm");
    for (const batch of [...batches].sort((a, b) => a - b)) found.push(await measure(batch, allocations));
  } finally {
    allocations.stop();
  }
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
  console.log("\nMemory of the whole loss on wasm: predictions new, gradients read; arrays of a megabyte or more");
  console.log(table(
    [
      "batch",
      "predictions, MB",
      "results read, MB",
      "else allocated a call, MB",
      "peak beyond both, in predictions",
      "kinds",
    ],
    found.map(({ batch, predictions, results, perCall, peak, kinds }) => [
      `${batch}`,
      megabytes(predictions),
      megabytes(results),
      megabytes(perCall),
      peak.toFixed(2),
      Object.entries(kinds).map(([kind, bytes]) => `${kind} ${megabytes(bytes)}`).join(", "),
    ]),
  ));
  return found;
}
