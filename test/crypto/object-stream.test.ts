import { createCipheriv, hkdfSync } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  commitmentSalt,
  decryptObject,
  encryptObject,
  OBJECT_CHUNK_LENGTH,
  OBJECT_HEADER_LENGTH,
  objectLength,
  padme,
  plaintextLengthOf,
} from '../../src/crypto/object-stream.ts'
import { concat, toHex, utf8 } from '../../src/encoding/bytes.ts'
import { property, type SeededRandom } from '../encoding/seeded.ts'
import { rejectsCode, throwsCode } from '../encoding/throws.ts'

const objects = suite('object stream')
const CHUNK = OBJECT_CHUNK_LENGTH
const SEALED = CHUNK + 16
const dek = Uint8Array.from({ length: 32 }, (_, i) => i)
const salt = Uint8Array.from({ length: 32 }, (_, i) => 32 + i)

/** The bytes as a source that is cut after each of `cuts`, in turn. */
async function* cut(bytes: Uint8Array, ...cuts: number[]): AsyncGenerator<Uint8Array> {
  for (let offset = 0, i = 0; offset < bytes.length; i++) {
    const length = cuts[i % cuts.length] ?? bytes.length
    yield bytes.subarray(offset, offset + length)
    offset += length
  }
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of source) parts.push(part)
  return concat(...parts)
}

const encrypt = (plaintext: Uint8Array): Promise<Uint8Array> => collect(encryptObject(dek, salt, cut(plaintext), plaintext.length))

/** Cheap content in which every chunk differs. */
const content = (length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i += 97) bytes[i] = (i * 31) >> 3
  return bytes
}

/** Demands that decryption fails, and gives what was released before. */
async function released(object: Uint8Array, length = object.length, key = dek): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  await rejectsCode(
    (async () => {
      for await (const part of decryptObject(key, cut(object, 100_000), length)) parts.push(part)
    })(),
    'decryption-failed',
  )
  return concat(...parts)
}

objects('the format is final', async () => {
  const plaintext = utf8('epione')
  const object = await encrypt(plaintext)
  // Built a second time from the primitives, by the words of the format.
  const keys = new Uint8Array(hkdfSync('sha256', dek, salt, 'object', 64))
  const cipher = createCipheriv('aes-256-gcm', keys.subarray(0, 32), Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1))
  const body = concat(cipher.update(plaintext), cipher.final(), cipher.getAuthTag())
  assert.is(toHex(object), toHex(concat(salt, keys.subarray(32), body)))
  assert.is(
    toHex(object),
    '202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f47816c4381e44be97820b1c247a1eb06a21f7f907c668b9fcd22974ea9ea7b7698a937643fb37a560e8c1b6f113f7b887bb7d756571a',
  )
  assert.is(toHex(commitmentSalt(dek)), '88f38393ed0a44bf16a1921e48987dd047ff46341929ae110ed3fab960fedfe5')
})

objects('nonces count the chunks and mark the last', async () => {
  const plaintext = content(2 * CHUNK + 1)
  const object = await encrypt(plaintext)
  const key = new Uint8Array(hkdfSync('sha256', dek, salt, 'object', 64)).subarray(0, 32)
  for (let index = 0; index < 3; index++) {
    const nonce = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, index, index === 2 ? 1 : 0)
    const cipher = createCipheriv('aes-256-gcm', key, nonce)
    const sealed = concat(cipher.update(plaintext.subarray(index * CHUNK, (index + 1) * CHUNK)), cipher.final(), cipher.getAuthTag())
    const from = OBJECT_HEADER_LENGTH + index * SEALED
    assert.ok(Buffer.from(sealed).equals(object.subarray(from, from + sealed.length)), `chunk ${index}`)
  }
})

objects(
  'what is encrypted decrypts, however both sources are cut',
  property(async random => {
    for (const length of [0, 1, 255, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 17]) {
      const plaintext = content(length)
      const cuts = (): number[] =>
        Array.from({ length: 5 }, () => random.pick([1 + random.below(5000), CHUNK, 64 + random.below(3 * CHUNK)]))
      const key = random.bytes(32)
      const object = await collect(encryptObject(key, salt, cut(plaintext, ...cuts()), length))
      assert.is(object.length, objectLength(length))
      assert.is(plaintextLengthOf(object.length), length)
      assert.ok(Buffer.from(plaintext).equals(await collect(decryptObject(key, cut(object, ...cuts()), object.length))), `length ${length}`)
      const again = await collect(encryptObject(key, salt, cut(plaintext, ...cuts()), length))
      assert.ok(Buffer.from(object).equals(again), 'a second pass gives the same bytes')
    }
  }),
)

objects('pieces are header, then whole chunks, and never hold more than one chunk', async () => {
  const sizes: number[] = []
  for await (const piece of encryptObject(dek, salt, cut(content(2 * CHUNK + 5), 1000), 2 * CHUNK + 5)) sizes.push(piece.length)
  assert.equal(sizes, [OBJECT_HEADER_LENGTH, SEALED, SEALED, 21])
})

objects('a source that reuses its buffer is read correctly', async () => {
  const plaintext = content(CHUNK + 1000)
  const object = await encrypt(plaintext)
  async function* reusing(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
    const buffer = new Uint8Array(300_000)
    for (let offset = 0; offset < bytes.length; offset += buffer.length) {
      const part = bytes.subarray(offset, offset + buffer.length)
      buffer.fill(0xee)
      buffer.set(part)
      yield buffer.subarray(0, part.length)
    }
  }
  assert.ok(Buffer.from(object).equals(await collect(encryptObject(dek, salt, reusing(plaintext), plaintext.length))))
  assert.ok(Buffer.from(plaintext).equals(await collect(decryptObject(dek, reusing(object), object.length))))
})

objects(
  'a change anywhere is noticed, and nothing of the changed chunk is released',
  property(async random => {
    const plaintext = content(2 * CHUNK + 500)
    const object = await encrypt(plaintext)
    const places = [0, 31, 32, 63, 64, 64 + SEALED - 1, 64 + SEALED, object.length - 17, object.length - 1]
    for (const place of [...places, ...Array.from({ length: 10 }, () => random.below(object.length))]) {
      const changed = object.slice()
      changed[place] = (changed[place] as number) ^ (1 << random.below(8))
      const intact = place < OBJECT_HEADER_LENGTH ? 0 : Math.floor((place - OBJECT_HEADER_LENGTH) / SEALED)
      const out = await released(changed)
      assert.ok(Buffer.from(plaintext.subarray(0, intact * CHUNK)).equals(out), `byte ${place} lets ${out.length} bytes out`)
    }
  }),
)

objects('truncation, also at a chunk and under the shorter length, is noticed', async () => {
  const plaintext = content(2 * CHUNK + 500)
  const object = await encrypt(plaintext)
  for (const length of [0, 10, 63, 64, 64 + 15, 64 + SEALED, 64 + 2 * SEALED, object.length - 1]) {
    const cutOff = object.subarray(0, length)
    for (const stated of [length, object.length]) {
      const out = await released(cutOff, stated)
      assert.ok(out.length <= 2 * CHUNK && Buffer.from(plaintext.subarray(0, out.length)).equals(out))
    }
  }
  // Whole chunks, none marked as the last.
  const whole = await encrypt(content(2 * CHUNK))
  assert.is((await released(whole.subarray(0, 64 + SEALED))).length, 0)
})

objects('extension is noticed before the last chunk is released', async () => {
  const object = await encrypt(content(CHUNK))
  assert.is((await released(concat(object, Uint8Array.of(0)), object.length)).length, 0)
  assert.is((await released(concat(object, Uint8Array.of(0)))).length, 0)
  assert.is((await released(concat(object, object.subarray(64)))).length, 0)
  const empty = await encrypt(new Uint8Array(0))
  assert.is((await released(concat(empty, Uint8Array.of(0)), empty.length)).length, 0)
})

objects('moved, repeated and foreign chunks are noticed', async () => {
  const object = await encrypt(content(3 * CHUNK))
  const chunk = (i: number): Uint8Array => object.subarray(64 + i * SEALED, 64 + (i + 1) * SEALED)
  const header = object.subarray(0, 64)
  assert.is((await released(concat(header, chunk(1), chunk(0), chunk(2)))).length, 0)
  assert.is((await released(concat(header, chunk(0), chunk(0), chunk(2)))).length, CHUNK)
  assert.is((await released(concat(header, chunk(0), chunk(2)))).length, CHUNK)
  const foreign = await collect(encryptObject(dek, salt.toReversed(), cut(content(3 * CHUNK)), 3 * CHUNK))
  assert.is((await released(concat(header, chunk(0), foreign.subarray(64 + SEALED)))).length, CHUNK)
})

objects('another key, and a header that commits to another key, are refused before any chunk', async () => {
  const plaintext = content(1000)
  const object = await encrypt(plaintext)
  const otherKey = dek.toReversed()
  assert.is((await released(object, object.length, otherKey)).length, 0)
  const other = await collect(encryptObject(otherKey, salt, cut(plaintext), plaintext.length))
  const body = object.subarray(OBJECT_HEADER_LENGTH)
  assert.is((await released(concat(other.subarray(0, OBJECT_HEADER_LENGTH), body))).length, 0)
  assert.is((await released(concat(other.subarray(0, OBJECT_HEADER_LENGTH), body), object.length, otherKey)).length, 0)
})

objects('a source that is longer or shorter than stated is an error, and its last chunk stays back', async () => {
  const plaintext = content(CHUNK + 100)
  for (const stated of [0, 1, CHUNK - 1, CHUNK, plaintext.length - 1, plaintext.length + 1, 3 * CHUNK]) {
    const sizes: number[] = []
    await rejectsCode(
      (async () => {
        for await (const piece of encryptObject(dek, salt, cut(plaintext, 7000), stated)) sizes.push(piece.length)
      })(),
      'length-mismatch',
    )
    assert.ok(sizes.reduce((sum, size) => sum + size, 0) < objectLength(stated), `stated ${stated}`)
  }
  await collect(encryptObject(dek, salt, cut(plaintext, 7000), plaintext.length))
})

/** A source that remembers whether it was told to stop. */
function watched(bytes: Uint8Array, fail = false): { source: AsyncIterable<Uint8Array>; stopped: () => boolean } {
  let stopped = false
  async function* source(): AsyncGenerator<Uint8Array> {
    try {
      for await (const part of cut(bytes, 50_000)) {
        yield part
        if (fail) throw new Error('the disk is gone')
      }
    } finally {
      stopped = true
    }
  }
  return { source: source(), stopped: () => stopped }
}

objects('a source is told when nobody reads on, and its own errors pass through', async () => {
  const plaintext = content(3 * CHUNK)
  const object = await encrypt(plaintext)
  const plain = watched(plaintext)
  for await (const piece of encryptObject(dek, salt, plain.source, plaintext.length)) if (piece.length === SEALED) break
  assert.ok(plain.stopped())
  const sealed = watched(object)
  for await (const piece of decryptObject(dek, sealed.source, object.length)) if (piece.length > 0) break
  assert.ok(sealed.stopped())
  const damaged = watched(object.with(70, (object[70] as number) ^ 1))
  await rejectsCode(collect(decryptObject(dek, damaged.source, object.length)), 'decryption-failed')
  assert.ok(damaged.stopped())
  for (const failing of [
    encryptObject(dek, salt, watched(plaintext, true).source, plaintext.length),
    decryptObject(dek, watched(object, true).source, object.length),
  ]) {
    const error = await rejectsCode(collect(failing), 'Error: the disk is gone')
    assert.is(error.message, 'the disk is gone')
  }
})

objects('keys, salts and lengths out of range are refused', async () => {
  await rejectsCode(collect(encryptObject(dek.subarray(1), salt, cut(dek), 32)), 'key-length')
  await rejectsCode(collect(encryptObject(dek, salt.subarray(1), cut(dek), 32)), 'salt-length')
  await rejectsCode(collect(decryptObject(dek.subarray(1), cut(dek), 80)), 'key-length')
  throwsCode(() => commitmentSalt(dek.subarray(1)), 'key-length')
  for (const length of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 40 + 1]) {
    throwsCode(() => objectLength(length), 'length-invalid')
    throwsCode(() => padme(length), 'length-invalid')
  }
  for (const length of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 41, 0, 79, 64 + SEALED + 1, 64 + SEALED + 16])
    throwsCode(() => plaintextLengthOf(length), 'malformed')
  assert.is(plaintextLengthOf(80), 0)
})

objects(
  'lengths go to and fro',
  property(random => {
    const lengthOf = (r: SeededRandom): number => r.pick([r.below(1000), r.below(2 ** 24), r.below(2 ** 40), r.below(1000) * CHUNK])
    for (let i = 0; i < 500; i++) {
      const length = lengthOf(random)
      assert.is(plaintextLengthOf(objectLength(length)), length)
    }
  }),
)

objects('Padmé pads by its paper, never below 256 bytes and never much', () => {
  for (const [length, padded] of [
    [0, 256],
    [150, 256],
    [256, 256],
    [257, 272],
    [5000, 5120],
    [238_000, 241_664],
    [2 ** 20, 2 ** 20],
    [2 ** 20 + 1, 2 ** 20 + 2 ** 15],
  ] as const) {
    assert.is(padme(length), padded, `${length}`)
  }
  const sizes = new Set<number>()
  let previous = 0
  for (let length = 1; length < 2 ** 20; length += length < 5000 ? 1 : 37) {
    const padded = padme(length)
    assert.ok(padded >= length && padded >= previous && padme(padded) === padded, `${length}`)
    assert.ok(length < 256 || padded <= length * 1.12, `${length} becomes ${padded}`)
    sizes.add(padded)
    previous = padded
  }
  assert.ok(sizes.size < 300, `${sizes.size} sizes below 1 MiB`)
  assert.ok(padme(2 ** 40 - 1) >= 2 ** 40 - 1)
})

objects.run()
