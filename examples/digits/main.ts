/**
 * Trains a small SSD network on scenes of handwritten digits with several variants of the loss, and writes a page that compares them.
 * Interrupted, it goes on from the last checkpoint when it is run again, and ends with the same numbers.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { useDevice } from "../../mod.ts";
import { readCheckpoint, writeCheckpoint } from "./checkpoint.ts";
import { startNetwork } from "./network.ts";
import { type Trained, writePage } from "./page.ts";
import { displayProgress } from "./progress.ts";
import { DEFAULTS, type Settings, testScenes, Training } from "./train.ts";
import { VARIANTS } from "./variants.ts";

/** A checkpoint is written after this many steps. */
const STEPS_PER_CHECKPOINT = 20;
/** The exit code of a process that Ctrl-C ended. */
const INTERRUPTED = 130;

const OUT = fileURLToPath(new URL("out/", import.meta.url));
const HELP = `Trains a small SSD network on scenes of handwritten digits, its gradients coming from SSDLoss.

  npm run train -- [options]

  --variants a,b   variants of the loss, one after the other; default reference,focal,giou
${Object.entries(VARIANTS).map(([name, { title }]) => `                     ${name.padEnd(14)} ${title}`).join("\n")}
  --steps n        steps for each variant; default ${DEFAULTS.steps}
  --seed n         of the scenes and the first weights; default ${DEFAULTS.seed}
  --device name    where the loss and the updates are computed; default ${DEFAULTS.device}
  --out folder     for checkpoints and the page; default examples/digits/out
  --fresh          begins anew where there is a checkpoint
  --help           prints this

Ctrl-C writes a checkpoint; the same command goes on from there and ends with the same numbers.`;

interface Arguments {
  readonly variants: readonly string[];
  readonly settings: Settings;
  readonly out: string;
  readonly fresh: boolean;
}

/** Reads the command line; `null` if it asks for help. */
function readArguments(): Arguments | null {
  const { values } = parseArgs({
    options: {
      variants: { type: "string", default: "reference,focal,giou" },
      steps: { type: "string", default: String(DEFAULTS.steps) },
      seed: { type: "string", default: String(DEFAULTS.seed) },
      device: { type: "string", default: DEFAULTS.device },
      out: { type: "string", default: OUT },
      fresh: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return null;
  const variants = [...new Set(values.variants.split(","))];
  for (const name of variants) {
    if (!Object.hasOwn(VARIANTS, name)) {
      throw new Error(`expected --variants to be of ${Object.keys(VARIANTS).join(", ")}, got ${name}`);
    }
  }
  const whole = (name: "steps" | "seed", least: number) => {
    const number = Number(values[name]);
    if (Number.isSafeInteger(number) && number >= least) return number;
    throw new Error(`expected --${name} to be a whole number from ${least}, got ${values[name]}`);
  };
  const settings = {
    ...DEFAULTS,
    steps: whole("steps", DEFAULTS.tests),
    seed: whole("seed", 0),
    device: values.device,
  };
  return { variants, settings, out: values.out, fresh: values.fresh };
}

/** Trains with one variant, from its checkpoint if there is one. Returns `null` if it was interrupted. */
async function train(
  variant: string,
  { settings, out, fresh }: Arguments,
  interrupted: () => boolean,
): Promise<Trained | null> {
  const file = join(out, `${variant}.json`);
  const origin = { variant, settings };
  const training = new Training(variant, settings, fresh ? undefined : readCheckpoint(file, origin));
  const display = displayProgress(variant, settings.steps, training.progress);
  try {
    while (!training.done && !interrupted()) {
      await training.step();
      const { progress } = training;
      display.update(progress);
      if (progress.step % STEPS_PER_CHECKPOINT === 0 || training.done || interrupted()) {
        writeCheckpoint(file, origin, await training.snapshot());
      }
    }
  } finally {
    display.stop();
  }
  const { progress, componentNames } = training;
  return training.done ? { name: variant, title: VARIANTS[variant].title, componentNames, progress } : null;
}

async function main(): Promise<void> {
  const given = readArguments();
  if (!given) {
    console.log(HELP);
    return;
  }
  let interrupted = 0;
  process.on("SIGINT", () => {
    // The step is finished first. A second Ctrl-C ends the process at once; what started it may pass on the first one once more.
    if (interrupted > 0 && performance.now() - interrupted > 1000) process.exit(INTERRUPTED);
    interrupted ||= performance.now();
  });
  await startNetwork();
  const device = await useDevice(given.settings.device);
  const trained: Trained[] = [];
  for (const variant of given.variants) {
    const result = await train(variant, given, () => interrupted > 0);
    if (!result) {
      console.log("Interrupted; the same command goes on from here.");
      process.exitCode = INTERRUPTED;
      break;
    }
    trained.push(result);
    // The page grows with each variant.
    const file = join(given.out, "index.html");
    writePage(file, trained, given.settings, testScenes(given.settings));
    if (trained.length === given.variants.length) console.log(`\n${summaryOf(trained)}\n\n${file}`);
  }
  await device.dispose();
}

function summaryOf(trained: readonly Trained[]): string {
  return trained.map(({ name, progress: { tests, seconds: { wall, cpu } } }) => {
    const { map50, map } = tests[tests.length - 1];
    return `${name.padEnd(14)} mAP at 0.5: ${map50.toFixed(3)}, at 0.5 to 0.95: ${map.toFixed(3)}  ${
      wall.toFixed(0)
    } s, CPU ${cpu.toFixed(0)} s`;
  }).join("\n");
}

// Caught here, because tfjs rethrows uncaught exceptions with its whole source.
await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
