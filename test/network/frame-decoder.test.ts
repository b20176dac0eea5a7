import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { errorCode } from '../../src/encoding/errors.ts'
import { encodeFrame, FrameDecoder, prefixLength } from '../../src/network/frame-decoder.ts'
import { random } from './helpers.ts'

const test = suite('frame decoder')

test('frames come out as they went in, however the bytes are cut', () => {
  const state = Number(process.env.SEED ?? 4711)
  const next = random(state)
  for (let round = 0; round < 50; round++) {
    const frames = Array.from({ length: 20 }, () => {
      const frame = new Uint8Array(Math.floor(next() ** 4 * 40_000))
      return frame.map(() => Math.floor(next() * 256))
    })
    const wire = new Uint8Array(Buffer.concat(frames.map(frame => encodeFrame(frame))))
    const decoder = new FrameDecoder(40_000)
    const out: Uint8Array[] = []
    for (let at = 0; at < wire.length; ) {
      const size = 1 + Math.floor(next() ** 3 * 9_000)
      decoder.push(wire.subarray(at, at + size))
      at += size
      for (let frame = decoder.next(); frame !== undefined; frame = decoder.next()) out.push(frame)
    }
    assert.is(decoder.buffered, 0)
    assert.is(out.length, frames.length, `seed ${state}`)
    for (const [i, frame] of frames.entries()) assert.equal(out[i], frame, `seed ${state}`)
  }
})

test('an empty frame is a frame', () => {
  const decoder = new FrameDecoder(10)
  decoder.push(encodeFrame(new Uint8Array(0)))
  assert.equal(decoder.next(), new Uint8Array(0))
  assert.is(decoder.next(), undefined)
})

test('a frame is in memory of its own and no Buffer', () => {
  const decoder = new FrameDecoder(10)
  const wire = Buffer.from(encodeFrame(Uint8Array.of(1, 2, 3)))
  decoder.push(wire)
  const frame = decoder.next()
  wire.fill(0)
  assert.equal(frame, Uint8Array.of(1, 2, 3))
  assert.not(Buffer.isBuffer(frame))
})

test('lengths beyond the limit and prefixes that are no minimal varint are refused', () => {
  const decode = (bytes: number[], maxFrame = 1000): string => {
    const decoder = new FrameDecoder(maxFrame)
    decoder.push(Uint8Array.from(bytes))
    try {
      decoder.next()
      return 'accepted'
    } catch (error) {
      return errorCode(error)
    }
  }
  assert.is(decode([0xe9, 0x07]), 'malformed', '1001 of 1000')
  assert.is(decode([0xe8, 0x07]), 'accepted', '1000 of 1000')
  assert.is(decode([0x80, 0x00]), 'malformed', 'zero in two bytes')
  assert.is(decode([0x80, 0x80, 0x80, 0x80, 0x80], 2 ** 40), 'malformed', 'more than 32 bits')
  assert.is(decode([0xff, 0xff, 0xff]), 'malformed', 'refused before the length is complete')
})

test('prefix lengths', () => {
  for (const [length, bytes] of [
    [0, 1],
    [127, 1],
    [128, 2],
    [16_383, 2],
    [16_384, 3],
    [2 ** 28, 5],
  ] as const) {
    assert.is(prefixLength(length), bytes)
  }
})

test.run()
