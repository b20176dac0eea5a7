/** The reference of the package's entries, from their doc comments. */
import { join } from 'node:path'
import ts from 'typescript'

export interface Documented {
  readonly name: string
  readonly kind: 'function' | 'class' | 'interface' | 'type' | 'constant'
  readonly signature: string
  readonly comment: string
  readonly throws: string
  readonly members: readonly { signature: string; comment: string }[]
}

/** Exports of public faces, by the face's path. */
export function documentedExports(root: string, faces: readonly string[]): Map<string, Documented[]> {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), path => ts.sys.readFile(path))
  const { options } = ts.convertCompilerOptionsFromJson((config as { compilerOptions: unknown }).compilerOptions, root)
  const program = ts.createProgram(
    faces.map(face => join(root, face)),
    options,
  )
  const checker = program.getTypeChecker()
  return new Map(
    faces.map(face => {
      const source = program.getSourceFile(join(root, face))
      const module = source === undefined ? undefined : checker.getSymbolAtLocation(source)
      if (module === undefined) throw new Error(`${face} cannot be read`)
      const exported = checker.getExportsOfModule(module).map(symbol => describe(checker, symbol))
      return [face, exported.sort((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1))]
    }),
  )
}

function describe(checker: ts.TypeChecker, exported: ts.Symbol): Documented {
  const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported
  const [declaration] = symbol.declarations ?? []
  if (declaration === undefined) throw new Error(`${exported.name} is declared nowhere`)
  const about = { name: exported.name, ...commentOf(checker, symbol), members: [] }
  if (ts.isFunctionDeclaration(declaration)) return { ...about, kind: 'function', signature: headOf(declaration) }
  if (ts.isClassDeclaration(declaration)) {
    const head = `class ${exported.name}${heritage(declaration)}`
    return { ...about, kind: 'class', signature: head, members: membersOf(checker, declaration.members) }
  }
  if (ts.isInterfaceDeclaration(declaration)) {
    const head = `interface ${exported.name}${heritage(declaration)}`
    return { ...about, kind: 'interface', signature: head, members: membersOf(checker, declaration.members) }
  }
  if (ts.isTypeAliasDeclaration(declaration))
    return { ...about, kind: 'type', signature: oneLine(declaration.getText().replace(/^export /, '')) }
  const type = checker.typeToString(checker.getTypeOfSymbolAtLocation(symbol, declaration), undefined, ts.TypeFormatFlags.NoTruncation)
  return { ...about, kind: 'constant', signature: `const ${exported.name}: ${type.length > 200 ? `${type.slice(0, 200)}…` : type}` }
}

function commentOf(checker: ts.TypeChecker, symbol: ts.Symbol): { comment: string; throws: string } {
  const tags = symbol.getJsDocTags(checker)
  const texts = (name: string): string =>
    tags
      .filter(tag => tag.name === name)
      .map(tag => ts.displayPartsToString(tag.text))
      .join(' ')
  return { comment: oneLine(ts.displayPartsToString(symbol.getDocumentationComment(checker))), throws: oneLine(texts('throws')) }
}

function headOf(declaration: ts.FunctionDeclaration): string {
  const text = declaration.getText()
  const body = declaration.body === undefined ? '' : declaration.body.getText()
  return oneLine(text.slice(0, text.length - body.length).replace(/^export /, ''))
}

function heritage(declaration: ts.ClassDeclaration | ts.InterfaceDeclaration): string {
  const clauses = declaration.heritageClauses?.map(clause => clause.getText()) ?? []
  return clauses.length === 0 ? '' : ` ${clauses.join(' ')}`
}

function membersOf(checker: ts.TypeChecker, members: readonly ts.Node[]): Documented['members'] {
  return members.flatMap(member => {
    if (ts.isConstructorDeclaration(member)) return []
    if (!ts.isPropertySignature(member) && !ts.isMethodSignature(member) && !isPublicMember(member)) return []
    const { name } = member
    if (name === undefined || ts.isPrivateIdentifier(name) || ts.isComputedPropertyName(name)) return []
    const symbol = checker.getSymbolAtLocation(name)
    const comment = symbol === undefined ? '' : commentOf(checker, symbol).comment
    const text = member.getText()
    const body = 'body' in member && member.body !== undefined ? member.body.getText() : ''
    return [{ signature: oneLine(text.slice(0, text.length - body.length)), comment }]
  })
}

function isPublicMember(member: ts.Node): member is ts.MethodDeclaration | ts.PropertyDeclaration | ts.GetAccessorDeclaration {
  return ts.isMethodDeclaration(member) || ts.isPropertyDeclaration(member) || ts.isGetAccessorDeclaration(member)
}

function oneLine(text: string): string {
  return text
    .replace(/\/\*\*.*?\*\//gs, '')
    .replace(/\s+/g, ' ')
    .trim()
}

/** One entry's page, in Markdown. */
export function apiPage(entry: string, exported: readonly Documented[]): string {
  const lines = [`# epione/${entry}`, '', 'Made from the doc comments by `npm run docs`.', '']
  for (const [title, kinds] of [
    ['Functions', ['function']],
    ['Classes', ['class']],
    ['Types', ['interface', 'type']],
    ['Constants', ['constant']],
  ] as const) {
    const group = exported.filter(({ kind }) => (kinds as readonly string[]).includes(kind))
    if (group.length === 0) continue
    lines.push(`## ${title}`, '')
    for (const { name, signature, comment, throws, members } of group) {
      lines.push(`### ${name}`, '', '```ts', signature, '```', '')
      if (comment !== '') lines.push(comment, '')
      if (throws !== '') lines.push(`Throws ${throws}`, '')
      for (const member of members) lines.push(`- \`${member.signature}\`${member.comment === '' ? '' : `: ${member.comment}`}`)
      if (members.length > 0) lines.push('')
    }
  }
  return `${lines.join('\n').trimEnd()}\n`
}
