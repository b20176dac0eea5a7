/** The list of decoders is complete, each is given valid samples, and the fuzzer notices what is broken. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EpioneError, MalformedError } from '../../src/encoding/errors.ts'
import type { Codec } from '../../src/encoding/schema.ts'
import { ROOT } from '../laws.ts'
import { CODECS, loadCodecs, PRIVATE_CODECS } from './codecs.ts'
import { allTargets, fuzz } from './fuzz.ts'
import type { Target } from './targets.ts'

const test = suite('fuzzing: what is fuzzed')

function isCodec(value: unknown): value is Codec<unknown> {
  const codec = value as Partial<Codec<unknown>> | null
  return typeof codec === 'object' && typeof codec?.decode === 'function' && typeof codec.maxBytes === 'number'
}

test('every codec of the sources is listed, with its room and file, and nothing else is', async () => {
  for (const path of globSync('src/**/*.ts', { cwd: ROOT }).sort()) {
    const text = readFileSync(join(ROOT, path), 'utf8')
    const file = path.split('\\').join('/').slice('src/'.length)
    const calls = [...text.matchAll(/(?<![\w.]|function )codec(?:<[^(]*>)?\(/g)].length
    if (calls === 0) {
      assert.equal([CODECS[file], PRIVATE_CODECS[file]], [undefined, undefined], file)
      continue
    }
    const module = (await import(join(ROOT, path))) as Record<string, unknown>
    // What a file passes on from another is listed with that other.
    const exported = Object.keys(module).filter(name => isCodec(module[name]) && new RegExp(`^export const ${name}\\b`, 'm').test(text))
    assert.equal([...(CODECS[file] ?? [])].sort(), exported.sort(), `test/fuzz/codecs.ts must list the codecs of src/${file}`)
    const kept = PRIVATE_CODECS[file]?.length ?? 0
    assert.is(
      kept,
      calls - exported.length,
      `test/fuzz/codecs.ts must say how the ${calls - exported.length} codecs inside src/${file} are fuzzed`,
    )
  }
})

test('what is said of private codecs names targets that exist', async () => {
  const names = new Set((await allTargets(1)).map(({ name }) => name))
  for (const [file, said] of Object.entries(PRIVATE_CODECS)) {
    for (const target of said.flatMap(text => [...text.matchAll(/"([^"]+)"/g)].map(([, name]) => name!))) {
      assert.ok(names.has(target), `${file}: ${target}`)
    }
  }
})

test('every codec gets valid samples', async () => {
  const targets = await allTargets(1)
  assert.ok(targets.length >= (await loadCodecs()).length + 10)
  for (const { name, samples, read } of targets.slice(0, (await loadCodecs()).length)) {
    assert.ok(samples.length >= 8, `${name}: ${samples.length} samples`)
    for (const sample of samples) read(sample)
  }
})

test('the fuzzer notices a throw that is no refusal, a second encoding, an unlisted code, and a decoder without end', async () => {
  const planted = async (read: Target['read'], codes?: string[]): Promise<string[]> => {
    const target: Target = { room: 'planted', name: 'bug', samples: [Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)], read, codes }
    const { failures } = await fuzz({ seed: 3, inputs: 400, targets: [target], maxMs: 20 })
    return failures.map(({ reason }) => reason)
  }
  const refuse = (): never => {
    throw new MalformedError('no')
  }
  assert.equal(await planted(refuse), [])
  const other = (code: string) => (): never => {
    throw new EpioneError(code, 'no')
  }
  assert.equal(await planted(other('listed'), ['listed']), [])
  assert.ok((await planted(other('unlisted'), ['listed'])).length > 0)
  assert.ok((await planted(bytes => (bytes[100] === undefined ? refuse() : undefined))).length === 0)
  assert.match((await planted(bytes => (bytes.at(-1) === 0xff ? (undefined as unknown as string).length : refuse())))[0]!, 'TypeError')
  const until = (ms: number): void => {
    for (const end = performance.now() + ms; performance.now() < end; );
  }
  let slow = 0
  assert.match((await planted(bytes => (bytes.length === 8 && slow++ < 4 ? until(30) : refuse())))[0]!, 'took')
})

test.run()
