/** A search for what must not be anywhere: bytes under names, in every writing in which they may have got into a file or a stream. */

export interface Needle {
  /** What is said where it is found: never the bytes themselves. */
  readonly name: string
  readonly bytes: Uint8Array
}

/** Shorter ones would be found in random bytes now and then. */
const SHORTEST = 6

/** @throws RangeError where the needle is too short to mean anything */
export function needle(name: string, value: string | Uint8Array): Needle {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value
  if (bytes.length < SHORTEST) throw new RangeError(`${name} has less than ${SHORTEST} bytes`)
  return { name, bytes }
}

/** The base64 digits that follow from these bytes alone, wherever in a longer text they begin. */
function base64Parts(bytes: Uint8Array): string[] {
  return [0, 1, 2].map(offset => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64')
    return text.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6))
  })
}

/** Every writing of some bytes that is looked for: raw, hex, base64 and base64url. */
export function writingsOf(bytes: Uint8Array): Buffer[] {
  const raw = Buffer.from(bytes)
  const hex = raw.toString('hex')
  const base64 = base64Parts(bytes)
  const texts = [hex, hex.toUpperCase(), ...base64, ...base64.map(text => text.replaceAll('+', '-').replaceAll('/', '_'))]
  return [raw, ...[...new Set(texts)].map(text => Buffer.from(text))]
}

/** Looks for the same needles in one place after another. */
export class Search {
  readonly #writings: { name: string; writings: Buffer[] }[]
  /** Bytes that were searched. */
  searched = 0

  constructor(needles: readonly Needle[]) {
    this.#writings = needles.map(({ name, bytes }) => ({ name, writings: writingsOf(bytes) }))
  }

  /** Names of the needles that are in it. */
  in(haystack: Uint8Array | string): string[] {
    const bytes = Buffer.from(haystack)
    this.searched += bytes.length
    return this.#writings.filter(({ writings }) => writings.some(writing => bytes.includes(writing))).map(({ name }) => name)
  }
}
