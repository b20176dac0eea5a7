/**
 * The curve of Ed25519 in plain integers (RFC 8032 section 5.1.4), slow and obvious: tests use it to show that a
 * constructed signature does satisfy the equation, whatever the platform's library thinks of its points.
 */
import { createHash } from 'node:crypto'
import { concat } from '../../src/encoding/bytes.ts'

export const P = 2n ** 255n - 19n
/** Order of the base point. */
export const L = 2n ** 252n + 27742317777372353535851937790883648493n

type Point = readonly [x: bigint, y: bigint, z: bigint, t: bigint]

const mod = (value: bigint): bigint => ((value % P) + P) % P

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  for (let square = mod(base), rest = exponent; rest > 0n; rest >>= 1n, square = mod(square * square)) {
    if (rest & 1n) result = mod(result * square)
  }
  return result
}

const D = mod(-121665n * power(121666n, P - 2n))
const SQRT_MINUS_1 = power(2n, (P - 1n) / 4n)
const IDENTITY: Point = [0n, 1n, 1n, 0n]

function add([x1, y1, z1, t1]: Point, [x2, y2, z2, t2]: Point): Point {
  const a = mod((y1 - x1) * (y2 - x2))
  const b = mod((y1 + x1) * (y2 + x2))
  const c = mod(2n * t1 * t2 * D)
  const d = mod(2n * z1 * z2)
  const [e, f, g, h] = [b - a, d - c, d + c, b + a]
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)]
}

function multiply(scalar: bigint, point: Point): Point {
  let result = IDENTITY
  for (let double = point, rest = scalar; rest > 0n; rest >>= 1n, double = add(double, double)) {
    if (rest & 1n) result = add(result, double)
  }
  return result
}

const same = ([x1, y1, z1]: Point, [x2, y2, z2]: Point): boolean => mod(x1 * z2 - x2 * z1) === 0n && mod(y1 * z2 - y2 * z1) === 0n

/** Reads a point leniently: y may be unreduced, and the sign of x = 0 may be set. */
function decode(bytes: Uint8Array): Point | undefined {
  const encoded = fromLittleEndian(bytes)
  const y = mod(encoded & (2n ** 255n - 1n))
  const u = mod(y * y - 1n)
  const v = mod(D * y * y + 1n)
  let x = mod(u * v ** 3n * power(u * v ** 7n, (P - 5n) / 8n))
  if (mod(v * x * x - u) !== 0n) x = mod(x * SQRT_MINUS_1)
  if (mod(v * x * x - u) !== 0n) return undefined
  if ((x & 1n) !== encoded >> 255n) x = mod(-x)
  return [x, y, 1n, mod(x * y)]
}

const BASE = decode(littleEndian(mod(4n * power(5n, P - 2n)))) as Point

export function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n))
}

export function fromLittleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
}

/** SHA-512 of the parts as an integer, as in RFC 8032. */
export function hashToInteger(...parts: Uint8Array[]): bigint {
  return fromLittleEndian(
    createHash('sha512')
      .update(concat(...parts))
      .digest(),
  )
}

/** The private scalar of RFC 8032 section 5.1.5. */
export function scalarOf(seed: Uint8Array): bigint {
  const bytes = createHash('sha512').update(seed).digest().subarray(0, 32)
  bytes[0] = (bytes[0] as number) & 248
  bytes[31] = ((bytes[31] as number) & 127) | 64
  return fromLittleEndian(bytes)
}

/** Whether `[S]B = R + [k]A`, with no demand on the encodings or orders of A, R and S. */
export function satisfiesEquation(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const a = decode(publicKey)
  const r = decode(signature.subarray(0, 32))
  if (a === undefined || r === undefined) return false
  const k = hashToInteger(signature.subarray(0, 32), publicKey, message) % L
  return same(multiply(fromLittleEndian(signature.subarray(32)), BASE), add(r, multiply(k, a)))
}
