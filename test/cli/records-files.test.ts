import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseKeepingDigits } from '../../cli/fhir-json.ts'
import { openFile, readStream } from '../../cli/file-content.ts'
import { writePrivateFile } from '../../cli/private-file.ts'
import { newestWritten, nextVersion, noteRecords } from '../../cli/record-book.ts'
import { readWalletState, walletStatePath, writeWalletState } from '../../cli/wallet-state.ts'
import { concat, equalBytes, utf8 } from '../../src/encoding/bytes.ts'
import { property } from '../encoding/seeded.ts'
import { rejectsCode } from '../encoding/throws.ts'

const dir = mkdtempSync(join(tmpdir(), 'epione-files-'))
const at = (name: string): string => join(dir, name)
const never = new AbortController().signal

const test = suite('cli records files')
test.after(() => rmSync(dir, { recursive: true, force: true }))

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const piece of pieces) parts.push(piece)
  return concat(...parts)
}

test(
  'a file is read the same in every pass',
  property(async random => {
    const path = at('content')
    for (const length of [0, 1, 1024 * 1024, 2 * 1024 * 1024 + 7]) {
      const bytes = new Uint8Array(length).map((_, i) => (i * 7 + random.below(4)) & 255)
      writeFileSync(path, bytes)
      let read = 0
      const file = await openFile(path, { onRead: count => (read += count) })
      assert.is(file.size, length)
      for (let pass = 0; pass < 2; pass++) assert.ok(equalBytes(await collect(file.open()), bytes))
      assert.ok(equalBytes(await file.bytes(length), bytes))
      assert.is(read, 3 * length)
      if (length > 0) await rejectsCode(file.bytes(length - 1), 'too-large')
      await file.close()
    }
  }),
)

test('a file that changes between passes fails before its last piece', async () => {
  const path = at('changing')
  for (const change of [
    () => writeFileSync(path, 'other content!'),
    () => writeFileSync(path, 'short'),
    () => appendFileSync(path, 'and more'),
  ]) {
    writeFileSync(path, 'first content.')
    const file = await openFile(path)
    await collect(file.open())
    change()
    let given = 0
    await rejectsCode(
      (async () => {
        for await (const piece of file.open()) given += piece.length
      })(),
      'content-changed',
    )
    assert.ok(given < file.size)
    await file.close()
  }
})

test('what is no file is not opened, and an interrupt ends a pass', async () => {
  await rejectsCode(openFile(at('missing')), 'file-missing')
  mkdirSync(at('folder'))
  await rejectsCode(openFile(at('folder')), 'file-unreadable')
  writeFileSync(at('x'), 'x')
  const controller = new AbortController()
  const file = await openFile(at('x'), { signal: controller.signal })
  controller.abort(new Error('stopped'))
  let message = ''
  await collect(file.open()).catch(error => {
    message = error.message
  })
  assert.is(message, 'stopped')
  await file.close()
})

test('a stream is read up to its limit', async () => {
  assert.is(new TextDecoder().decode(await readStream(Readable.from([Buffer.from('ab'), 'cé']), 5, never)), 'abcé')
  await rejectsCode(readStream(Readable.from(['abc', 'def']), 5, never), 'too-large')
})

test('a file is written whole or not at all', async () => {
  const path = at('out')
  writeFileSync(path, 'before')
  const failing = async function* () {
    yield utf8('half')
    throw new Error('lost')
  }
  let message = ''
  await writePrivateFile(path, failing()).catch(error => {
    message = error.message
  })
  assert.is(message, 'lost')
  assert.is(readFileSync(path, 'utf8'), 'before')
  assert.is(await writePrivateFile(path, [utf8('af'), utf8('ter')]), 5)
  assert.is(readFileSync(path, 'utf8'), 'after')
  assert.is(statSync(path).mode & 0o777, 0o600)
  assert.equal(
    readdirSync(dir).filter(name => name.endsWith('.tmp')),
    [],
  )
})

test('a link leads to the file that is replaced; folders and devices are left alone', async () => {
  symlinkSync(at('out'), at('link'))
  await writePrivateFile(at('link'), [utf8('linked')])
  assert.is(readFileSync(at('out'), 'utf8'), 'linked')
  mkdirSync(at('place'))
  await rejectsCode(writePrivateFile(at('place'), [utf8('x')]), 'file-unwritable')
  await rejectsCode(writePrivateFile('/dev/null', [utf8('x')]), 'file-unwritable')
  await rejectsCode(writePrivateFile(at('none/x'), [utf8('x')]), 'file-unwritable')
})

test('the book of records gives the next version, and stands a torn line', async () => {
  const [folder, a, b] = [1, 2, 3].map(byte => new Uint8Array(32).fill(byte)) as [Uint8Array, Uint8Array, Uint8Array]
  assert.is(await newestWritten(dir, folder, a), null)
  await rejectsCode(nextVersion(dir, folder, a), 'version-unknown')
  await noteRecords(dir, folder, [
    { recordId: a, version: 1 },
    { recordId: b, version: 1 },
  ])
  const path = at(`records/${'01'.repeat(32)}.jsonl`)
  appendFileSync(path, '\n[["0202')
  await noteRecords(dir, folder, [{ recordId: a, version: 2 }])
  assert.is(await nextVersion(dir, folder, a), 3)
  assert.is(await nextVersion(dir, folder, b), 2)
  assert.is(await newestWritten(dir, b, a), null)
  assert.is(statSync(path).mode & 0o777, 0o600)
  appendFileSync(path, '\n{"a":1}\n[["zz",1],["02",4],1,null,["03",9,9]]\n')
  assert.is(await newestWritten(dir, folder, a), 2)
})

test("a wallet's state is read as it was written, and refused where it is broken", async () => {
  const wallet = at('wallet')
  assert.is(await readWalletState(wallet), null)
  const state = { chainId: new Uint8Array(32).fill(5), nextIndex: 7 }
  await writeWalletState(wallet, state)
  assert.equal(await readWalletState(wallet), state)
  const good = JSON.parse(readFileSync(walletStatePath(wallet), 'utf8'))
  for (const broken of [
    '',
    '{',
    'null',
    { ...good, version: 2 },
    { ...good, chainId: '05' },
    { ...good, nextIndex: -1 },
    { ...good, nextIndex: 0.5 },
  ]) {
    writeFileSync(walletStatePath(wallet), typeof broken === 'string' ? broken : JSON.stringify(broken))
    await rejectsCode(readWalletState(wallet), 'wallet-state-invalid')
  }
})

test('numbers keep their digits through JSON', () => {
  const text = '{"a":1.50,"b":[0.10,12345678901234567890,1e2,-0.0],"c":"1.50","d":null,"e":true}'
  assert.is(JSON.stringify(parseKeepingDigits(text)), text)
})

test.run()
