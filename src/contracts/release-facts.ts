/** Reads what {@link releaseDecision} needs from a state: the only place that knows under which keys. */
import type { Codec } from '../encoding/schema.ts'
import type { StateReader } from '../ledger/state-tree.ts'
import type { AccessEntry } from './access-formats.ts'
import type { AccessOpening, ConsentOpening, RecordClass } from './consent-terms.ts'
import { consentCodec } from './consents-formats.ts'
import { delegationCodec, delegationIdCodec } from './delegations-formats.ts'
import { depositCodec, type EmergencyReason, emergencyCodec, standingDeposit } from './emergency-formats.ts'
import { folderCodec, type Label } from './folders-formats.ts'
import { accountCodec } from './members-formats.ts'
import { anchorCodec, erasureMark } from './records-formats.ts'
import type { SessionFacts, VersionFacts } from './release-decision.ts'
import type { DelegationFacts } from './release-delegation.ts'
import { isEmergencyEntry } from './release-emergency.ts'
import { stateKey } from './state-keys.ts'

function read<T>(state: StateReader, codec: Codec<T>, key: Uint8Array): T | null {
  const bytes = state.get(key)
  return bytes === undefined ? null : codec.decode(bytes)
}

/** Facts about a session at a state. `entry` is from the folder's access log: the state holds that log's head alone. */
export function readSessionFacts(
  state: StateReader,
  asked: {
    timeMs: number
    folderId: Uint8Array
    entryId: Uint8Array
    entry: AccessEntry | null
    accessOpening: AccessOpening
    consentOpening: ConsentOpening | null
    /** Of break-glass alone. */
    reason?: EmergencyReason | null
  },
): SessionFacts {
  const { folderId, entry, entryId, reason = null } = asked
  const organisation = entry?.organisation ?? null
  const consent = entry?.consent ?? null
  return {
    ...asked,
    folder: read(state, folderCodec, stateKey.folder(folderId)),
    isOrganisationActive: organisation !== null && read(state, accountCodec, stateKey.account(organisation))?.status === 'active',
    consent: consent === null ? null : read(state, consentCodec, stateKey.consent(folderId, consent)),
    emergency:
      entry === null || !isEmergencyEntry(entry)
        ? null
        : {
            reason,
            emergency: read(state, emergencyCodec, stateKey.emergency(folderId, entryId)),
            deposit: standingDeposit(read(state, depositCodec, stateKey.emergencyDeposit(folderId))),
          },
    ...readDelegationFacts(state, folderId, consent),
  }
}

/** Facts about a consent as a delegation, and as granted under one. */
export function readDelegationFacts(state: StateReader, folderId: Uint8Array, consent: Uint8Array | null): DelegationFacts {
  if (consent === null) return { delegation: null, grantor: null }
  const by = read(state, delegationIdCodec, stateKey.grantedBy(folderId, consent))
  const grantor = by && {
    delegation: read(state, delegationCodec, stateKey.delegation(folderId, by)),
    consent: read(state, consentCodec, stateKey.consent(folderId, by)),
  }
  return { delegation: read(state, delegationCodec, stateKey.delegation(folderId, consent)), grantor }
}

/** Whether a state holds the erasure mark of a version: nobody may release, take, rebuild or keep it then. */
export function isErasedAt(
  state: StateReader,
  folderId: Uint8Array,
  { salt, recordId, version }: { salt: Uint8Array; recordId: Uint8Array; version: number },
): boolean {
  return state.get(stateKey.erasure(folderId, erasureMark(salt, recordId, version))) !== undefined
}

/** Facts about a version at a state. `salt`, class and time are from what the author left with the custodian. */
export function readVersionFacts(
  state: StateReader,
  asked: {
    folderId: Uint8Array
    submissionRoot: Uint8Array
    recordId: Uint8Array
    version: number
    salt: Uint8Array
    class: RecordClass
    dataTime: number | null
    /** Label of the folder, as it was opened to the custodian. */
    label?: Label
  },
): VersionFacts {
  const { folderId, submissionRoot, recordId, version } = asked
  return {
    anchor: read(state, anchorCodec, stateKey.submission(folderId, submissionRoot)),
    recordId,
    version,
    class: asked.class,
    dataTime: asked.dataTime,
    label: asked.label,
    isErased: isErasedAt(state, folderId, asked),
  }
}
