/** Rules and errors that the parts of the fragment store share. */
import { equalBytes } from '../encoding/bytes.ts'
import { EpioneError, MalformedError } from '../encoding/errors.ts'
import { HASH_LENGTH } from '../encoding/hash.ts'
import { MAX_FRAGMENTS } from './erasure.ts'
import type { FragmentRecord } from './fragment-index.ts'
import type { FragmentKey } from './fragment-writer.ts'

export function checkHash(hash: Uint8Array, what: string): void {
  if (hash.length !== HASH_LENGTH) throw new MalformedError(`${what} has ${HASH_LENGTH} bytes`)
}

export function checkKey({ dispersalRoot, index }: FragmentKey): void {
  checkHash(dispersalRoot, 'a dispersal root')
  if (!Number.isInteger(index) || index < 0 || index >= MAX_FRAGMENTS)
    throw new MalformedError('a fragment index is from 0 to 47', { index })
}

/** A custodian never holds two indices of one version: with k of them it could read alone. */
export function checkSame(key: FragmentKey, length: number, root: Uint8Array | undefined, present: FragmentRecord | undefined): void {
  if (present === undefined) return
  if (present.index !== key.index) {
    throw new EpioneError('second-index', `fragment ${present.index} of this version is here; a custodian holds one`, {
      metadata: { present: present.index, index: key.index },
    })
  }
  if (present.length !== length || (root !== undefined && !equalBytes(root, present.fragmentRoot))) {
    throw new EpioneError('exists', `another fragment ${key.index} of this dispersal is here`, { metadata: { index: key.index } })
  }
}

export function corrupt({ index }: FragmentKey, why: string): EpioneError {
  return new EpioneError('corrupt-fragment', `fragment ${index} is corrupt: ${why}`, { metadata: { index } })
}

export function busy(why: string): EpioneError {
  return new EpioneError('busy', `${why}: try again shortly`)
}
