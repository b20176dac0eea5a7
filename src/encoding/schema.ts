/**
 * Schemas for canonical bytes. A message is written once as a schema; its TypeScript type, its encoder and its strict,
 * bounded decoder follow from it. On the wire an object is an array in the schema's order.
 */
import { type Canonical, decodeCanonical, encodeCanonical } from './cbor.ts'
import { MalformedError } from './errors.ts'

export interface Schema<T> {
  /** Value to canonical form; throws MalformedError where the value breaks the schema. */
  pack(value: T): Canonical
  /** Canonical form to value; throws MalformedError and names the place. */
  unpack(value: Canonical, path: string): T
}

/** The TypeScript type that a schema describes. */
export type Infer<S> = S extends Schema<infer T> ? T : never

export interface Codec<T> extends Schema<T> {
  encode(value: T): Uint8Array
  decode(bytes: Uint8Array): T
  /** Longest encoding that is read or written, in bytes. */
  readonly maxBytes: number
}

function fail(path: string, expected: string): never {
  throw new MalformedError(`${path === '' ? 'message' : path} must be ${expected}`)
}

function symmetric<T extends Canonical>(check: (value: Canonical, path: string) => T): Schema<T> {
  return { pack: value => check(value, ''), unpack: check }
}

/** Byte string of exactly `length` bytes. */
export function fixedBytes(length: number): Schema<Uint8Array> {
  return symmetric((value, path) =>
    value instanceof Uint8Array && value.length === length ? value : fail(path, `a byte string of ${length} bytes`),
  )
}

/** Byte string of at most `max` bytes. */
export function byteString(max: number, min = 0): Schema<Uint8Array> {
  return symmetric((value, path) =>
    value instanceof Uint8Array && value.length <= max && value.length >= min
      ? value
      : fail(path, `a byte string of ${min} to ${max} bytes`),
  )
}

/** Text of at most `max` UTF-16 units. */
export function text(max: number, pattern?: RegExp): Schema<string> {
  return symmetric((value, path) =>
    typeof value === 'string' && value.length <= max && (pattern === undefined || pattern.test(value))
      ? value
      : fail(path, `text of at most ${max} characters${pattern === undefined ? '' : ` like ${pattern.source}`}`),
  )
}

/** Integer from `min` to `max`, both included. */
export function integer(max: number = Number.MAX_SAFE_INTEGER, min = 0): Schema<number> {
  return symmetric((value, path) =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max
      ? value
      : fail(path, `an integer from ${min} to ${max}`),
  )
}

export const bool: Schema<boolean> = symmetric((value, path) => (typeof value === 'boolean' ? value : fail(path, 'true or false')))

/** One of a fixed set of texts or numbers. */
export function oneOf<const T extends string | number>(...values: readonly T[]): Schema<T> {
  const set: ReadonlySet<unknown> = new Set(values)
  return symmetric((value, path) => (set.has(value) ? (value as T) : fail(path, `one of ${values.join(', ')}`)))
}

export function nullable<T>(inner: Schema<T>): Schema<T | null> {
  return {
    pack: value => (value === null ? null : inner.pack(value)),
    unpack: (value, path) => (value === null ? null : inner.unpack(value, path)),
  }
}

export function list<T>(inner: Schema<T>, max: number, min = 0): Schema<T[]> {
  const check = (length: number, path: string): void => {
    if (length > max || length < min) fail(path, `a list of ${min} to ${max} items`)
  }
  return {
    pack: value => {
      check(value.length, '')
      return value.map(item => inner.pack(item))
    },
    unpack: (value, path) => {
      if (!Array.isArray(value)) return fail(path, 'a list')
      check(value.length, path)
      return value.map((item: Canonical, i) => inner.unpack(item, `${path}[${i}]`))
    },
  }
}

type Fields = Readonly<Record<string, Schema<never> | Schema<unknown>>>
type Struct<F extends Fields> = { -readonly [K in keyof F]: Infer<F[K]> }

/** An object with named fields, written as an array in the order in which the fields are declared. */
export function struct<F extends Fields>(fields: F): Schema<Struct<F>> {
  const entries = Object.entries(fields) as [string, Schema<unknown>][]
  return {
    pack: value => entries.map(([name, schema]) => schema.pack((value as Record<string, unknown>)[name])),
    unpack: (value, path) => {
      if (!Array.isArray(value) || value.length !== entries.length) return fail(path, `a tuple of ${entries.length} fields`)
      const out: Record<string, unknown> = {}
      entries.forEach(([name, schema], i) => {
        out[name] = schema.unpack(value[i] as Canonical, path === '' ? name : `${path}.${name}`)
      })
      return out as Struct<F>
    },
  }
}

type Variants = Readonly<Record<string, Schema<never> | Schema<unknown>>>
/** A value of one variant: `{ type, value }`. */
export type Tagged<V extends Variants> = { [K in keyof V & string]: { type: K; value: Infer<V[K]> } }[keyof V & string]

/** One of several named variants, written as `[name, value]`. */
export function tagged<V extends Variants>(variants: V): Schema<Tagged<V>> {
  const of = (name: string): Schema<unknown> | undefined =>
    Object.hasOwn(variants, name) ? (variants[name] as Schema<unknown>) : undefined
  return {
    pack: value => {
      const schema = of(value.type)
      if (schema === undefined) return fail('', `one of ${Object.keys(variants).join(', ')}`)
      return [value.type, schema.pack(value.value)]
    },
    unpack: (value, path) => {
      if (!Array.isArray(value) || value.length !== 2 || typeof value[0] !== 'string') return fail(path, 'a tagged value')
      const schema = of(value[0])
      if (schema === undefined) return fail(path, `one of ${Object.keys(variants).join(', ')}`)
      return { type: value[0], value: schema.unpack(value[1] as Canonical, `${path}.${value[0]}`) } as Tagged<V>
    },
  }
}

/** A schema with an extra rule over the whole value. */
export function refine<T>(inner: Schema<T>, expected: string, rule: (value: T) => boolean): Schema<T> {
  const check = (value: T, path: string): T => (rule(value) ? value : fail(path, expected))
  return { pack: value => inner.pack(check(value, '')), unpack: (value, path) => check(inner.unpack(value, path), path) }
}

/** Reads fields that refer to the schema itself, such as nested exceptions. Depth is bounded by the decoder. */
export function lazy<T>(make: () => Schema<T>): Schema<T> {
  let made: Schema<T> | undefined
  const get = (): Schema<T> => {
    made ??= make()
    return made
  }
  return { pack: value => get().pack(value), unpack: (value, path) => get().unpack(value, path) }
}

/** Gives a schema its bytes, with a bound on their length. */
export function codec<T>(schema: Schema<T>, maxBytes: number): Codec<T> {
  return {
    ...schema,
    maxBytes,
    encode: value => {
      const bytes = encodeCanonical(schema.pack(value))
      if (bytes.length > maxBytes) throw new MalformedError(`message of ${bytes.length} bytes exceeds its limit of ${maxBytes} bytes`)
      return bytes
    },
    decode: bytes => schema.unpack(decodeCanonical(bytes, { maxBytes }), ''),
  }
}

export const hash32 = fixedBytes(32)
