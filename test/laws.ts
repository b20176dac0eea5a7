/**
 * The laws of the house, checked on the sources by their syntax trees: which room may import which, no cycles, what is pure stays pure,
 * what browsers run needs no Node. laws.test.ts applies them to the repository and to small sources that break them.
 */
import { dirname, join, posix } from 'node:path'
import ts from 'typescript'

/** The rooms that each room may import from; its own is always allowed. `lazy` rooms only by `import()`, or for their types. */
const ROOMS: Readonly<Record<string, { imports: readonly string[]; lazy?: readonly string[] }>> = {
  'src/encoding': { imports: [] },
  'src/crypto': { imports: ['src/encoding'] },
  'src/ledger': { imports: ['src/encoding', 'src/crypto'] },
  'src/consensus': { imports: ['src/encoding', 'src/crypto', 'src/ledger'] },
  'src/contracts': { imports: ['src/encoding', 'src/crypto', 'src/ledger'] },
  'src/fragments': { imports: ['src/encoding', 'src/crypto', 'src/ledger', 'src/consensus', 'src/contracts'] },
  'src/network': { imports: ['src/encoding', 'src/crypto', 'src/ledger', 'src/consensus', 'src/contracts', 'src/fragments'] },
  'src/node': { imports: ['src/encoding', 'src/crypto', 'src/ledger', 'src/consensus', 'src/contracts', 'src/fragments', 'src/network'] },
  'src/fhir': { imports: ['src/encoding'] },
  'src/client': {
    imports: ['src/encoding', 'src/crypto', 'src/ledger', 'src/contracts', 'src/fragments', 'src/network'],
    lazy: ['src/fhir'],
  },
  'src/gateway': { imports: ['src/encoding', 'src/client', 'src/node'], lazy: ['src/fhir'] },
  // A whole network in one process, for tests of applications.
  'src/testing': {
    imports: ['src/encoding', 'src/crypto', 'src/contracts', 'src/fragments', 'src/network', 'src/node', 'src/client'],
  },
  'src/portal': { imports: ['src/encoding', 'src/client', 'src/gateway'] },
  // Besides client and node: the errors, the wallet and the keystore, and the words of the contracts (labels, purposes).
  cli: { imports: ['src/encoding', 'src/crypto', 'src/contracts', 'src/client', 'src/node'], lazy: ['testnet', 'src/gateway'] },
  // Starts the CLI as a process and may look into every room; never imports the CLI.
  testnet: {
    imports: [
      'src/encoding',
      'src/crypto',
      'src/ledger',
      'src/consensus',
      'src/contracts',
      'src/fragments',
      'src/network',
      'src/node',
      'src/client',
      'src/fhir',
      'src/gateway',
    ],
  },
}

/** Rooms that browsers run; in them `node:` modules and Node's globals appear in `platform.ts` alone. */
const BROWSER_SAFE = ['src/encoding', 'src/crypto', 'src/ledger', 'src/fragments', 'src/network', 'src/fhir', 'src/client']

/** Files of those rooms that only nodes load: stores on disk. No browser-safe and no pure file may import them. */
export const NODE_ONLY: readonly string[] = ['src/crypto/keystore.ts', 'src/fragments/fragment-store.ts', 'src/ledger/store.ts']

/** Programs that developers run by hand to generate a file; nothing imports them. */
export const GENERATORS: readonly string[] = ['src/fragments/kernel/build.ts']

/** The public faces of the package, one for each entry of its `exports`: files that may hold nothing but re-exports. */
export const PUBLIC_FACES: Readonly<Record<string, string>> = {
  './client': 'src/client/public.ts',
  './client/worker': 'src/client/worker.ts',
  './consensus': 'src/consensus/core.ts',
  './fhir': 'src/fhir/public.ts',
  './testing': 'src/testing/public.ts',
}

/** Rooms whose files have no clock, no randomness and no effects: everything comes in as input and goes out as data. */
const PURE = ['src/consensus', 'src/contracts']

/** Files of the pure rooms that carry out effects: consensus's outermost layer. */
export const EFFECTS: readonly string[] = ['src/consensus/node-disk.ts']

const IMPURE_GLOBALS = [
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'performance',
  'process',
  'crypto',
  'fetch',
  'globalThis',
  'Buffer',
]
const NODE_GLOBALS = ['process', 'Buffer', 'global', 'require', 'setImmediate', '__dirname', '__filename']
const UNFINISHED = /\b(?:TODO|FIXME|XXX)\b|\b[Ss]tub(?:s|bed)?\b/

interface Import {
  specifier: string
  kind: 'value' | 'type' | 'dynamic'
  line: number
}

interface Facts {
  path: string
  imports: Import[]
  /** Free identifiers with their lines; `Date.now`, `new Date()` and `Math.random` under those names. */
  uses: { name: string; line: number }[]
  /** Forms that the house does not use, in words. */
  forms: { what: string; line: number }[]
  text: string
}

function isTypeOnly(node: ts.ImportDeclaration): boolean {
  const clause = node.importClause
  if (clause === undefined) return false
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true
  const named = clause.namedBindings
  return clause.name === undefined && named !== undefined && ts.isNamedImports(named) && named.elements.length > 0
    ? named.elements.every(element => element.isTypeOnly)
    : false
}

/** Whether an identifier stands for a value of its own name, not for a property, a label or a declaration. */
function isReference(node: ts.Identifier): boolean {
  const parent = node.parent
  if (ts.isPropertyAccessExpression(parent) || ts.isQualifiedName(parent)) {
    return (ts.isPropertyAccessExpression(parent) ? parent.expression : parent.left) === node
  }
  if (ts.isBindingElement(parent) && parent.propertyName === node) return false
  if ((ts.isImportSpecifier(parent) || ts.isExportSpecifier(parent)) && parent.propertyName === node) return false
  if (ts.isShorthandPropertyAssignment(parent)) return true
  const named = parent as ts.Node & { name?: ts.Node }
  return named.name !== node && !ts.isJSDoc(parent)
}

/** Reads what the laws need from one source. */
function analyse(path: string, text: string): Facts {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  const facts: Facts = { path, imports: [], uses: [], forms: [], text }
  const declared = new Set<string>()
  const references: { name: string; line: number }[] = []
  const lineOf = (node: ts.Node): number => file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1
  const addImport = (specifier: ts.Node, kind: Import['kind']): void => {
    if (ts.isStringLiteralLike(specifier)) facts.imports.push({ specifier: specifier.text, kind, line: lineOf(specifier) })
    else facts.forms.push({ what: 'import() of a computed name', line: lineOf(specifier) })
  }
  const isNamed = (node: ts.Node, name: string): boolean => ts.isIdentifier(node) && node.text === name

  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) addImport(node.moduleSpecifier, isTypeOnly(node) ? 'type' : 'value')
    if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
      addImport(node.moduleSpecifier, node.isTypeOnly ? 'type' : 'value')
      if (node.exportClause === undefined) facts.forms.push({ what: 'export *', line: lineOf(node) })
    }
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword && node.arguments[0] !== undefined) {
      addImport(node.arguments[0], 'dynamic')
    }
    if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) addImport(node.argument.literal, 'type')
    if (ts.isEnumDeclaration(node)) facts.forms.push({ what: 'an enum', line: lineOf(node) })
    if (ts.isExportAssignment(node)) facts.forms.push({ what: 'a default export', line: lineOf(node) })
    if (ts.canHaveModifiers(node) && ts.getModifiers(node)?.some(modifier => modifier.kind === ts.SyntaxKind.DefaultKeyword)) {
      facts.forms.push({ what: 'a default export', line: lineOf(node) })
    }
    if (ts.isPropertyAccessExpression(node)) {
      if (isNamed(node.expression, 'Date') && node.name.text === 'now') references.push({ name: 'Date.now', line: lineOf(node) })
      if (isNamed(node.expression, 'Math') && node.name.text === 'random') references.push({ name: 'Math.random', line: lineOf(node) })
      if (ts.isMetaProperty(node.expression) && ['dirname', 'filename'].includes(node.name.text)) {
        references.push({ name: `import.meta.${node.name.text}`, line: lineOf(node) })
      }
    }
    if (ts.isNewExpression(node) && isNamed(node.expression, 'Date') && !node.arguments?.length) {
      references.push({ name: 'new Date()', line: lineOf(node) })
    }
    if (ts.isCallExpression(node) && isNamed(node.expression, 'Date')) references.push({ name: 'Date()', line: lineOf(node) })
    if (ts.isIdentifier(node)) {
      if (isReference(node)) references.push({ name: node.text, line: lineOf(node) })
      else if (!ts.isPropertyAccessExpression(node.parent) && !isMemberName(node)) declared.add(node.text)
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  facts.uses = references.filter(({ name }) => !declared.has(name))
  if (file.statements.length > 0 && file.statements.every(statement => ts.isExportDeclaration(statement) && statement.moduleSpecifier)) {
    facts.forms.push({ what: BARREL, line: 1 })
  }
  return facts
}

/** Whether an identifier names a member (of a class, an object, a type), which declares nothing in scope. */
function isMemberName(node: ts.Identifier): boolean {
  const parent = node.parent
  return (
    ts.isClassElement(parent) ||
    ts.isTypeElement(parent) ||
    ts.isObjectLiteralElement(parent) ||
    (ts.isBindingElement(parent) && parent.propertyName === node) ||
    ((ts.isImportSpecifier(parent) || ts.isExportSpecifier(parent)) && parent.propertyName === node)
  )
}

/** The room of a path, or null for what is in none. */
function roomOf(path: string): string | null {
  const parts = path.split('/')
  const room = parts[0] === 'src' ? parts.slice(0, 2).join('/') : parts[0]!
  return Object.hasOwn(ROOMS, room) ? room : null
}

/** The repository path that a relative import means, or null for a package. */
function resolve(from: string, specifier: string): string | null {
  return specifier.startsWith('.') ? posix.normalize(posix.join(posix.dirname(from), specifier)) : null
}

function checkDirection(facts: Facts, broken: string[]): void {
  const room = roomOf(facts.path)
  if (room === null) {
    broken.push(`${facts.path}:1: stands in no room of the house`)
    return
  }
  const { imports, lazy = [] } = ROOMS[room]!
  for (const { specifier, kind, line } of facts.imports) {
    const target = resolve(facts.path, specifier)
    if (target === null || target === 'package.json') continue
    const other = roomOf(target)
    if (other === room || (other !== null && imports.includes(other))) continue
    if (other !== null && lazy.includes(other)) {
      if (kind === 'value') broken.push(`${facts.path}:${line}: ${room} may load ${other} only lazily, by import()`)
      continue
    }
    broken.push(`${facts.path}:${line}: ${room} must not import ${other ?? target}`)
  }
}

function checkPurity(facts: Facts, nodeOnly: readonly string[], broken: string[]): void {
  for (const { specifier, kind, line } of facts.imports) {
    const target = resolve(facts.path, specifier)
    if (kind === 'type') continue
    if (target === null) broken.push(`${facts.path}:${line}: is pure and must not import ${specifier}`)
    else if (nodeOnly.includes(target)) broken.push(`${facts.path}:${line}: is pure and must not import ${target}`)
  }
  const forbidden = [...IMPURE_GLOBALS, 'Date.now', 'new Date()', 'Date()', 'Math.random']
  for (const { name, line } of facts.uses) {
    if (forbidden.includes(name)) broken.push(`${facts.path}:${line}: is pure and must not use ${name}`)
  }
}

function checkBrowserSafety(facts: Facts, nodeOnly: readonly string[], broken: string[]): void {
  for (const { specifier, kind, line } of facts.imports) {
    const target = resolve(facts.path, specifier)
    if (kind === 'type') continue
    if (specifier.startsWith('node:')) broken.push(`${facts.path}:${line}: runs in browsers; ${specifier} belongs in platform.ts`)
    else if (target !== null && nodeOnly.includes(target))
      broken.push(`${facts.path}:${line}: runs in browsers and must not import ${target}`)
  }
  for (const { name, line } of facts.uses) {
    if (NODE_GLOBALS.includes(name) || name.startsWith('import.meta.')) {
      broken.push(`${facts.path}:${line}: runs in browsers; ${name} belongs in platform.ts`)
    }
  }
}

const BARREL = 'nothing but re-exports (a barrel)'

function checkForms({ path, forms }: Facts, faces: readonly string[], broken: string[]): void {
  for (const { what, line } of forms) if (what !== BARREL || !faces.includes(path)) broken.push(`${path}:${line}: has ${what}`)
  if (posix.basename(path) === 'index.ts') broken.push(`${path}:1: is called index.ts; files are named after what they hold`)
}

/** Every cycle of static imports, once, as a list of paths. */
function checkCycles(all: readonly Facts[], broken: string[]): void {
  const edges = new Map(
    all.map(facts => [facts.path, facts.imports.filter(one => one.kind !== 'dynamic').map(one => resolve(facts.path, one.specifier))]),
  )
  const done = new Set<string>()
  const trail: string[] = []
  const walk = (path: string): void => {
    const at = trail.indexOf(path)
    if (at >= 0) {
      broken.push(`${path}:1: import cycle ${[...trail.slice(at), path].join(' -> ')}`)
      return
    }
    if (done.has(path)) return
    trail.push(path)
    for (const next of edges.get(path) ?? []) if (next !== null) walk(next)
    trail.pop()
    done.add(path)
  }
  for (const path of edges.keys()) walk(path)
}

export interface LawOptions {
  /** Files of the browser-safe rooms that only nodes load. */
  nodeOnly?: readonly string[]
  /** Files of the pure rooms that carry out effects. */
  effects?: readonly string[]
  /** Programs that developers run by hand: held to the direction of imports and the forms alone. */
  generators?: readonly string[]
  /** Public faces of the package. */
  faces?: readonly string[]
}

/**
 * Checks sources, given by their path in the repository (`src/...`, `cli/...`, `testnet/...`), and returns what breaks a law as
 * `path:line: sentence`.
 */
export function brokenLaws(sources: ReadonlyMap<string, string>, options: LawOptions = {}): string[] {
  const { nodeOnly = NODE_ONLY, effects = EFFECTS, generators = GENERATORS, faces = Object.values(PUBLIC_FACES) } = options
  const broken: string[] = []
  const all = [...sources].map(([path, text]) => analyse(path, text))
  for (const facts of all) {
    const { path } = facts
    const room = roomOf(path)
    checkDirection(facts, broken)
    if (!path.endsWith('.d.ts')) checkForms(facts, faces, broken)
    if (generators.includes(path)) continue
    if (room !== null && PURE.includes(room) && !effects.includes(path)) checkPurity(facts, nodeOnly, broken)
    if (room !== null && BROWSER_SAFE.includes(room) && !nodeOnly.includes(path) && posix.basename(path) !== 'platform.ts') {
      checkBrowserSafety(facts, nodeOnly, broken)
    }
    if (path.startsWith('src/')) {
      for (const { name, line } of facts.uses)
        if (name === 'console') broken.push(`${path}:${line}: writes to the console; log or return instead`)
    }
    facts.text.split('\n').forEach((text, index) => {
      const word = UNFINISHED.exec(text)?.[0]
      if (word !== undefined) broken.push(`${path}:${index + 1}: says ${word}`)
    })
  }
  checkCycles(all, broken)
  return broken
}

/** The static imports (values only) that a file pulls in, itself included: paths of the repository and names of packages. */
export function staticClosure(entry: string, read: (path: string) => string): { files: Set<string>; packages: Set<string> } {
  const files = new Set<string>()
  const packages = new Set<string>()
  const queue = [entry]
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (files.has(path)) continue
    files.add(path)
    for (const { specifier, kind } of analyse(path, read(path)).imports) {
      if (kind !== 'value') continue
      const target = resolve(path, specifier)
      if (target === null) packages.add(specifier)
      else if (target.endsWith('.ts')) queue.push(target)
    }
  }
  return { files, packages }
}

/** The repository's root. */
export const ROOT = join(dirname(import.meta.filename), '..')
