/** The guide of the SDK: its code runs from top to bottom, as it is printed. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createTestNetwork } from 'epione/testing'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const test = suite('the guide')
const GUIDE = join(import.meta.dirname, '..', '..', 'src', 'client', 'README.md')
/** What the guide has from the reader's own network. */
const GIVEN = ['nodes', 'genesis', 'author', 'reader', 'console']
const dir = mkdtempSync(join(tmpdir(), 'epione-guide-'))
test.after(() => rmSync(dir, { recursive: true, force: true }))

test('it connects, enrols, writes, shares, reads, follows, revokes, and is refused', async () => {
  const blocks = [...readFileSync(GUIDE, 'utf8').matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code ?? '')
  assert.ok(blocks.length >= 7)
  const code = blocks.join('\n')
  const imports = code.match(/^import .*$/gm) ?? []
  const body = code.replace(/^import .*$/gm, '')
  const found = imports.map(line => line.replace(/'(epione\/\w+)'/, (_, entry: string) => JSON.stringify(import.meta.resolve(entry))))
  const file = join(dir, 'guide.ts')
  writeFileSync(file, `${found.join('\n')}\nexport async function run({ ${GIVEN.join(', ')} }: any) {\n${body}\n}\n`)
  const { run } = (await import(pathToFileURL(file).href)) as { run: (given: Record<string, unknown>) => Promise<void> }

  await using net = await createTestNetwork({ seed: 5 })
  const [author, reader] = [await net.person('author'), await net.person('reader', { organisation: 1 })]
  const lines: unknown[][] = []
  await run({
    nodes: net.organisations.map(({ addresses }) => addresses[0]),
    ...{ genesis: net.genesis, author, reader },
    console: { log: (...line: unknown[]) => lines.push(line) },
  })
  const said = lines.map(line => line.join(' ')).join('\n')
  assert.match(said, /^\d+ \d+ false\n/)
  assert.match(said, /^written \d+$/m)
  assert.match(said, /^application\/dicom 100000$/m)
  assert.match(said, /^\d+ access\.opened \d+$/m)
  assert.match(said, `${net.organisations[1]?.name} TREAT`)
  assert.match(said, /docs\/errors\.md#not-found$/)
})

test.run()
