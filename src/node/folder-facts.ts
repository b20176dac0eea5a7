/** What the state says of a folder, as services ask it. */
import { delegationOf } from '../contracts/delegation-rules.ts'
import { hasRight, type Right } from '../contracts/delegations-formats.ts'
import { type Folder, folderCodec } from '../contracts/folders-formats.ts'
import { parametersCodec } from '../contracts/members-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { EpioneError } from '../encoding/errors.ts'
import type { Codec } from '../encoding/schema.ts'
import type { StateReader } from '../ledger/state-tree.ts'

export function folderAt(state: StateReader, folderId: Uint8Array): Folder | undefined {
  const value = state.get(stateKey.folder(folderId))
  return value === undefined ? undefined : folderCodec.decode(value)
}

/** Whether a key may do for a folder's owner what takes this right, at a state. */
export function isDelegateAt(state: StateReader, folderId: Uint8Array, key: Uint8Array, right: Right, timeMs: number): boolean {
  return delegationAt(state, folderId, key, right, timeMs) !== null
}

/** The id of the delegation under which a key may do that; null where there is none in force with this right. */
export function delegationAt(state: StateReader, folderId: Uint8Array, key: Uint8Array, right: Right, timeMs: number): Uint8Array | null {
  const read = <T>(codec: Codec<T>, at: Uint8Array): T | undefined => {
    const value = state.get(at)
    return value === undefined ? undefined : codec.decode(value)
  }
  const found = delegationOf({ read }, folderId, key, timeMs)
  return found !== undefined && hasRight(found.delegation.rights, right) ? found.id : null
}

/** What is said wherever a folder, a record or a grant is not there or not for the asker: the same in every case. */
export function notFound(): EpioneError {
  return new EpioneError('not-found', 'There is nothing here under this name.')
}

/** The jurisdictions among which a folder's fragments stay; null for all. @throws EpioneError `not-found` */
export function policyOf(state: StateReader, folderId: Uint8Array): readonly string[] | null {
  const folder = folderAt(state, folderId)
  if (folder === undefined) throw notFound()
  const parameters = parametersCodec.decode(state.get(stateKey.parameters()) as Uint8Array)
  return parameters.policies[folder.policy]?.jurisdictions ?? null
}
