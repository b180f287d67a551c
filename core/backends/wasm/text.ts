/** Code as the text format of WebAssembly, for people to read. */
import type { Code, Instruction, Value } from "./code.ts";

/** Lines wider than this are broken. */
const WIDTH = 100;

/** Returns a function in the text format, operands folded. */
export function codeText(code: Code): string {
  const parameters = code.parameters.map(({ index, type }) => ` (param $${index} ${type})`).join("");
  const result = code.returns === null ? "" : ` (result ${code.returns})`;
  const locals = code.locals.slice(code.takes.length)
    .map((type, i) => `(local $${i + code.takes.length} ${type})`);
  return [
    `(func $${code.name}${parameters}${result}`,
    ...wrapped(locals),
    ...lines([...code.entry, ...code.body], "  "),
    ...(code.result ? [broken(code.result, "  ")] : []),
    ")",
  ].join("\n");
}

/** Several to a line. */
function wrapped(parts: readonly string[]): string[] {
  const all: string[] = [];
  for (const part of parts) {
    const last = all.at(-1);
    if (last !== undefined && last.length + part.length < WIDTH) all[all.length - 1] = `${last} ${part}`;
    else all.push(`  ${part}`);
  }
  return all;
}

function lines(body: readonly Instruction[], indent: string): string[] {
  return body.flatMap((instruction) => linesOf(instruction, indent));
}

function linesOf(instruction: Instruction, indent: string): string[] {
  const inner = `${indent}  `;
  switch (instruction.kind) {
    case "set":
      return [folded(`local.set $${instruction.variable.index}`, [instruction.value], indent)];
    case "store": {
      const { name, offset, align, address, value } = instruction;
      return [folded(name + placeText(offset, align), [address, value], indent)];
    }
    case "if": {
      const { condition, then, otherwise } = instruction;
      return [
        `${indent}(if ${broken(condition, inner).trimStart()}`,
        `${inner}(then`,
        ...lines(then, `${inner}  `),
        `${inner})`,
        ...(otherwise.length > 0 ? [`${inner}(else`, ...lines(otherwise, `${inner}  `), `${inner})`] : []),
        `${indent})`,
      ];
    }
    case "loop":
      return [`${indent}(loop`, ...lines(instruction.body, inner), `${indent})`];
    case "again":
      return [folded("br_if 0", [instruction.condition], indent)];
    case "do":
      return [folded("drop", [instruction.value], indent)];
    case "run":
      return [folded(`call $${instruction.callee.name}`, instruction.args, indent)];
    default:
      return instruction satisfies never;
  }
}

/** An instruction with its operands: on one line if they fit, otherwise one below the other. */
function folded(head: string, args: readonly Value[], indent: string): string {
  const line = `${indent}(${[head, ...args.map(inOne)].join(" ")})`;
  if (line.length <= WIDTH || args.length === 0) return line;
  return [`${indent}(${head}`, ...args.map((arg) => broken(arg, `${indent}  `)), `${indent})`].join("\n");
}

function broken(value: Value, indent: string): string {
  const { head, args } = partsOf(value);
  return folded(head, args, indent);
}

function inOne(value: Value): string {
  const { head, args } = partsOf(value);
  return `(${[head, ...args.map(inOne)].join(" ")})`;
}

function partsOf(value: Value): { head: string; args: readonly Value[] } {
  switch (value.kind) {
    case "variable":
      return { head: `local.get $${value.index}`, args: [] };
    case "number":
      return { head: `${value.type}.const ${numberText(value.value)}`, args: [] };
    case "vector":
      return { head: `v128.const ${vectorText(value.bytes)}`, args: [] };
    case "operation":
      return { head: value.lane === undefined ? value.name : `${value.name} ${value.lane}`, args: value.args };
    case "shuffle": {
      const bytes = value.lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => 4 * lane + byte));
      return { head: `i8x16.shuffle ${bytes.join(" ")}`, args: value.args };
    }
    case "select":
      return { head: `select (result ${value.type})`, args: value.args };
    case "load":
      return {
        head: value.name + placeText(value.offset, value.align) + (value.lane === undefined ? "" : ` ${value.lane}`),
        args: value.args,
      };
    case "call":
      return { head: `call $${value.callee.name}`, args: value.args };
    default:
      return value satisfies never;
  }
}

function placeText(offset: number, align: number): string {
  return `${offset === 0 ? "" : ` offset=${offset}`} align=${2 ** align}`;
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  return Object.is(value, -0) ? "-0" : String(value);
}

/** Four floats if the lanes look like such, otherwise four whole numbers. */
function vectorText(bytes: readonly number[]): string {
  const view = new DataView(Uint8Array.from(bytes).buffer);
  const lanes = [0, 4, 8, 12];
  const floats = lanes.map((at) => view.getFloat32(at, true));
  const isFloat = (x: number) => x === 0 || (Math.abs(x) > 1e-30 && Math.abs(x) < 1e30) || Math.abs(x) === Infinity;
  if (floats.every(isFloat)) return `f32x4 ${floats.map(numberText).join(" ")}`;
  return `i32x4 ${lanes.map((at) => `0x${view.getUint32(at, true).toString(16).padStart(8, "0")}`).join(" ")}`;
}
