/** The devices of browsers. */
export const DEVICES: readonly { readonly name: string; readonly text: string }[] = [
  { name: "auto", text: "fastest device" },
  { name: "webgpu", text: "WebGPU" },
  { name: "webgl2", text: "WebGL 2" },
  { name: "webgl", text: "WebGL" },
  { name: "wasm", text: "WebAssembly" },
  { name: "webasm", text: "WebAssembly of gpu.js" },
  { name: "cpu", text: "JavaScript" },
  { name: "float64", text: "float64, the oracle" },
];
