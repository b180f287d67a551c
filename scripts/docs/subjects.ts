/** Groups the reference by subject, which is a matter of folders and files. */
import {
  type Application,
  Comment,
  CommentTag,
  type Context,
  Converter,
  type DeclarationReflection,
  ReflectionKind,
} from "typedoc";

/** The first that matches counts. */
const SUBJECTS: readonly (readonly [name: string, files: RegExp])[] = [
  ["Verification", /^verify\/|^core\/op\.ts$/],
  ["Optimisers", /^optim\//],
  ["Losses", /^loss\/|^ops\/losses\.ts$/],
  ["Devices", /^core\/(devices|device|device_names)\.ts$/],
  ["Tape", /^core\/|^ops\/(grad|transforms|tree|creation|custom|elementwise|define\/.*)(\.ts|\/|$)/],
  ["Ops", /^ops\//],
];

/** The subject of a source file. */
export function subjectOf(file: string): string {
  const found = SUBJECTS.find(([, files]) => files.test(file));
  if (!found) throw new Error(`scripts/docs/subjects.ts: no subject has ${file}`);
  return found[0];
}

/** The names that modules are imported by. */
const NAMES: Readonly<Record<string, string>> = { "mod": "gpugrad", "verify/mod": "gpugrad/verify" };

/** Gives modules the names that they are imported by, and each public name its subject, as a `@category`. */
export function addSubjects(app: Application): void {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }: Context) => {
    for (const module of project.children ?? []) {
      module.name = NAMES[module.name] ?? module.name;
      for (const reflection of module.children ?? []) addTo(reflection);
    }
  });
}

function addTo(reflection: DeclarationReflection): void {
  const sources = [reflection, ...reflection.children ?? []].flatMap(({ sources }) => sources ?? []);
  // A namespace is exported by mod.ts, and made of what lies elsewhere.
  const file = sources.find(({ fileName }) => !/^mod\.ts$|node_modules\//.test(fileName))?.fileName;
  if (file === undefined) return;
  const tag = new CommentTag("@category", [{ kind: "text", text: subjectOf(file) }]);
  reflection.comment ??= new Comment();
  reflection.comment.blockTags.push(tag);
  if (reflection.kindOf(ReflectionKind.Namespace)) reflection.children?.forEach(addTo);
}
