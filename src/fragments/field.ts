/**
 * Arithmetic and matrices over GF(2^8) with the polynomial x^8 + x^4 + x^3 + x^2 + 1 (0x11d) and the generator 2, as used by
 * the Reed-Solomon libraries of Backblaze (Java), klauspost (Go) and reed-solomon-erasure (Rust).
 */

const POLYNOMIAL = 0x11d
const EXP = new Uint8Array(510)
const LOG = new Uint8Array(256)

let power = 1
for (let i = 0; i < 255; i++) {
  EXP[i] = power
  EXP[i + 255] = power
  LOG[power] = i
  power = power & 0x80 ? (power << 1) ^ POLYNOMIAL : power << 1
}

/** Rows of equal length; entries are field elements. */
export type Matrix = readonly Uint8Array[]

/** Product of two field elements. */
export function multiply(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : (EXP[(LOG[a] as number) + (LOG[b] as number)] as number)
}

/** Quotient of two field elements. @throws RangeError where b is 0 */
export function divide(a: number, b: number): number {
  if (b === 0) throw new RangeError('division by zero')
  return a === 0 ? 0 : (EXP[(LOG[a] as number) + 255 - (LOG[b] as number)] as number)
}

/** `base` to the power of `exponent`, with 0 to the power of 0 being 1. */
function raise(base: number, exponent: number): number {
  if (exponent === 0) return 1
  return base === 0 ? 0 : (EXP[((LOG[base] as number) * exponent) % 255] as number)
}

/** Product of an m x p and a p x q matrix. */
export function multiplyMatrices(a: Matrix, b: Matrix): Matrix {
  const width = b[0]?.length ?? 0
  return a.map(row => {
    const out = new Uint8Array(width)
    b.forEach((other, i) => {
      const factor = row[i] as number
      for (let j = 0; j < width; j++) out[j] = (out[j] as number) ^ multiply(factor, other[j] as number)
    })
    return out
  })
}

/** Inverse of a square matrix by Gauss-Jordan elimination; `undefined` where it has none. */
export function invertMatrix(matrix: Matrix): Matrix | undefined {
  const size = matrix.length
  const rows: Uint8Array[] = matrix.map((row, i) => {
    const wide = new Uint8Array(2 * size)
    wide.set(row)
    wide[size + i] = 1
    return wide
  })
  for (let column = 0; column < size; column++) {
    const found = rows.findIndex((row, i) => i >= column && row[column] !== 0)
    if (found < 0) return undefined
    const pivot = rows[found] as Uint8Array
    rows[found] = rows[column] as Uint8Array
    rows[column] = pivot
    const scale = EXP[255 - (LOG[pivot[column] as number] as number)] as number
    for (let j = 0; j < 2 * size; j++) pivot[j] = multiply(pivot[j] as number, scale)
    for (const row of rows) {
      const factor = row === pivot ? 0 : (row[column] as number)
      if (factor !== 0) for (let j = 0; j < 2 * size; j++) row[j] = (row[j] as number) ^ multiply(factor, pivot[j] as number)
    }
  }
  return rows.map(row => row.slice(size))
}

/**
 * The n x k systematic matrix: the Vandermonde matrix with entries row^column, times the inverse of its top square, so that
 * the first k rows are the identity. Any k rows are invertible, for any k rows of a Vandermonde matrix with distinct bases are.
 */
export function systematicMatrix(n: number, k: number): Matrix {
  const vandermonde = Array.from({ length: n }, (_, row) => Uint8Array.from({ length: k }, (_, column) => raise(row, column)))
  const inverse = invertMatrix(vandermonde.slice(0, k))
  if (inverse === undefined) throw new RangeError('a Vandermonde matrix over distinct bases has an inverse')
  return multiplyMatrices(vandermonde, inverse)
}
