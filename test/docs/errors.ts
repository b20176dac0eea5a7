/** The page of all error codes, from the sources: what is thrown with a code, and the sentence that goes with it. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'

/** Classes whose first argument is a code, and the second the sentence. */
const CLASSES: ReadonlySet<string> = new Set(['EpioneError', 'ContractError'])
const SHAPE = /^[a-z]+(?:-[a-z0-9]+)*$/

/** Sentences by code, and the rooms that throw it. */
export interface Code {
  readonly code: string
  readonly sentences: readonly string[]
  readonly rooms: readonly string[]
}

export function errorCodes(root: string): Code[] {
  const found = new Map<string, { sentences: Set<string>; rooms: Set<string> }>()
  for (const path of globSync(['src/**/*.ts', 'cli/**/*.ts'], { cwd: root }).sort()) {
    const source = ts.createSourceFile(path, readFileSync(join(root, path), 'utf8'), ts.ScriptTarget.Latest, true)
    const room = path.startsWith('src/') ? (path.split('/')[1] as string) : 'cli'
    const visit = (node: ts.Node): void => {
      if (ts.isNewExpression(node) && CLASSES.has(node.expression.getText(source))) {
        const [code, sentence] = node.arguments ?? []
        for (const text of codesOf(code)) {
          const entry = found.get(text) ?? { sentences: new Set(), rooms: new Set() }
          entry.rooms.add(room)
          if (sentence !== undefined) for (const words of sentencesOf(sentence, source)) entry.sentences.add(words)
          found.set(text, entry)
        }
      }
      ts.forEachChild(node, visit)
    }
    visit(source)
  }
  return [...found]
    .map(([code, { sentences, rooms }]) => ({ code, sentences: [...sentences], rooms: [...rooms].sort() }))
    .sort((a, b) => (a.code < b.code ? -1 : 1))
}

/** Literals of an expression that gives a code: itself, or the two of a choice. */
function codesOf(node: ts.Expression | undefined): string[] {
  if (node === undefined) return []
  if (ts.isStringLiteralLike(node)) return SHAPE.test(node.text) ? [node.text] : []
  if (ts.isConditionalExpression(node)) return [...codesOf(node.whenTrue), ...codesOf(node.whenFalse)]
  return []
}

function sentencesOf(node: ts.Expression, source: ts.SourceFile): string[] {
  if (ts.isStringLiteralLike(node)) return [node.text]
  if (ts.isConditionalExpression(node)) return [...sentencesOf(node.whenTrue, source), ...sentencesOf(node.whenFalse, source)]
  if (ts.isTemplateExpression(node)) return [node.head.text + node.templateSpans.map(({ literal }) => `…${literal.text}`).join('')]
  return []
}

/** The page, in Markdown. */
export function errorsPage(codes: readonly Code[]): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ').replaceAll('<', '&lt;')
  const lines = codes.map(({ code, sentences, rooms }) => {
    const said = sentences.map(cell).join('<br>')
    return `| <a id="${code}"></a>\`${code}\` | ${said} | ${rooms.join(', ')} |`
  })
  return [
    '# Error codes',
    '',
    'Every error that is thrown on purpose is an `EpioneError` with a `code` that stays, a sentence that says what to do, flat `metadata`, and `docs`, which leads here. Match the code,',
    'never the sentence. An ellipsis stands for what differs each time. Made from the sources by `npm run docs`.',
    '',
    '| code | what is said | thrown in |',
    '|---|---|---|',
    ...lines,
    '',
  ].join('\n')
}
