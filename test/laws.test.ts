import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { brokenLaws, EFFECTS, GENERATORS, type LawOptions, NODE_ONLY, PUBLIC_FACES, ROOT, staticClosure } from './laws.ts'

const test = suite('laws of the house')

function repository(): Map<string, string> {
  const paths = globSync(['src/**/*.ts', 'cli/**/*.ts', 'testnet/**/*.ts'], { cwd: ROOT }).sort()
  return new Map(paths.map(path => [path.split('\\').join('/'), readFileSync(join(ROOT, path), 'utf8')]))
}

test('the repository keeps them', () => {
  const sources = repository()
  assert.ok(sources.size > 20)
  assert.is(brokenLaws(sources).join('\n'), '')
})

test('the lists of exemptions name files that exist', () => {
  const sources = repository()
  for (const path of [...NODE_ONLY, ...EFFECTS, ...GENERATORS]) assert.ok(sources.has(path), path)
})

test('each entry of the package has one public face, which is pure where its room is', () => {
  const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { exports: Record<string, string> }
  assert.equal(exports, Object.fromEntries(Object.entries(PUBLIC_FACES).map(([entry, path]) => [entry, `./${path}`])))
  const { files } = staticClosure(PUBLIC_FACES['./consensus']!, path => readFileSync(join(ROOT, path), 'utf8'))
  assert.equal(
    [...EFFECTS, ...NODE_ONLY].filter(path => files.has(path)),
    [],
  )
})

test('bundlers for browsers are told of every browser platform file, each beside the one for Node', () => {
  const { browser } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { browser: Record<string, string> }
  const files = [...repository().keys()].filter(path => path.endsWith('/platform.browser.ts'))
  assert.ok(files.length > 0)
  assert.equal(browser, Object.fromEntries(files.map(path => [`./${path.replace('.browser', '')}`, `./${path}`])))
  for (const path of files) assert.ok(repository().has(path.replace('.browser', '')), path)
})

/** Expects exactly these sentences (parts of them, in any order) for made-up sources. */
function expectBroken(files: Record<string, string>, expected: string[], options?: LawOptions): void {
  const broken = brokenLaws(new Map(Object.entries(files)), options)
  assert.is(broken.length, expected.length, `expected ${expected.length} findings, got:\n${broken.join('\n')}`)
  for (const part of expected)
    assert.ok(
      broken.some(line => line.includes(part)),
      `no finding says "${part}":\n${broken.join('\n')}`,
    )
}

test('imports go down', () => {
  expectBroken({ 'src/encoding/a.ts': `import { b } from '../crypto/b.ts'\n` }, ['src/encoding must not import src/crypto'])
  expectBroken({ 'src/client/a.ts': `import { b } from '../node/b.ts'\n` }, ['src/client must not import src/node'])
  expectBroken({ 'src/client/a.ts': `import type { B } from '../node/b.ts'\n` }, ['src/client must not import src/node'])
  expectBroken({ 'src/client/a.ts': `export const a = () => import('../node/b.ts')\n` }, ['src/client must not import src/node'])
  expectBroken({ 'src/consensus/a.ts': `export { b } from '../contracts/b.ts'\nexport const c = 1\n` }, ['must not import src/contracts'])
  expectBroken({ 'src/fhir/a.ts': `import { b } from '../crypto/b.ts'\n` }, ['src/fhir must not import src/crypto'])
  expectBroken({ 'testnet/up.ts': `import { b } from '../cli/main.ts'\n` }, ['testnet must not import cli'])
  expectBroken({ 'cli/a.ts': `import { b } from '../src/network/b.ts'\n` }, ['cli must not import src/network'])
  expectBroken({ 'src/node/a.ts': `import { b } from '../../test/b.ts'\n` }, ['src/node must not import test/b.ts'])
  expectBroken({ 'src/attic/a.ts': `export const a = 1\n` }, ['stands in no room'])
  expectBroken({ 'src/node/a.ts': `import { b } from '../encoding/b.ts'\nimport { c } from './c.ts'\nexport const d = [b, c]\n` }, [])
})

test('some rooms are loaded lazily', () => {
  expectBroken({ 'src/client/a.ts': `import { b } from '../fhir/b.ts'\n` }, ['only lazily'])
  expectBroken({ 'cli/a.ts': `import '../testnet/b.ts'\n` }, ['only lazily'])
  expectBroken(
    { 'src/client/a.ts': `import type { B } from '../fhir/b.ts'\nexport const a = (): Promise<B> => import('../fhir/b.ts')\n` },
    [],
  )
})

test('no cycles', () => {
  const files = {
    'src/encoding/a.ts': `import { b } from './b.ts'\nexport const a = b\n`,
    'src/encoding/b.ts': `import { c } from './c.ts'\nexport const b = c\n`,
    'src/encoding/c.ts': `import { a } from './a.ts'\nexport const c = a\n`,
  }
  expectBroken(files, ['import cycle src/encoding/a.ts -> src/encoding/b.ts -> src/encoding/c.ts -> src/encoding/a.ts'])
  expectBroken({ ...files, 'src/encoding/c.ts': `export const c = async () => import('./a.ts')\n` }, [])
})

test('consensus and contracts are pure', () => {
  for (const [source, what] of [
    ['export const a = Date.now()', 'Date.now'],
    ['export const a = new Date()', 'new Date()'],
    ['export const a = Date()', 'Date()'],
    ['export const a = Math.random()', 'Math.random'],
    ['setTimeout(() => {}, 1)', 'setTimeout'],
    ['export const a = performance.now()', 'performance'],
    ['export const a = process.env', 'process'],
    ['export const a = crypto.randomUUID()', 'crypto'],
    ['export const a = globalThis.fetch', 'globalThis'],
    [`import { b } from 'node:fs'`, 'node:fs'],
    [`import { b } from 'libp2p'`, 'libp2p'],
  ] as const) {
    expectBroken({ 'src/contracts/a.ts': `${source}\n` }, [`must not use ${what}`.replace(/use (?=node:|libp2p)/, 'import ')])
    expectBroken({ 'src/consensus/a.ts': `${source}\n` }, ['is pure'])
    expectBroken({ 'src/consensus/a.ts': `${source}\n` }, [], { effects: ['src/consensus/a.ts'] })
  }
  expectBroken({ 'src/contracts/a.ts': `import { b } from '../ledger/store.ts'\n` }, ['is pure and must not import src/ledger/store.ts'])
  const harmless = `// Date.now() and process are words here
import type { B } from 'libp2p'
export const a = (machine: { process(b: B): string; crypto: number }, b: B, performance: number) =>
  [machine.process(b), { process: machine.crypto }, 'Date.now()', new Date(performance), Date.parse('x')]
`
  expectBroken({ 'src/contracts/a.ts': harmless }, [])
})

test('browser-safe rooms use Node in platform.ts alone', () => {
  expectBroken({ 'src/client/a.ts': `import { b } from 'node:fs'\n` }, ['node:fs belongs in platform.ts'])
  expectBroken({ 'src/client/a.ts': `export const b = () => import('node:fs')\n` }, ['node:fs belongs in platform.ts'])
  expectBroken({ 'src/crypto/a.ts': `export const b = Buffer.alloc(1)\n` }, ['Buffer belongs in platform.ts'])
  expectBroken({ 'src/crypto/a.ts': `export const b = import.meta.dirname\n` }, ['import.meta.dirname belongs in platform.ts'])
  expectBroken({ 'src/client/a.ts': `import { b } from '../crypto/keystore.ts'\n` }, ['must not import src/crypto/keystore.ts'])
  expectBroken({ 'src/crypto/platform.ts': `import { b } from 'node:fs'\nexport const c = Buffer.from(b)\n` }, [])
  expectBroken({ 'src/crypto/keystore.ts': `import { b } from 'node:fs'\n` }, [])
  expectBroken({ 'src/node/a.ts': `import { b } from 'node:fs'\n` }, [])
})

test('forms that the house does not use', () => {
  expectBroken({ 'src/node/a.ts': `export enum A { B }\n` }, ['an enum'])
  expectBroken({ 'src/node/a.ts': `export default function a() {}\n` }, ['a default export'])
  expectBroken({ 'src/node/a.ts': `const a = 1\nexport default a\n` }, ['a default export'])
  expectBroken({ 'src/node/all.ts': `export { b } from './b.ts'\nexport { c } from './c.ts'\n` }, ['a barrel'])
  expectBroken({ 'src/node/all.ts': `export { b } from './b.ts'\n` }, [], { faces: ['src/node/all.ts'] })
  expectBroken({ 'src/node/all.ts': `export * from './b.ts'\n` }, ['export *'], { faces: ['src/node/all.ts'] })
  expectBroken({ 'src/node/a.ts': `export * from './b.ts'\nexport const a = 1\n` }, ['export *'])
  expectBroken({ 'src/node/index.ts': `export const a = 1\n` }, ['is called index.ts'])
  expectBroken({ 'src/node/a.ts': `console.log(1)\n` }, ['writes to the console'])
  expectBroken({ 'cli/a.ts': `console.log(1)\n` }, [])
  expectBroken({ 'cli/a.ts': `// ${'TO'}${'DO'} later\nexport const a = 1\n` }, ['says'])
  expectBroken({ 'testnet/a.ts': `/** A ${'st'}${'ub'}. */\nexport const a = 1\n` }, ['says'])
})

test('generators are exempt from what concerns running code', () => {
  const source = `import { b } from 'node:fs'\nconsole.log(b, process.argv)\n`
  expectBroken({ 'src/fragments/build.ts': source }, [], { generators: ['src/fragments/build.ts'] })
  expectBroken({ 'src/fragments/build.ts': `enum A { B }\n` }, ['an enum'], { generators: ['src/fragments/build.ts'] })
  expectBroken({ 'src/fragments/build.ts': source }, ['node:fs', 'process', 'console'])
})

test('the static closure follows values, not types and not import()', () => {
  const files: Record<string, string> = {
    'cli/a.ts': `import { b } from './b.ts'\nimport type { C } from './c.ts'\nexport const d = () => import('libp2p')\n`,
    'cli/b.ts': `import { z } from 'zod'\nexport const b = z\n`,
  }
  const { files: reached, packages } = staticClosure('cli/a.ts', path => files[path]!)
  assert.equal([...reached], ['cli/a.ts', 'cli/b.ts'])
  assert.equal([...packages], ['zod'])
})

test.run()
