/** What an action of a contract is, and what it may do: read and write the state, emit events, append to logs. */

import { MalformedError } from '../encoding/errors.ts'
import type { Codec } from '../encoding/schema.ts'
import type { Origin } from '../ledger/transaction.ts'
import { ContractError } from './contract-error.ts'
import type { Right } from './delegations-formats.ts'
import type { EventName } from './events.ts'
import type { Folder } from './folders-formats.ts'
import type { Parameters } from './members-formats.ts'

/** Typed access to the state within one transaction. What is read must not be changed in place: it may be shared. */
export interface ActionState {
  read<T>(codec: Codec<T>, key: Uint8Array): T | undefined
  write<T>(codec: Codec<T>, key: Uint8Array, value: T): void
  remove(key: Uint8Array): void
}

/** Everything that an action knows. Author, sponsor and quota were checked before it runs. */
export interface ActionContext {
  readonly chainId: Uint8Array
  readonly height: number
  /** Time of the block, in ms. */
  readonly timeMs: number
  readonly parameters: Parameters
  readonly from: Origin
  /** Public key that signed for the author. */
  readonly signer: Uint8Array
  readonly sponsor: Uint8Array | null
  readonly state: ActionState
  /** Tells subscribers; a folder's events are numbered from 1 without gaps, an account's are all 0. */
  emit<T>(name: EventName, subject: Origin, codec: Codec<T>, data: T): void
  /** Adds an item to a log of which the state at `stream` keeps count and head. `make` gets the item's index, from 0. */
  append(stream: Uint8Array, make: (index: number) => LogEntry): { index: number; id: Uint8Array }
}

export interface LogEntry {
  readonly id: Uint8Array
  readonly body: Uint8Array
}

/** Who may do an action, and on whose account. */
export interface ActionPolicy {
  /** Kinds of author. An account is always charged itself. */
  readonly authors: readonly Origin['kind'][]
  /** Who is charged when a folder acts: a sponsor, or the bucket of the folder or of its recovery key unless a sponsor is named. */
  readonly folderCharge: 'sponsor' | 'bucket' | 'recovery'
  /** Keys by which a folder may do it. @default the owner key alone */
  readonly signers?: readonly FolderSigner[]
  /** The right by which a delegate of the owner may do it, with a sponsor; none, if left out. */
  readonly delegateRight?: Right
}

/** A folder's keys: its owner's, its recovery key, and the owner key that a pending recovery names. */
export type FolderSigner = 'owner' | 'recovery' | 'successor'

export interface Action extends ActionPolicy {
  /** Reads a body. The result runs the action. @throws ContractError `malformed` */
  prepare(body: Uint8Array): (context: ActionContext) => void
}

/** Binds an action's body format to what it does. */
export function defineAction<B>(policy: ActionPolicy, codec: Codec<B>, run: (context: ActionContext, body: B) => void): Action {
  return {
    ...policy,
    prepare: bytes => {
      let body: B
      try {
        body = codec.decode(bytes)
      } catch (error) {
        if (error instanceof MalformedError) throw new ContractError('malformed', error.message)
        throw error
      }
      return context => run(context, body)
    },
  }
}

/** The actions of one contract by name. */
export type Contract = ReadonlyMap<string, Action>

/** A folder as the contracts need it: with its id. */
export interface KnownFolder {
  readonly id: Uint8Array
  readonly folder: Folder
}
