/** What an attacker does to bytes: noise, flips, cuts, splices, lengths that lie, nesting without end. */
import type { Random } from './random.ts'

/** Heads of CBOR items and varints that claim far more than follows, and some that are no canonical form of what they say. */
const HEADS: readonly (readonly number[])[] = [
  [0x5a, 0xff, 0xff, 0xff, 0xff],
  [0x5b, 0x00, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0x7a, 0x7f, 0xff, 0xff, 0xff],
  [0x9a, 0xff, 0xff, 0xff, 0xff],
  [0x9b, 0x00, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0xba, 0xff, 0xff, 0xff, 0xff],
  [0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0x18, 0x01],
  [0x58, 0x00],
  [0x98, 0x00],
  [0x9f],
  [0x5f],
  [0xff],
  [0xf7],
  [0xd8, 0x2a],
  [0xc2, 0x41, 0x01],
  [0xf9, 0x7e, 0x00],
  [0xfb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0],
  [0xfb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0x80, 0x00],
]

function splice(bytes: Uint8Array, at: number, remove: number, insert: ArrayLike<number>): Uint8Array {
  const out = new Uint8Array(bytes.length - remove + insert.length)
  out.set(bytes.subarray(0, at))
  out.set(Uint8Array.from(insert), at)
  out.set(bytes.subarray(at + remove), at + insert.length)
  return out
}

/** A new input, from samples or from nothing. */
export function mutated(samples: readonly Uint8Array[], random: Random): Uint8Array {
  const kind = random.below(20)
  if (kind === 0 || samples.length === 0) return random.bytes(random.below(random.oneIn(20) ? 2000 : 80))
  if (kind === 1) return nested(random)
  const sample = random.pick(samples)
  if (kind === 2) return sample
  let bytes: Uint8Array = sample.slice()
  for (let left = 1 + (random.oneIn(3) ? random.below(4) : 0); left > 0; left--) bytes = once(bytes, samples, random)
  return bytes
}

/** Lists in lists, or byte strings in byte strings, deeper than anything is. */
function nested(random: Random): Uint8Array {
  const out = new Uint8Array(1 + random.below(random.oneIn(50) ? 100_000 : 300))
  out.fill(random.pick([0x81, 0x82, 0x9f, 0xa1, 0xc0, 0xd8]))
  return out
}

function once(bytes: Uint8Array, samples: readonly Uint8Array[], random: Random): Uint8Array {
  const at = random.below(bytes.length + 1)
  switch (random.below(9)) {
    case 0:
    case 1: {
      // In place: a bit, a byte, or a byte next to what it was.
      if (bytes.length === 0) return bytes
      const place = random.below(bytes.length)
      const old = bytes[place] as number
      bytes[place] = random.pick([old ^ (1 << random.below(8)), random.below(256), old + 1, old - 1, 0, 0xff])
      return bytes
    }
    case 2:
      return bytes.subarray(0, at)
    case 3:
      return splice(bytes, at, 0, random.bytes(1 + random.below(8)))
    case 4:
      return splice(bytes, at, Math.min(bytes.length - at, 1 + random.below(16)), [])
    case 5: {
      const other = random.pick(samples)
      const from = random.below(other.length + 1)
      return splice(bytes, at, random.below(bytes.length - at + 1), other.subarray(from, from + random.below(200)))
    }
    case 6:
      return splice(bytes, at, Math.min(bytes.length - at, random.below(3)), random.pick(HEADS))
    case 7: {
      const length = random.below(Math.min(64, bytes.length - at) + 1)
      return splice(bytes, at, 0, bytes.slice(at, at + length))
    }
    default:
      return splice(bytes, bytes.length, 0, random.pick([[0], [0xff], [0x80], ...HEADS]))
  }
}
