/** The pages that are made from the sources are as the sources are, and everything public says what it is. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EpioneError } from '../../src/encoding/errors.ts'
import { ROOT } from '../laws.ts'
import { madePages } from './pages.ts'

const test = suite('pages made from the sources')
const { pages, exported } = madePages()

test('they are as `npm run docs` makes them', () => {
  for (const [path, text] of pages) {
    assert.ok(existsSync(join(ROOT, path)), `${path} is missing: npm run docs`)
    assert.ok(readFileSync(join(ROOT, path), 'utf8') === text, `${path} is not what the sources say: npm run docs`)
  }
})

test('every public function and class has a doc comment', () => {
  const all = [...exported].flatMap(([face, list]) => list.map(one => ({ face, ...one })))
  assert.ok(all.length > 200)
  const silent = all.filter(({ kind, comment }) => (kind === 'function' || kind === 'class') && comment === '')
  assert.equal(
    silent.map(({ face, name }) => `${face}: ${name}`),
    [],
  )
})

test('an error leads to its line', () => {
  const { docs } = new EpioneError('not-committed', 'It did not become final.')
  const [path, anchor] = docs.split('#')
  assert.is(path, 'docs/errors.md')
  assert.match(pages.get('docs/errors.md') ?? '', `<a id="${anchor}"></a>`)
})

test.run()
