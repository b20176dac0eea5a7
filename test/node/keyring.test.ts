import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8 } from '../../src/encoding/bytes.ts'
import { Keyring } from '../../src/node/keyring.ts'
import { property } from '../encoding/seeded.ts'
import { rejectsCode, throwsCode } from '../encoding/throws.ts'
import { seedOf } from './cluster.ts'
import { temporary } from './ledger-fixture.ts'

const test = suite('keyring')
const master = seedOf('master')
const place = utf8('version 1')
const plaintext = utf8('a sealed key')

test('what was sealed opens again, after a restart too; the file is for its owner alone', async () => {
  using home = temporary()
  const path = join(home.dir, 'keyring.json')
  const first = await Keyring.open(path, master)
  const sealed = first.seal(plaintext, place)
  assert.equal(first.open(sealed, place), plaintext)
  assert.is((await stat(path)).mode & 0o777, 0o600)
  const second = await Keyring.open(path, master)
  assert.equal(second.open(sealed, place), plaintext)
  assert.not.equal(second.seal(plaintext, place), sealed)
  assert.equal(second.open(second.seal(new Uint8Array(0), place), place), new Uint8Array(0))
})

test('another master does not open the keyring, and does not overwrite it', async () => {
  using home = temporary()
  const path = join(home.dir, 'keyring.json')
  await Keyring.open(path, master)
  const before = await readFile(path, 'utf8')
  await rejectsCode(Keyring.open(path, seedOf('another')), 'keyring-corrupt')
  assert.is(await readFile(path, 'utf8'), before)
})

test('a file that is not a keyring is named, never replaced', async () => {
  using home = temporary()
  const path = join(home.dir, 'keyring.json')
  for (const text of [
    '',
    '{',
    '{"version":1,"keys":[]}',
    '{"version":2,"keys":[{"id":1,"wrapped":"00"}]}',
    '{"version":1,"keys":[{"id":1,"wrapped":"00"}]}',
  ]) {
    await writeFile(path, text)
    const error = await rejectsCode(Keyring.open(path, master), 'keyring-corrupt')
    assert.match(error.message, path)
    assert.is(await readFile(path, 'utf8'), text)
  }
})

test(
  'a changed bit, a shortened value and another place are `forgotten`',
  property(async random => {
    using home = temporary()
    const keyring = await Keyring.open(join(home.dir, 'keyring.json'), master)
    const sealed = keyring.seal(plaintext, place)
    for (let i = 0; i < 100; i++) {
      const at = random.below(sealed.length)
      const changed = Uint8Array.from(sealed)
      changed[at] = (changed[at] as number) ^ (1 << random.below(8))
      throwsCode(() => keyring.open(changed, place), 'forgotten')
    }
    for (let length = 0; length < sealed.length; length++) throwsCode(() => keyring.open(sealed.slice(0, length), place), 'forgotten')
    throwsCode(() => keyring.open(sealed, utf8('version 2')), 'forgotten')
  }),
)

test('with its key destroyed, what was written under it is forgotten', async () => {
  using home = temporary()
  const path = join(home.dir, 'keyring.json')
  const sealed = (await Keyring.open(path, master)).seal(plaintext, place)
  // Destroying the file destroys its keys: the keyring that follows has others under the same numbers.
  using elsewhere = temporary()
  const fresh = await Keyring.open(join(elsewhere.dir, 'keyring.json'), master)
  throwsCode(() => fresh.open(sealed, place), 'forgotten')
  // A keyring that holds a newer key and not the old one.
  const file = JSON.parse(await readFile(path, 'utf8')) as { keys: { id: number }[] }
  assert.is(file.keys[0]?.id, 1)
  const under9 = Uint8Array.from(sealed)
  under9[3] = 9
  throwsCode(() => fresh.open(under9, place), 'forgotten')
})

test.run()
