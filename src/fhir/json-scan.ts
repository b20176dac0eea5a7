/**
 * A strict JSON scanner over the original bytes. It yields byte ranges instead of values, so that a part of a document can be
 * cut out exactly as its author wrote it: digits, spaces, escapes and key order stay.
 *
 * Accepted is RFC 8259 in valid UTF-8 (RFC 3629) without a byte order mark, up to `MAX_JSON_BYTES` and `MAX_JSON_DEPTH`.
 * One rule goes beyond it, taken from RFC 7493 (I-JSON) section 2.3: an object that names a member twice is refused, because two
 * readers of the same bytes would see two different records. Names are compared after unescaping.
 */
import { EpioneError } from '../encoding/errors.ts'

/** Longest document that is scanned, in bytes: 64 MiB. */
export const MAX_JSON_BYTES = 64 * 1024 * 1024

/** Deepest nesting of objects and arrays. */
export const MAX_JSON_DEPTH = 64

export type JsonKind = 'object' | 'array' | 'string' | 'number' | 'true' | 'false' | 'null'

/** A value's place in the document: bytes `start` (included) to `end` (excluded), without surrounding white space. */
export interface JsonRange {
  kind: JsonKind
  start: number
  end: number
}

const TAB = 0x09
const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const QUOTE = 0x22
const PLUS = 0x2b
const COMMA = 0x2c
const MINUS = 0x2d
const DOT = 0x2e
const ZERO = 0x30
const NINE = 0x39
const COLON = 0x3a
const OPEN_ARRAY = 0x5b
const BACKSLASH = 0x5c
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

const LITERALS = { true: [0x74, 0x72, 0x75, 0x65], false: [0x66, 0x61, 0x6c, 0x73, 0x65], null: [0x6e, 0x75, 0x6c, 0x6c] } as const

/** Pull scanner: the caller walks what it needs to know and skips the rest; every byte is checked either way. */
export class JsonScanner {
  readonly #bytes: Uint8Array
  #at = 0
  #depth = 0

  /** @throws EpioneError `too-large`, `not-json` */
  constructor(bytes: Uint8Array) {
    if (bytes.length > MAX_JSON_BYTES) {
      throw new EpioneError('too-large', `the JSON document has ${bytes.length} bytes; at most ${MAX_JSON_BYTES} are read`, {
        metadata: { bytes: bytes.length, limit: MAX_JSON_BYTES },
      })
    }
    this.#bytes = bytes
    if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
      throw notJson(bytes, 0, 'a byte order mark stands before the text; save it as UTF-8 without one')
    }
  }

  /** Kind of the value that comes next, which is not consumed. */
  peek(): JsonKind {
    this.#space()
    const byte = this.#bytes[this.#at]
    switch (byte) {
      case OPEN_OBJECT:
        return 'object'
      case OPEN_ARRAY:
        return 'array'
      case QUOTE:
        return 'string'
      case 0x74:
        return 'true'
      case 0x66:
        return 'false'
      case 0x6e:
        return 'null'
      default:
        if (byte === MINUS || isDigit(byte)) return 'number'
        throw this.#fail(byte === undefined ? 'the text ends where a value is expected' : 'a value is expected')
    }
  }

  /** Consumes the next value, whatever it is. */
  skip(): JsonRange {
    const kind = this.peek()
    if (kind === 'object') return this.object(() => {})
    if (kind === 'array') return this.array(() => {})
    const start = this.#at
    if (kind === 'string') this.#string()
    else if (kind === 'number') this.#number()
    else this.#literal(LITERALS[kind])
    return { kind, start, end: this.#at }
  }

  /** Consumes an object; `member` is called before each member's value and may consume it, else it is skipped. */
  object(member: (name: string) => void): JsonRange {
    const start = this.#open(OPEN_OBJECT)
    const names = new Set<string>()
    if (!this.#closes(CLOSE_OBJECT)) {
      do {
        this.#space()
        const nameAt = this.#at
        if (this.#bytes[nameAt] !== QUOTE) throw this.#fail('a member name in double quotes is expected')
        this.#string()
        const name = decodeString(this.#bytes, nameAt, this.#at)
        if (names.has(name)) throw notJson(this.#bytes, nameAt, 'a member of the object is named twice')
        names.add(name)
        this.#space()
        this.#expect(COLON, 'a colon is expected after the member name')
        this.#space()
        const before = this.#at
        member(name)
        if (this.#at === before) this.skip()
      } while (this.#continues(CLOSE_OBJECT, 'a comma or a closing brace is expected'))
    }
    this.#depth--
    return { kind: 'object', start, end: this.#at }
  }

  /** Consumes an array; `item` is called before each item and may consume it, else it is skipped. */
  array(item: (index: number) => void): JsonRange {
    const start = this.#open(OPEN_ARRAY)
    let index = 0
    if (!this.#closes(CLOSE_ARRAY)) {
      do {
        this.#space()
        const before = this.#at
        item(index++)
        if (this.#at === before) this.skip()
      } while (this.#continues(CLOSE_ARRAY, 'a comma or a closing bracket is expected'))
    }
    this.#depth--
    return { kind: 'array', start, end: this.#at }
  }

  /** Consumes the next value and gives its text where it is a string, else `undefined`. */
  string(): string | undefined {
    const { kind, start, end } = this.skip()
    return kind === 'string' ? decodeString(this.#bytes, start, end) : undefined
  }

  /** Demands that nothing but white space is left. */
  end(): void {
    this.#space()
    if (this.#at < this.#bytes.length) throw this.#fail('the document goes on after its value')
  }

  #open(byte: number): number {
    this.#space()
    const start = this.#at
    this.#expect(byte, byte === OPEN_OBJECT ? 'an object is expected' : 'an array is expected')
    if (++this.#depth > MAX_JSON_DEPTH) throw notJson(this.#bytes, start, `objects and arrays are nested deeper than ${MAX_JSON_DEPTH}`)
    return start
  }

  #closes(byte: number): boolean {
    this.#space()
    if (this.#bytes[this.#at] !== byte) return false
    this.#at++
    return true
  }

  #continues(close: number, expected: string): boolean {
    if (this.#closes(close)) return false
    this.#expect(COMMA, expected)
    return true
  }

  #expect(byte: number, expected: string): void {
    if (this.#bytes[this.#at] !== byte) throw this.#fail(this.#at < this.#bytes.length ? expected : `the text ends early: ${expected}`)
    this.#at++
  }

  #space(): void {
    for (;;) {
      const byte = this.#bytes[this.#at]
      if (byte !== SPACE && byte !== LF && byte !== CR && byte !== TAB) return
      this.#at++
    }
  }

  #literal(letters: readonly number[]): void {
    for (const letter of letters) this.#expect(letter, 'true, false or null is expected')
  }

  #number(): void {
    if (this.#bytes[this.#at] === MINUS) this.#at++
    if (this.#bytes[this.#at] === ZERO) {
      this.#at++
      if (isDigit(this.#bytes[this.#at])) throw this.#fail('a number must not begin with a superfluous zero')
    } else this.#digits()
    if (this.#bytes[this.#at] === DOT) {
      this.#at++
      this.#digits()
    }
    const exponent = this.#bytes[this.#at]
    if (exponent === 0x65 || exponent === 0x45) {
      this.#at++
      const sign = this.#bytes[this.#at]
      if (sign === PLUS || sign === MINUS) this.#at++
      this.#digits()
    }
  }

  #digits(): void {
    if (!isDigit(this.#bytes[this.#at])) throw this.#fail('a digit is expected')
    while (isDigit(this.#bytes[this.#at])) this.#at++
  }

  #string(): void {
    const bytes = this.#bytes
    let at = this.#at + 1
    for (;;) {
      const byte = bytes[at]
      if (byte === undefined) throw notJson(bytes, at, 'the text ends inside a string')
      if (byte === QUOTE) break
      if (byte < SPACE) throw notJson(bytes, at, 'a control character inside a string must be escaped')
      if (byte === BACKSLASH) at = escapeEnd(bytes, at)
      else if (byte < 0x80) at++
      else {
        const length = utf8Length(bytes, at)
        if (length === 0) throw notJson(bytes, at, 'the text is not valid UTF-8')
        at += length
      }
    }
    this.#at = at + 1
  }

  #fail(reason: string): EpioneError {
    return notJson(this.#bytes, this.#at, reason)
  }
}

/** Parses bytes that the scanner accepts. @throws EpioneError `not-json`, `too-large` */
export function parseJson(bytes: Uint8Array): unknown {
  const scanner = new JsonScanner(bytes)
  scanner.skip()
  scanner.end()
  return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE
}

function isHexDigit(byte: number | undefined): boolean {
  if (byte === undefined) return false
  const lower = byte | 0x20
  return isDigit(byte) || (lower >= 0x61 && lower <= 0x66)
}

/** Offset after the escape sequence whose backslash stands at `at`. */
function escapeEnd(bytes: Uint8Array, at: number): number {
  const letter = bytes[at + 1]
  if (letter === 0x75) {
    for (let i = 2; i < 6; i++) {
      if (!isHexDigit(bytes[at + i])) throw notJson(bytes, at, 'an escape sequence is not complete')
    }
    return at + 6
  }
  // The letters that may follow a backslash: " \ / b f n r t
  if (letter === undefined || !'"\\/bfnrt'.includes(String.fromCharCode(letter)))
    throw notJson(bytes, at, 'an escape sequence is not known')
  return at + 2
}

/** Length of the well-formed UTF-8 sequence of two to four bytes at `at` (RFC 3629 section 4), or 0. */
function utf8Length(bytes: Uint8Array, at: number): 0 | 2 | 3 | 4 {
  const first = bytes[at] as number
  const second = bytes[at + 1] ?? 0
  const tail = (offset: number): boolean => ((bytes[at + offset] ?? 0) & 0xc0) === 0x80
  if (first >= 0xc2 && first <= 0xdf) return tail(1) ? 2 : 0
  if (first >= 0xe0 && first <= 0xef) {
    // No overlong form (E0 80..9F) and no surrogate (ED A0..BF).
    if ((first === 0xe0 && second < 0xa0) || (first === 0xed && second > 0x9f)) return 0
    return tail(1) && tail(2) ? 3 : 0
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if ((first === 0xf0 && second < 0x90) || (first === 0xf4 && second > 0x8f)) return 0
    return tail(1) && tail(2) && tail(3) ? 4 : 0
  }
  return 0
}

/** Text of the scanned string literal from `start` to `end`, quotes included. */
function decodeString(bytes: Uint8Array, start: number, end: number): string {
  let plain = end - start <= 66
  for (let i = start + 1; plain && i < end - 1; i++) {
    const byte = bytes[i] as number
    plain = byte < 0x80 && byte !== BACKSLASH
  }
  if (plain) return String.fromCharCode(...bytes.subarray(start + 1, end - 1))
  const literal = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes.subarray(start, end))
  return JSON.parse(literal) as string
}

/** Line and column count from 1; a column is a Unicode character. The reason never quotes the document. */
function notJson(bytes: Uint8Array, at: number, reason: string): EpioneError {
  let line = 1
  let column = 1
  for (let i = 0; i < at && i < bytes.length; i++) {
    const byte = bytes[i] as number
    if (byte === LF) {
      line++
      column = 1
    } else if ((byte & 0xc0) !== 0x80) column++
  }
  return new EpioneError('not-json', `not JSON: ${reason} (line ${line}, column ${column})`, { metadata: { line, column } })
}
