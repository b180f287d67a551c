/** The editor of the loss. */
import { javascript } from "@codemirror/lang-javascript";
import { syntaxHighlighting } from "@codemirror/language";
import { setDiagnostics } from "@codemirror/lint";
import { EditorView } from "@codemirror/view";
import { classHighlighter } from "@lezer/highlight";
import { basicSetup } from "codemirror";
import type { Failure } from "./engine/protocol.ts";

/** An editor of text. */
export interface Editor {
  text(): string;
  replace(text: string): void;
  /** Marks where the text is at fault. */
  mark(failure: Failure | null): void;
}

/** Makes an editor in a place. */
export function makeEditor(place: HTMLElement, text: string, changed: (text: string) => void): Editor {
  const view = new EditorView({
    parent: place,
    doc: text,
    extensions: [
      basicSetup,
      javascript(),
      syntaxHighlighting(classHighlighter),
      EditorView.lineWrapping,
      EditorView.contentAttributes.of({ "aria-label": "The loss, as JavaScript" }),
      EditorView.updateListener.of((update) => {
        if (update.docChanged) changed(view.state.doc.toString());
      }),
    ],
  });
  // The lines wrap anew when the font has come, or the page is turned.
  new ResizeObserver(() => view.requestMeasure()).observe(view.contentDOM);
  return {
    text: () => view.state.doc.toString(),
    replace: (text) => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } }),
    mark: (failure) => view.dispatch(setDiagnostics(view.state, failure?.line ? [diagnostic(view, failure)] : [])),
  };
}

/** The rest of the line from where the fault is. */
function diagnostic(view: EditorView, { message, line = 1, column = 0 }: Failure) {
  const { doc } = view.state;
  const at = doc.line(Math.min(Math.max(line, 1), doc.lines));
  const from = Math.min(at.from + column, at.to);
  return { from: from === at.to ? at.from : from, to: at.to, severity: "error" as const, message };
}
