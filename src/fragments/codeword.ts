/**
 * Which of several values of a codeword are wrong: decoding of errors by the algorithm of Berlekamp and Welch (US patent 4,633,470; in the
 * form of Gemmell and Sudan 1992). The shards of the erasure code at one place are the values of a polynomial of degree below k at the
 * points 0 to n - 1 of GF(2^8), and so is every linear combination of places.
 */
import type { CodeParameters } from './erasure.ts'
import { divide, multiply } from './field.ts'

/** Values by index, of equal lengths; a missing one is `undefined`. */
export type Values = readonly (Uint8Array | undefined)[]

/**
 * The values at all n indices of the one codeword from which at most `errors` of the given values differ; undefined where there is none.
 * There is no second one while `errors` is at most half of what exceeds k.
 */
export function nearestCodeword({ n, k }: CodeParameters, values: Values, errors: number): Uint8Array[] | undefined {
  const given = values.flatMap((value, index) => (value === undefined ? [] : [{ index, value }]))
  const length = given[0]?.value.length ?? 0
  if (given.length < k + 2 * errors) throw new RangeError(`${given.length} values do not tell ${errors} errors`)
  const out = Array.from({ length: n }, () => new Uint8Array(length))
  for (let at = 0; at < length; at++) {
    const points = given.map(({ index, value }) => ({ x: index, y: value[at] as number }))
    const polynomial = decode(points, k, errors)
    if (polynomial === undefined) return undefined
    for (let index = 0; index < n; index++) (out[index] as Uint8Array)[at] = evaluate(polynomial, index)
  }
  const wrong = given.filter(({ index, value }) => value.some((byte, at) => byte !== out[index]?.[at]))
  return wrong.length > errors ? undefined : out
}

interface Point {
  readonly x: number
  readonly y: number
}

/** Coefficients, lowest first, of the polynomial of degree below k that meets all points but at most `errors`. */
function decode(points: readonly Point[], k: number, errors: number): Uint8Array | undefined {
  // Q(x) = y E(x) at every point, with E monic of degree `errors` and Q of degree below k + errors.
  const unknowns = k + 2 * errors
  const rows = points.map(({ x, y }) => {
    const row = new Uint8Array(unknowns + 1)
    for (let j = 0, power = 1; j < k + errors; j++, power = multiply(power, x)) row[j] = power
    let power = 1
    for (let j = 0; j < errors; j++, power = multiply(power, x)) row[k + errors + j] = multiply(y, power)
    row[unknowns] = multiply(y, power)
    return row
  })
  const solution = solve(rows, unknowns)
  if (solution === undefined) return undefined
  const locator = Uint8Array.of(...solution.subarray(k + errors), 1)
  return quotient(solution.subarray(0, k + errors), locator)?.subarray(0, k)
}

/** One solution of linear equations (coefficients, then the right side), free unknowns zero; undefined where there is none. Changes the rows. */
function solve(rows: Uint8Array[], unknowns: number): Uint8Array | undefined {
  const pivots: number[] = []
  for (let column = 0; column < unknowns; column++) {
    const rank = pivots.length
    const found = rows.findIndex((row, i) => i >= rank && row[column] !== 0)
    if (found < 0) continue
    const pivot = rows[found] as Uint8Array
    rows[found] = rows[rank] as Uint8Array
    rows[rank] = pivot
    const scale = pivot[column] as number
    for (let j = column; j <= unknowns; j++) pivot[j] = divide(pivot[j] as number, scale)
    for (const row of rows) {
      const factor = row === pivot ? 0 : (row[column] as number)
      if (factor !== 0) for (let j = column; j <= unknowns; j++) row[j] = (row[j] as number) ^ multiply(factor, pivot[j] as number)
    }
    pivots.push(column)
  }
  if (rows.slice(pivots.length).some(row => row[unknowns] !== 0)) return undefined
  const solution = new Uint8Array(unknowns)
  pivots.forEach((column, i) => {
    solution[column] = rows[i]?.[unknowns] as number
  })
  return solution
}

/** Quotient of two polynomials, lowest coefficient first, the divisor monic; undefined where a remainder is left. */
function quotient(dividend: Uint8Array, divisor: Uint8Array): Uint8Array | undefined {
  const rest = dividend.slice()
  const degree = divisor.length - 1
  const out = new Uint8Array(Math.max(1, rest.length - degree))
  for (let i = rest.length - 1 - degree; i >= 0; i--) {
    const factor = rest[i + degree] as number
    out[i] = factor
    for (let j = 0; j <= degree; j++) rest[i + j] = (rest[i + j] as number) ^ multiply(factor, divisor[j] as number)
  }
  return rest.some(coefficient => coefficient !== 0) ? undefined : out
}

function evaluate(polynomial: Uint8Array, x: number): number {
  return polynomial.reduceRight((sum, coefficient) => multiply(sum, x) ^ coefficient, 0)
}
