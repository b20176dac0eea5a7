import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type Content,
  contentOf,
  MAX_CONTENT_BYTES,
  objectPlaintext,
  objectPlaintextLength,
  prepareContent,
  readObject,
} from '../../src/client/record-object.ts'
import { objectLength, padme } from '../../src/crypto/object-stream.ts'
import { concat, equalBytes, u32, utf8 } from '../../src/encoding/bytes.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { MAX_CIPHERTEXT_BYTES, type ObjectHeader, objectHeaderCodec } from '../../src/fragments/formats.ts'
import { property } from '../encoding/seeded.ts'
import { rejectsCode } from '../encoding/throws.ts'

const test = suite('client/record-object')

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const piece of pieces) parts.push(piece.slice())
  return concat(...parts)
}

async function* inPieces(bytes: Uint8Array, size: () => number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; ) {
    const end = at + size()
    yield bytes.subarray(at, end)
    at = end
  }
}

/** Header and plaintext of a content, as an author makes them. */
async function written(content: Content, change: Partial<ObjectHeader> = {}): Promise<{ plaintext: Uint8Array; headerBytes: Uint8Array }> {
  const { stored, encoding, size, contentHash } = await prepareContent(content)
  const headerBytes = objectHeaderCodec.encode({
    version: 1,
    mediaType: 'application/octet-stream',
    kind: 'record',
    encoding,
    dictionary: null,
    size,
    storedSize: stored.size,
    contentHash,
    resourceType: '',
    time: 1,
    author: { organisation: new Uint8Array(32), key: new Uint8Array(32), role: 'r', signature: new Uint8Array(64) },
    ...change,
  })
  return { plaintext: await collect(objectPlaintext(headerBytes, stored)), headerBytes }
}

async function readAll(plaintext: Uint8Array, size: () => number = () => 65_536): Promise<Uint8Array> {
  const { content } = await readObject(inPieces(plaintext, size))
  return await collect(content)
}

test(
  'content comes back, compressed or not, in pieces of any size',
  property(async random => {
    for (let round = 0; round < 30; round++) {
      const length = random.pick([0, 1, 255, 256, 300, 4096, 70_000])
      const bytes = random.below(2) === 0 ? random.bytes(length) : new Uint8Array(length).fill(random.below(256))
      const { plaintext, headerBytes } = await written(contentOf(bytes))
      assert.is(plaintext.length, padme(plaintext.length))
      const { header, headerBytes: read, content } = await readObject(inPieces(plaintext, () => 1 + random.below(5000)))
      assert.ok(equalBytes(read, headerBytes))
      assert.is(header.size, length)
      assert.ok(equalBytes(await collect(content), bytes))
    }
  }),
)

test('what compresses is compressed, what does not is kept as it is', async () => {
  assert.is((await prepareContent(contentOf(new Uint8Array(10_000)))).encoding, 'zstd')
  const { encoding, stored } = await prepareContent(contentOf(sha256(utf8('x'))))
  assert.equal([encoding, stored.size], ['identity', 32])
})

test('long content is not held: each pass opens it again', async () => {
  const size = 16 * 1024 * 1024 + 1
  let passes = 0
  const content: Content = {
    size,
    async *open() {
      passes++
      const piece = new Uint8Array(1024 * 1024)
      for (let at = 0; at < size; at += piece.length) yield piece.subarray(0, Math.min(piece.length, size - at))
    },
  }
  const { stored, encoding } = await prepareContent(content)
  assert.equal([encoding, passes, stored.size], ['identity', 1, size])
  const header = new Uint8Array(100)
  let length = 0
  for await (const piece of objectPlaintext(header, stored)) length += piece.length
  assert.equal([passes, length], [2, objectPlaintextLength(header, size)])
})

test('of longer content that is another in a later pass nothing is given out that differs, nor more nor less', async () => {
  const size = 17 * 1024 * 1024
  let bytes = new Uint8Array(size)
  const content: Content = {
    size,
    async *open() {
      yield* inPieces(bytes, () => 1_234_567)
    },
  }
  const { stored } = await prepareContent(content)
  const changed = bytes.slice()
  changed[3_500_000] = 1
  for (const other of [changed, new Uint8Array(size - 1), new Uint8Array(size + 1)]) {
    bytes = other
    let given = 0
    const reading = (async () => {
      for await (const piece of stored.open()) {
        assert.ok(piece.every(byte => byte === 0))
        given += piece.length
      }
    })()
    await rejectsCode(reading, 'content-changed')
    assert.ok(given <= size)
    if (other === changed) assert.is(given, 3 * 1024 * 1024)
  }
  bytes = new Uint8Array(size)
  assert.ok(equalBytes(await collect(stored.open()), bytes))
})

test('content that changes its length between measuring and reading is refused', async () => {
  for (const size of [4, 6]) {
    await rejectsCode(prepareContent({ ...contentOf(utf8('12345')), size }), 'content-changed')
  }
})

test('an object that is not what its header says is refused', async () => {
  const bytes = utf8('some content of a record')
  const { plaintext, headerBytes } = await written(contentOf(bytes))
  const start = 4 + headerBytes.length
  const changed = (position: number): Uint8Array => {
    const copy = plaintext.slice()
    copy[position] = (copy[position] as number) ^ 1
    return copy
  }
  await rejectsCode(readAll(changed(start)), 'malformed-object')
  await rejectsCode(readAll(changed(plaintext.length - 1)), 'malformed-object')
  await rejectsCode(readAll(plaintext.subarray(0, start + 3)), 'malformed-object')
  await rejectsCode(readAll(plaintext.subarray(0, start - 3)), 'malformed-object')
  await rejectsCode(readAll(new Uint8Array(0)), 'malformed-object')
  await rejectsCode(readAll(concat(u32(2 ** 31), plaintext.subarray(4))), 'malformed-object')
  await rejectsCode(readAll((await written(contentOf(bytes), { contentHash: new Uint8Array(32) })).plaintext), 'malformed-object')
  await rejectsCode(readAll((await written(contentOf(bytes), { size: bytes.length + 1 })).plaintext), 'malformed-object')
  await rejectsCode(readAll((await written(contentOf(bytes), { encoding: 'zstd' })).plaintext), 'malformed-object')
})

test('a bomb is not unpacked beyond what its header says, nor beyond the limit', async () => {
  const bomb = contentOf(new Uint8Array(8 * 1024 * 1024))
  await rejectsCode(readAll((await written(bomb, { size: 1000 })).plaintext), 'malformed-object')
  await rejectsCode(readAll((await written(bomb, { size: 2 ** 40 })).plaintext), 'malformed-object')
})

test('the longest content fits into a version, one byte more does not', () => {
  const header = new Uint8Array(objectHeaderCodec.maxBytes)
  assert.ok(objectLength(objectPlaintextLength(header, MAX_CONTENT_BYTES)) <= MAX_CIPHERTEXT_BYTES)
  assert.ok(objectLength(objectPlaintextLength(header, MAX_CONTENT_BYTES + 1)) > MAX_CIPHERTEXT_BYTES)
  assert.ok(MAX_CONTENT_BYTES > 1000 * 2 ** 30)
})

test.run()
