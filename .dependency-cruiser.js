/**
 * Imports point one way: mod.ts -> verify, optim, loss -> ops -> core, and within core down the list below. Types count too.
 *
 * @type {import("dependency-cruiser").IConfiguration}
 */

/** The files of core/, lowest first. A file may import from the rows below its own and from its own row. */
const core = [
  [
    "shape",
    "affine",
    "runtime",
    "options",
    "lineage",
    "together",
    "value",
    "expression",
    "backends/functions",
    "backends/wasm/lane_ulps",
    "backends/wasm/multiply_add",
    "backends/partials",
    "backends/weights",
  ],
  ["backends/wasm/opcodes"],
  ["backends/wasm/code"],
  ["backends/wasm/assembler", "backends/wasm/text", "backends/wasm/memory", "backends/wasm/lanes/.*"],
  ["backends/wasm/lanes", "backends/wasm/operands", "backends/wasm/team_script"],
  ["backends/wasm/scalars", "backends/wasm/arrivals"],
  ["backends/wasm/team"],
  ["backends/tangents"],
  ["residents"],
  ["routine"],
  ["backends/host_routines"],
  ["kernel"],
  ["entry"],
  ["loop"],
  ["structure", "state", "past"],
  ["variants"],
  ["backends/dialect", "plan/node"],
  ["plan/access"],
  ["plan/costs", "plan/decided", "plan/form", "backends/budgets"],
  ["backends/wasm/varying", "backends/wasm/indices"],
  ["backends/wasm/jam", "backends/wasm/panels", "backends/wasm/own"],
  ["backends/wasm/joint"],
  ["backends/wasm/strips", "backends/wasm/residues"],
  ["backends/wasm/tile"],
  ["backends/wasm/body"],
  ["backends/wasm/kernel", "backends/wasm/walks"],
  ["backends/wasm/order", "backends/wasm/segments"],
  ["backends/wasm/scatter"],
  ["plan/products", "plan/reductions"],
  ["plan/graph", "plan/loops", "backends/render", "backends/moving"],
  ["plan/dominators"],
  ["plan/store"],
  ["plan/plan", "plan/lifetimes", "backends/addon", "backends/gpujs"],
  [
    "program",
    "plan_text",
    "backends/platform",
    "backends/arrays",
    "backends/timing",
    "backends/gpujs_arrays",
    "backends/gpujs_workers",
    "backends/turns",
  ],
  ["backends/backend"],
  ["device"],
  ["backends/gpujs_session", "backends/webgpu_buffers"],
  ["backends/webgpu_transfers"],
  ["backends/webgpu_memory"],
  ["backends/gpujs_kernels"],
  ["backends/wasm/groups"],
  ["backends/wasm/siblings"],
  ["backends/wasm/schedule"],
  ["backends/gpujs_plan", "backends/gpujs_chain", "backends/wasm/plan"],
  ["backends/gpujs_driver", "backends/wasm/driver"],
  ["backends/cpu", "backends/wasm", "backends/webasm", "backends/webgpu", "backends/webgl", "backends/float64"],
  ["backends/dual", "backends/adjoint"],
  ["backends/list"],
  ["device_names"],
  ["devices"],
  ["debug", "profile"],
  ["compute"],
  ["tensor"],
  ["tree"],
  ["op"],
  ["record", "recorded_again"],
  ["realize"],
  ["inspect"],
];

/** A pattern that matches the given files of core/. */
const files = (names) => `^core/(${names.join("|")})[.]ts$`;

/** The folders that are published, lowest first. */
const layers = ["^core/", "^ops/", "^(loss|optim|verify)/", "^mod[.]ts$", "^bin/"];
const published = layers.join("|");

/** The packages that the build bundles (`scripts/build/bundled.ts`). */
const bundled = "node_modules/(@dagrejs/dagre|@observablehq/plot|cli-progress|gpu[.]js|linkedom)/";

/** What is made when it is used: a module by Vite, an addon by a user who installs it. */
const MADE = "^virtual:|/addon/node_modules/";

export default {
  forbidden: [
    {
      name: "no-cycles",
      severity: "error",
      comment: "Two files that import each other are one subject in two places.",
      from: {},
      to: { circular: true },
    },
    ...layers.slice(0, -1).map((layer, i) => ({
      name: `layer-${layer.replace(/[^a-z|]/g, "").replace("|", "-")}-imports-down`,
      severity: "error",
      comment: "Imports point one way: mod.ts -> verify, optim, loss -> ops -> core.",
      from: { path: layer },
      to: { path: layers.slice(i + 1).join("|") },
    })),
    ...["loss", "optim", "verify"].map((room, _, rooms) => ({
      name: `${room}-alone`,
      severity: "error",
      comment: "loss/, optim/ and verify/ do not know each other.",
      from: { path: `^${room}/` },
      to: { path: `^(${rooms.filter((other) => other !== room).join("|")})/` },
    })),
    {
      name: "reports-import-nothing",
      severity: "error",
      comment: "Reports are plain data: what formats them knows neither tensors nor checks.",
      from: { path: "^verify/report/" },
      to: { path: "^(core|ops|verify)/", pathNot: "^verify/report/" },
    },
    {
      name: "differences-know-no-tensor",
      severity: "error",
      comment: "Numeric derivatives are of any function of arrays.",
      from: { path: "^verify/differences/" },
      to: { path: "^(core|ops)/|^verify/(tape|generate)/" },
    },
    ...core.slice(0, -1).map((row, i) => ({
      name: `core-${row.join("-")}-imports-down`,
      severity: "error",
      comment: "Within core/, imports point down the list in .dependency-cruiser.js.",
      from: { path: files(row) },
      to: { path: files(core.slice(i + 1).flat()) },
    })),
    {
      name: "core-file-has-a-place",
      severity: "error",
      comment: "A new file of core/ goes into the list in .dependency-cruiser.js.",
      from: {},
      to: { path: "^core/", pathNot: files(core.flat()) },
    },
    {
      name: "only-one-file-imports-gpu-js",
      severity: "error",
      comment: "core/backends/gpujs.ts is the only file that knows gpu.js.",
      from: { path: published, pathNot: "^core/backends/gpujs[.]ts$" },
      to: { path: "node_modules/gpu[.]js/" },
    },
    {
      name: "only-runtime-imports-builtins",
      severity: "error",
      comment: "Everything except bin/ runs in browsers; core/runtime.ts handles the differences between runtimes.",
      from: { path: "^(core|ops|loss|optim|verify)/|^mod[.]ts$", pathNot: "^core/runtime[.]ts$" },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "mod-needs-gpu-js-alone",
      severity: "error",
      comment: "Libraries for gradient checks and reports are loaded only by verify/ and bin/.",
      from: { path: "^(core|ops|loss|optim)/|^mod[.]ts$" },
      to: { path: "node_modules/", pathNot: "node_modules/(gpu[.]js|acorn)/" },
    },
    {
      name: "only-elementwise-parses",
      severity: "error",
      comment: "The parser of JavaScript is for formulas; a bundle without them has no parser.",
      from: { path: published, pathNot: "^ops/elementwise/" },
      to: { path: "node_modules/acorn/" },
    },
    {
      name: "published-needs-no-tooling",
      severity: "error",
      comment:
        "Published files may not import development dependencies, except those that the user has as peers and those that the build bundles.",
      from: { path: published },
      to: { dependencyTypes: ["npm-dev"], dependencyTypesNot: ["npm-peer"], pathNot: bundled },
    },
    {
      name: "published-stands-alone",
      severity: "error",
      comment: "Published files may not import development dependencies, nor tests, benches, the demo or scripts.",
      from: { path: published },
      to: { path: "^(tests|bench|demo|playground|examples|scripts)/" },
    },
    {
      name: "no-undeclared-packages",
      severity: "error",
      comment: "An import must be declared in package.json.",
      from: {},
      to: { pathNot: MADE, dependencyTypes: ["npm-no-pkg", "npm-unknown", "unknown"] },
    },
    {
      name: "no-unresolved",
      severity: "error",
      comment: "An import must resolve.",
      from: {},
      to: { pathNot: MADE, couldNotResolve: true },
    },
    {
      name: "no-orphans",
      severity: "error",
      comment: "A file that nothing imports is not part of the package.",
      from: { path: published, pathNot: "^mod[.]ts$|^bin/|[.]d[.]ts$", orphan: true },
      to: {},
    },
    {
      name: "reachable-from-mod",
      severity: "error",
      comment: "A file that cannot be reached from mod.ts is not part of the package.",
      from: { path: "^(mod[.]ts$|bin/|verify/)" },
      to: { path: published, pathNot: "^verify/|^bin/|^((loss|optim)/)?mod[.]ts$|[.]d[.]ts$", reachable: false },
    },
    {
      name: "reachable-from-verify",
      severity: "error",
      comment:
        "A file of verify/ that can be reached from neither verify/mod.ts nor the command is not part of the package.",
      from: { path: "^(verify/mod[.]ts$|bin/gpugrad[.]ts$)" },
      to: { path: "^verify/", pathNot: "^verify/mod[.]ts$", reachable: false },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: {
      path: "^(node_modules/[.]|dist/|docs/|site/|demo/out/|playground/dist/|examples/digits/out/|[.]cache/|[.]git/)",
    },
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default", "types"] },
  },
};
