/** Which devices there are, which of them works, and which one computes. */
import { Device, DeviceLostError, type PassedOver } from "./device.ts";
import type { Backend } from "./backends/backend.ts";
import { backendNamed, backends } from "./backends/list.ts";
import { render } from "./backends/render.ts";
import { build, type Local } from "./expression.ts";
import type { LoopForm } from "./plan/form.ts";
import type { Plan, Target } from "./plan/plan.ts";
import type { Program } from "./program.ts";
import { runtime } from "./runtime.ts";
import { describe, Signature } from "./options.ts";
import { type DeviceChoice, deviceName } from "./device_names.ts";
import type { Value } from "./value.ts";

/** `auto` chooses a GPU if it is at least this many times faster than the host, which rules out software drivers and noise. */
const WORTH_A_GPU = 2;

const devices = new Map<string, Promise<Device>>();
/** The default device. */
let current = "auto";

/** The size of the computation that a device must get right before it is used. Each thread loops; the sums are whole, hence exact. */
const PROBE_SIZE = 2 ** 18;
const PROBE_TRIPS = 64;
const PROBE_MODULUS = 7;
let probeLeaf: Float32Array | null = null;

/** `sum over i of leaf[x] * i` in loop form. */
function probeForm(): LoopForm {
  const local = (id: number, role: Local["role"]): Local => ({ kind: "local", id, role });
  const [x, a, s, i] = [local(0, "thread"), local(1, "value"), local(2, "accumulator"), local(3, "counter")];
  const at = (of: Local) => ({ base: 0, terms: [{ local: of, coefficient: 1 }] });
  const product = build.call("mul", a, build.call("floor", { kind: "index", of: at(i) }));
  return {
    extent: [PROBE_SIZE],
    threads: [x],
    body: [
      { kind: "const", local: a, value: { kind: "read", argument: 0, at: [at(x)] } },
      { kind: "let", local: s, value: build.literal(0) },
      {
        kind: "loop",
        counter: i,
        end: PROBE_TRIPS,
        step: 1,
        body: [{ kind: "assign", local: s, value: build.call("sum", s, product) }],
      },
    ],
    result: s,
  };
}

function probePlan({ dialect }: Target): Plan {
  const form = probeForm();
  const args = [{ from: "leaf", index: 0 } as const];
  return {
    leaves: [{ shape: [PROBE_SIZE], extent: [PROBE_SIZE], size: PROBE_SIZE }],
    steps: [{
      name: "probe",
      shape: [PROBE_SIZE],
      kernel: render({ ...form, args, iterations: PROBE_TRIPS }, dialect),
      form,
      args,
    }],
    results: [{ from: "step", index: 0 }],
  };
}

/** Returns why a backend cannot run in this runtime; `null` if it can. */
function elsewhere({ runsIn }: Backend): string | null {
  return runsIn.includes(runtime()) ? null : `runs only in ${runsIn.join(", ")}, and this is ${runtime()}`;
}

async function openDevice(backend: Backend): Promise<Device> {
  const cannot = elsewhere(backend);
  if (cannot) throw new Error(cannot);
  try {
    const device = new Device(backend, await backend.driver());
    await probe(device);
    return device;
  } catch (error) {
    const needs = backend.needs(runtime());
    throw needs ? new Error(`${(error as Error).message}; ${needs}`, { cause: error }) : error;
  }
}

/** Runs a kernel and compares its result: a backend that cannot run must not be found out later. Returns the milliseconds. */
async function probe(device: Device): Promise<number> {
  const { compiled } = device;
  const leaf = probeLeaf ??= Float32Array.from({ length: PROBE_SIZE }, (_, i) => i % PROBE_MODULUS);
  const sum = (PROBE_TRIPS * (PROBE_TRIPS - 1)) / 2;
  const start = performance.now();
  const [result] = await device.run({ key: "probe", plan: probePlan }, [leaf]);
  const ms = performance.now() - start;
  const wrong = result.findIndex((value, i) => value !== leaf[i] * sum);
  if (wrong >= 0) throw new Error(`computes ${result[wrong]} where ${leaf[wrong] * sum} is right`);
  if (device.backend !== device.name) throw new Error(`does not run here: gpu.js took "${device.backend}" instead`);
  device.compiled = compiled;
  return ms;
}

/** A device that does not work here. */
class NotOpened extends Error {
  /** The message without the name of the device. */
  readonly reason: string;

  constructor(name: string, cause: Error) {
    super(`useDevice: "${name}" ${cause.message}`, { cause });
    this.reason = cause.message;
  }
}

function deviceNamed(name: string): Promise<Device> {
  if (!deviceName.accepts(name)) {
    return Promise.reject(new Error(`useDevice: expected ${deviceName.expected}, got ${describe(name)}`));
  }
  let device = devices.get(name);
  if (!device) {
    device = openDevice(backendNamed(name)).catch((error: unknown) => {
      throw new NotOpened(name, error as Error);
    });
    devices.set(name, device);
    // A failed start is retried at the next request.
    device.catch(() => devices.delete(name));
  }
  return device;
}

/** Why a device does not work, without its name. */
function reasonOf(error: unknown): string {
  return error instanceof NotOpened ? error.reason : (error as Error).message;
}

let fastest: Promise<Device> | null = null;

/** The device of `auto`, chosen once, and again after it was lost. */
function fastestDevice(): Promise<Device> {
  if (!fastest) {
    fastest = findFastest();
    fastest.catch(() => (fastest = null));
  }
  return fastest;
}

/** The milliseconds of a probe on a device that has compiled it. */
async function timed(device: Device): Promise<number> {
  let best = Infinity;
  for (let i = 0; i < 3; i++) best = Math.min(best, await probe(device));
  return best;
}

/** The first of these that works, and why those before it do not. */
async function firstThatWorks(candidates: readonly Backend[], passedOver: PassedOver[]): Promise<Device | null> {
  for (const [i, { name }] of candidates.entries()) {
    try {
      const known = devices.has(name);
      const device = await deviceNamed(name);
      // Opening one tries it; one that was opened before can be gone by now.
      if (known) await probe(device);
      for (const later of candidates.slice(i + 1)) {
        passedOver.push({
          name: later.name,
          reason: elsewhere(later) ?? `was not tried: "${name}" works and comes first`,
        });
      }
      return device;
    } catch (error) {
      passedOver.push({ name, reason: reasonOf(error) });
    }
  }
  return null;
}

async function findFastest(): Promise<Device> {
  const passedOver: PassedOver[] = [];
  const on = (place: Backend["computesOn"]) => backends.filter(({ computesOn }) => computesOn === place);
  const gpu = await firstThatWorks(on("gpu"), passedOver);
  const host = await firstThatWorks(on("host"), passedOver);
  const found = gpu ?? host;
  if (!found) {
    throw new Error(`useDevice: no device works (${passedOver.map((p) => `${p.name}: ${p.reason}`).join("; ")})`);
  }
  let device = found;
  if (gpu && host) {
    const [gpuMs, hostMs] = [await timed(gpu), await timed(host)];
    const ratio = `takes ${(gpuMs / hostMs).toFixed(2)} times as long as "${host.name}" in a trial`;
    if (gpuMs * WORTH_A_GPU > hostMs) {
      device = host;
      passedOver.unshift({ name: gpu.name, reason: `works (${gpu.description}) but ${ratio}` });
    } else passedOver.push({ name: host.name, reason: `works but "${gpu.name}" (${gpu.description}) ${ratio}` });
  }
  device.passedOver = passedOver;
  return device;
}

const useDeviceCall = new Signature("useDevice(name)");
const availableDevicesCall = new Signature("availableDevices()");

/**
 * Makes a device the default for all computations and returns it.
 *
 * @param name `"auto"` (the fastest that works: kernels are run, compared and timed to find out; `passedOver` of the device lists
 * those not chosen and why), `"webgpu"`, `"webgl2"`, `"webgl"`, `"headlessgl"` (WebGL outside of browsers), `"wasm"` (float32, SIMD and
 * threads), `"webasm"` (the same by gpu.js), `"cpu"` (float32, plain JavaScript) or `"float64"` (the oracle: the same kernels in doubles).
 * @throws if the device does not work here, with the reason.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { div, tensor, useDevice } from "gpugrad";
 *
 * const device = await useDevice("float64");
 * assert.equal(device.backend, "float64");
 * assert.equal(await div(tensor(1), 3).item(), 1 / 3);
 * await useDevice("auto");
 * ```
 */
export async function useDevice(name: string): Promise<Device> {
  useDeviceCall.check(arguments);
  if (!deviceName.accepts(name)) throw useDeviceCall.wrong("name", deviceName.expected, name);
  const previous = current;
  current = name;
  try {
    return await deviceOf(name);
  } catch (error) {
    if (current === name) current = previous;
    throw error;
  }
}

/**
 * Returns all devices, GPUs first, each with whether it works here and, if not, the reason.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { availableDevices } from "gpugrad";
 *
 * const names = (await availableDevices()).filter((d) => d.available).map((d) => d.name);
 * assert.ok(names.includes("float64"));
 * ```
 */
export async function availableDevices(): Promise<AvailableDevice[]> {
  availableDevicesCall.check(arguments);
  return await Promise.all(backends.map(async ({ name }) => {
    try {
      const { description } = await deviceNamed(name);
      return { name, available: true, description };
    } catch (error) {
      return { name, available: false, reason: reasonOf(error) };
    }
  }));
}

/** A device, as {@link availableDevices} returns it. */
export interface AvailableDevice {
  /** Its name, as `useDevice` takes it. */
  readonly name: string;
  /** Whether it works here. */
  readonly available: boolean;
  /** The hardware or engine: the adapter or renderer of a GPU. */
  readonly description?: string;
  /** Why it is not available. */
  readonly reason?: string;
}

function deviceOf(name: string): Promise<Device> {
  return name === "auto" ? fastestDevice() : deviceNamed(name);
}

function nameOf(choice: DeviceChoice = current): string {
  return typeof choice === "string" ? choice : choice.name;
}

/** Returns the chosen device, by default the current one. */
export function chosenDevice(choice?: DeviceChoice): Promise<Device> {
  return choice instanceof Device ? Promise.resolve(choice) : deviceOf(nameOf(choice));
}

/** Runs a plan on the chosen device. If `auto` chose it and it is lost, `auto` chooses again and the error says which device is next. */
export async function runOn(
  device: Device,
  choice: DeviceChoice | undefined,
  program: Pick<Program, "key" | "plan">,
  leaves: readonly Value[],
): Promise<Value[]> {
  try {
    return await device.runHere(program, leaves);
  } catch (error) {
    if (error instanceof DeviceLostError && !(choice instanceof Device) && nameOf(choice) === "auto") {
      fastest = null;
      const next = await fastestDevice();
      error.message += next === device ? "; it was started again" : `; "auto" goes on with "${next.name}"`;
    }
    throw error;
  }
}
