/**
 * A second, slow erasure code that shares nothing with the first: the systematic Vandermonde code is the one in which shard r
 * is the value at r of the polynomial of degree below k that takes the data at 0, 1, ... k - 1; here by Lagrange's formula.
 */

/** Product in GF(2^8) by shifts and additions, modulo 0x11d. */
function times(a: number, b: number): number {
  let product = 0
  for (let x = a, y = b; y > 0; y >>= 1) {
    if (y & 1) product ^= x
    x <<= 1
    if (x & 0x100) x ^= 0x11d
  }
  return product
}

function inverse(a: number): number {
  for (let b = 1; b < 256; b++) if (times(a, b) === 1) return b
  throw new RangeError('zero has no inverse')
}

/** Factor of the data at `node` in the value at `at`. */
function lagrange(at: number, node: number, k: number): number {
  let factor = 1
  for (let other = 0; other < k; other++) {
    if (other !== node) factor = times(factor, times(at ^ other, inverse(node ^ other)))
  }
  return factor
}

/** All n shards of k data shards of equal length. */
export function referenceShards(data: readonly Uint8Array[], n: number): Uint8Array[] {
  const k = data.length
  return Array.from({ length: n }, (_, row) => {
    const factors = data.map((_, node) => lagrange(row, node, k))
    return Uint8Array.from({ length: data[0]?.length ?? 0 }, (_, byte) =>
      data.reduce((sum, shard, i) => sum ^ times(factors[i] as number, shard[byte] as number), 0),
    )
  })
}
