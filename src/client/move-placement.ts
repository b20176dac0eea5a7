/**
 * Placement of what is moved. Its fragments lie at custodians already, and none may ever get a second one of the same ciphertext: with k of
 * them it could put it together alone. Placement follows from the submission's root, and that from salts that are drawn at random: they are
 * drawn until nobody is to have another index than before.
 */
import { toHex } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import type { Placement } from '../fragments/placement.ts'

/** Most draws. Of 7 custodians for 7 fragments one draw in 230 will do, of 4 for 4 one in 24, and of many almost every one. */
const MAX_DRAWS = 20_000
/** Draws after which placements are taken that leave up to f custodians out: what these miss is repaired once the source is erased. */
const FULL_DRAWS = 2_000
/** Draws between two looks at the clock. */
const PAGE = 128

export interface Drawn<T> {
  readonly value: T
  readonly placement: Placement
}

/**
 * Draws until the placement fits.
 * @param indices the one index of everybody who holds or has held one, by id in hex
 * @throws EpioneError `no-placement`
 */
export async function drawPlacement<T>(
  draw: () => Drawn<T>,
  indices: ReadonlyMap<string, number>,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<Drawn<T>> {
  let best: { drawn: Drawn<T>; conflicts: number } | undefined
  for (let draws = 1; draws <= MAX_DRAWS; draws++) {
    const drawn = draw()
    const { custodians } = drawn.placement
    const conflicts = custodians.filter(({ id }, index) => (indices.get(toHex(id)) ?? index) !== index).length
    if (conflicts === 0) return drawn
    if (best === undefined || conflicts < best.conflicts) best = { drawn, conflicts }
    const f = Math.floor((custodians.length - 1) / 3)
    if (draws >= FULL_DRAWS && best.conflicts <= f) return best.drawn
    if (draws % PAGE === 0) {
      options.signal?.throwIfAborted()
      await new Promise(resolve => setTimeout(resolve, 0))
    }
  }
  throw new EpioneError(
    'no-placement',
    'In this network nearly every custodian has a fragment of this already, and no placement was found that gives none of them a second one. Nothing was moved.',
  )
}
