/**
 * Valid samples of any codec, made from nothing but its own refusals: a decoder that says what it wants where is asked again until it is
 * content. Which place a refusal is about is seen by watching what the decoder looks at last.
 */
import { sealingKeyFromSeed } from '../../src/crypto/sealing.ts'
import { SUITE_MLKEM1024, SUITE_XWING } from '../../src/crypto/sealing-suites.ts'
import type { Canonical } from '../../src/encoding/cbor.ts'
import { MalformedError } from '../../src/encoding/errors.ts'
import type { Codec } from '../../src/encoding/schema.ts'
import type { Random } from './random.ts'

/** A place in a value that is being made: nothing yet, a leaf, or a list of places. */
interface Place {
  leaf?: Canonical
  items?: Place[]
  /** A `[name, value]` pair: a new name needs a new value. */
  tagged?: boolean
  triedNull?: boolean
  parent?: Place
}

const MAX_QUESTIONS = 500
const TEXTS = ['a', 'a-b', 'DE', 'KE', 'x.y', 'treatment', 'records.anchored', 'A1', 'ä', '']

/** A value that the codec accepts, or undefined where that many tries found none. */
export function sampleOf<T>(codec: Codec<T>, random: Random, tries = 40): Uint8Array | undefined {
  for (let i = 0; i < tries; i++) {
    const value = attempt(codec, random)
    if (value === undefined) continue
    try {
      return codec.encode(codec.unpack(value, ''))
    } catch (error) {
      // Beyond the codec's length: the next one is shorter, perhaps.
      if (!(error instanceof MalformedError)) throw error
    }
  }
  return undefined
}

function attempt<T>(codec: Codec<T>, random: Random): Canonical | undefined {
  const root: Place = {}
  for (let question = 0; question < MAX_QUESTIONS; question++) {
    let last = root
    const spy = (place: Place): unknown => {
      if (place.items === undefined) return place.leaf
      return new Proxy(place.items as unknown[], {
        get: (target, key, receiver) => {
          if (typeof key !== 'string' || !/^\d+$/.test(key)) return Reflect.get(target, key, receiver)
          const items = place.items as Place[]
          const item = items[Number(key)]
          if (item === undefined) return undefined
          // The name of a pair is looked at once more for the path, after its value.
          if (!(place.tagged === true && key === '0' && last === items[1])) last = item
          return spy(item)
        },
      })
    }
    try {
      codec.unpack(spy(root) as Canonical, '')
      return plain(root)
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error
      if (!answer(last, error.message, random)) return undefined
    }
  }
  return undefined
}

function plain(place: Place): Canonical {
  return place.items === undefined ? (place.leaf as Canonical) : place.items.map(plain)
}

function holes(parent: Place, count: number): Place[] {
  return Array.from({ length: count }, () => ({ parent }))
}

/** Puts at the place what the refusal asks for; false where it cannot be told. */
function answer(place: Place, refusal: string, random: Random): boolean {
  const wanted = refusal.slice(refusal.indexOf(' must be ') + 9)
  const numbers = (pattern: RegExp): number[] | undefined => pattern.exec(wanted)?.slice(1).map(Number)
  const set = (leaf: Canonical): true => {
    delete place.items
    place.leaf = leaf
    return true
  }
  if (place.leaf === undefined && place.items === undefined && place.triedNull !== true) {
    place.triedNull = true
    if (random.oneIn(3)) return set(null)
  }
  let found = numbers(/^a tuple of (\d+) fields$/)
  if (found !== undefined) {
    delete place.leaf
    place.items = holes(place, found[0]!)
    return true
  }
  if (wanted === 'a tagged value') {
    delete place.leaf
    place.items = holes(place, 2)
    place.tagged = true
    place.items[0]!.leaf = ''
    return true
  }
  if (wanted.startsWith('one of ')) {
    const choice = random.pick(wanted.slice(7).split(', '))
    if (place.parent?.tagged === true && place.parent.items?.[0] === place) {
      place.parent.items[1] = { parent: place.parent }
      return set(choice)
    }
    return set(/^\d+$/.test(choice) ? Number(choice) : choice)
  }
  found = numbers(/^a byte string of (\d+) bytes$/)
  if (found !== undefined) return set(random.bytes(found[0]!))
  found = numbers(/^a byte string of (\d+) to (\d+) bytes$/)
  if (found !== undefined) return set(random.bytes(Math.min(found[1]!, found[0]! + random.below(random.oneIn(8) ? 300 : 40))))
  if (wanted === 'a sealing key of a known suite') {
    const suite = random.oneIn(4) ? SUITE_MLKEM1024 : SUITE_XWING
    return set(sealingKeyFromSeed(random.bytes(32), suite).publicKey)
  }
  found = numbers(/^text of at most (\d+) characters/)
  if (found !== undefined) return set(random.pick(TEXTS).slice(0, found[0]!))
  found = numbers(/^an integer from (-?\d+) to (\d+)$/)
  if (found !== undefined) {
    const [min, max] = found as [number, number]
    const near = min + random.below(4)
    return set(Math.min(max, random.oneIn(5) ? Math.max(min, max - random.below(3)) : random.oneIn(4) ? min + random.below(100_000) : near))
  }
  if (wanted === 'true or false') return set(random.oneIn(2))
  if (wanted === 'a list') {
    delete place.leaf
    place.items = []
    return true
  }
  found = numbers(/^a list of (\d+) to (\d+) items$/)
  if (found !== undefined) {
    delete place.leaf
    place.items = holes(place, Math.min(found[1]!, Math.max(found[0]!, random.below(4))))
    return true
  }
  return false
}
