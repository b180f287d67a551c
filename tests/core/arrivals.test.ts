/** Arrays that are copied to the memory of `wasm` while it computes: each is there in full before the first call that reads it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Arrivals } from "../../core/backends/wasm/arrivals.ts";
import { Memory } from "../../core/backends/wasm/memory.ts";
import { checkProperty } from "../support/property.ts";

test("what a call reads is there before it, however much is copied before that", async () => {
  const memory = new Memory(false);
  const drawn = fc.array(
    fc.record({
      size: fc.constantFrom(1, 1000, 16_384, 16_385, 40_000),
      before: fc.nat(5),
      pieces: fc.nat(3),
    }),
    { minLength: 1, maxLength: 5 },
  );
  await checkProperty(drawn, (parts) => {
    const all = parts.map(({ size, before }, k) => {
      const values = new Float32Array(size).fill(k + 1);
      const address = memory.allocate(size);
      memory.floats.fill(0, address / 4, address / 4 + size);
      return { values, address, before };
    });
    const arrivals = new Arrivals(memory, all);
    const isThere = ({ values, address }: typeof all[number]) =>
      memory.read(address, values.length).every((v, i) => v === values[i]);
    parts.forEach(({ pieces }, call) => {
      for (let i = 0; i < pieces; i++) arrivals.next();
      arrivals.complete(call);
      assert.ok(all.filter(({ before }) => before <= call).every(isThere), `before call ${call}`);
    });
    while (arrivals.next());
    assert.ok(all.every(isThere));
    for (const { values, address } of all) memory.free(address, values.length);
  }, { runs: 30 });
});
