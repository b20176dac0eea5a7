import { readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseHex } from '../../src/encoding/bytes.ts'
import { readStaff, Staff, writeStaff } from '../../src/node/staff.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { temporary } from './ledger-fixture.ts'

const test = suite('staff')
const key = (digit: string): string => digit.repeat(64)
const bytes = (digit: string): Uint8Array => parseHex(key(digit)) as Uint8Array

test('a list is written whole, for its owner alone, and read back', async () => {
  using home = temporary()
  const path = join(home.dir, 'deep', 'staff.json')
  assert.equal(await readStaff(path), [])
  const people = [
    { key: key('a'), role: 'physician' },
    { key: key('b'), role: 'registrar' },
  ]
  await writeStaff(path, people)
  assert.equal(await readStaff(path), people)
  assert.is((await stat(path)).mode & 0o777, 0o600)
  assert.equal(await readdir(join(home.dir, 'deep')), ['staff.json'])
})

test('the node sees a change at once, without a restart', async () => {
  using home = temporary()
  const path = join(home.dir, 'staff.json')
  const staff = new Staff(path)
  assert.is(await staff.roleOf(bytes('a')), undefined)
  await writeStaff(path, [{ key: key('a'), role: 'physician' }])
  assert.is(await staff.roleOf(bytes('a')), 'physician')
  assert.is(await staff.roleOf(bytes('b')), undefined)
  await writeStaff(path, [{ key: key('b'), role: 'physician' }])
  assert.is(await staff.roleOf(bytes('a')), undefined)
  assert.is(await staff.roleOf(bytes('b')), 'physician')
  await rm(path)
  assert.is(await staff.roleOf(bytes('b')), undefined)
})

test('a list that is not valid makes nobody staff, and the answer says nothing of this machine', async () => {
  using home = temporary()
  const path = join(home.dir, 'staff.json')
  const staff = new Staff(path)
  await writeStaff(path, [{ key: key('a'), role: 'physician' }])
  assert.is(await staff.roleOf(bytes('a')), 'physician')
  const wrong = [
    '',
    'null',
    '{"version":1}',
    '{"version":1,"people":[{"key":"abc","role":"physician"}]}',
    `{"version":1,"people":[{"key":"${key('a')}","role":"Physician!"}]}`,
    `{"version":1,"people":[{"key":"${key('a')}","role":"physician","name":"x"}]}`,
  ]
  for (const [position, text] of wrong.entries()) {
    await writeFile(path, text)
    await utimes(path, 1000 + position, 1000 + position)
    const error = await rejectsCode(staff.roleOf(bytes('a')), 'config-invalid')
    assert.not.match(error.message, home.dir)
    const told = await rejectsCode(readStaff(path), 'config-invalid')
    assert.match(told.message, path)
  }
  await writeStaff(path, [{ key: key('a'), role: 'nurse' }])
  assert.is(await staff.roleOf(bytes('a')), 'nurse')
})

test('what the list cannot hold is not written', async () => {
  using home = temporary()
  const path = join(home.dir, 'staff.json')
  let refused = false
  await writeStaff(path, [{ key: 'short', role: 'physician' }]).catch(() => {
    refused = true
  })
  assert.is(refused, true)
  assert.equal(await readdir(home.dir), [])
})

test.run()
