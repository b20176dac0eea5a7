/** Seeded randomness for property tests: a failure names the seed, and `EPIONE_TEST_SEED` replays it. */
import { randomInt } from 'node:crypto'
import { type SeededRandom, seededRandom } from './seeded-random.ts'

export { type SeededRandom, seededRandom } from './seeded-random.ts'

/** A test body that gets seeded randomness; when it fails, the error says with which seed. */
export function property(body: (random: SeededRandom) => void | Promise<void>): () => Promise<void> {
  return async () => {
    const given = process.env.EPIONE_TEST_SEED
    const seed = given === undefined ? randomInt(2 ** 32) : Number(given)
    try {
      await body(seededRandom(seed))
    } catch (error) {
      if (error instanceof Error) error.message += ` (replay with EPIONE_TEST_SEED=${seed})`
      throw error
    }
  }
}
