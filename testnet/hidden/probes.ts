/** Questions that a reader without access can ask, each about something that is hidden or about something that never was. */
import { deskGrant } from '../../src/client/desk.ts'
import { signAsk } from '../../src/client/folder-ask.ts'
import { listVersions } from '../../src/client/get.ts'
import type { MemberInfo } from '../../src/client/light-peer.ts'
import { ReleaseStream } from '../../src/client/release-stream.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import { concat, equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { EpioneError, errorCode } from '../../src/encoding/errors.ts'
import { domain } from '../../src/encoding/hash.ts'
import {
  folderRequestCodec,
  type LightRequest,
  lightRequestCodec,
  OPEN_FOLDER_DOMAIN,
  openFolderCodec,
} from '../../src/network/light-messages.ts'
import { MAX_LIGHT_RESPONSE, PROTOCOL } from '../../src/network/protocols.ts'
import type { HiddenWorld } from './world.ts'

/** What came back: nothing else may differ either. */
export interface Answer {
  /** Code and sentence of the refusal, or `answer`. */
  readonly says: string
  /** Bytes of the answer. */
  readonly bytes: number
}

export interface Probe {
  readonly name: string
  /** Names of hidden things; each try takes one of them, or draws a name of nothing. */
  readonly names: readonly Uint8Array[]
  ask(name: Uint8Array): Promise<Answer>
}

/** What a try says of an answer, or of a refusal. */
async function answered(ask: () => Promise<number>): Promise<Answer> {
  try {
    return { says: 'answer', bytes: await ask() }
  } catch (error) {
    if (!(error instanceof EpioneError)) throw error
    return { says: `${errorCode(error)}: ${error.message}`, bytes: 0 }
  }
}

/** Every way to ask. @param draw 32 bytes that name nothing */
export async function probesOf(world: HiddenWorld, draw: () => Uint8Array): Promise<Probe[]> {
  const { peer, session, reader, hidden } = world
  const { folder } = session
  const custodian = (await peer.members())[0] as MemberInfo
  const own = await peer.member(reader.organisation)
  const light = async (request: LightRequest): Promise<number> =>
    (
      await peer.nodes.request(own.organisation.networkKey, PROTOCOL.light, lightRequestCodec.encode(request), {
        maxResponse: MAX_LIGHT_RESPONSE,
      })
    ).length
  const release = async (at: Uint8Array, submissionRoot: Uint8Array, leaves: number[] | null): Promise<number> => {
    const stream = await ReleaseStream.open(peer, { ...session, folder: at }, custodian, { submissionRoot, leaves })
    stream.abort()
    return stream.shown.length
  }
  const query = (key: Uint8Array): LightRequest => ({ type: 'query', value: { height: null, keys: [key] } })
  const { folder: away, roots, former, records, marks, consents } = hidden
  return [
    // What `record list`, `record get` and `record history` stand on: the list of what may be read, searched for a record.
    {
      name: 'list and history',
      names: records,
      ask: async name =>
        await answered(async () => {
          const { versions } = await listVersions(peer, session, { submission: world.open })
          return versions.filter(version => toHex(version.recordId) === toHex(name)).length
        }),
    },
    { name: 'release of a submission', names: roots, ask: async name => await answered(async () => await release(folder, name, [0])) },
    { name: 'list of a submission', names: roots, ask: async name => await answered(async () => await release(folder, name, null)) },
    {
      name: 'release of a former submission',
      names: former,
      ask: async name => await answered(async () => await release(folder, name, [0])),
    },
    {
      name: 'list of a former submission',
      names: former,
      ask: async name => await answered(async () => await release(folder, name, null)),
    },
    {
      name: 'release in a folder',
      names: roots,
      ask: async name => await answered(async () => await release(isOf(roots, name) ? away : draw(), name, [0])),
    },
    {
      name: 'grant at a custodian',
      names: consents,
      ask: async name =>
        await answered(async () => {
          const at = isOf(consents, name) ? away : draw()
          const value = await signAsk(peer, reader.signing, { folder: at, consent: name, custodian })
          const request = folderRequestCodec.encode({ type: 'get-wrap', value })
          return (await peer.nodes.request(custodian.organisation.networkKey, PROTOCOL.folder, request, { maxResponse: 32 * 1024 })).length
        }),
    },
    {
      name: 'grant at the own desk',
      names: consents,
      ask: async name =>
        await answered(async () => (await deskGrant(peer, reader, isOf(consents, name) ? away : draw(), name)).wrap.length),
    },
    {
      name: 'custodians of a submission',
      names: roots,
      ask: async name => await answered(async () => await light({ type: 'locate', value: { folder, submissionRoot: name } })),
    },
    {
      name: 'state of a submission',
      names: roots,
      ask: async name => await answered(async () => await light(query(stateKey.submission(folder, name)))),
    },
    {
      name: 'state of an erasure',
      names: marks,
      ask: async name => await answered(async () => await light(query(stateKey.erasure(folder, name)))),
    },
    {
      name: 'state of a consent',
      names: consents,
      ask: async name => await answered(async () => await light(query(stateKey.consent(folder, name)))),
    },
    {
      name: 'list of the ledger',
      names: marks,
      ask: async name =>
        await answered(
          async () =>
            await light({ type: 'prefix', value: { height: null, prefix: stateKey.erasure(folder, name), after: null, limit: 10 } }),
        ),
    },
    {
      name: 'a further folder',
      names: [away],
      ask: async name =>
        await answered(async () => {
          const content = openFolderCodec.encode({
            ...{ chainId: peer.chainId, folder: name, peer: peer.nodes.network.networkKey, time: peer.now(), body: new Uint8Array(1) },
          })
          const signature = await reader.signing.sign(concat(domain(OPEN_FOLDER_DOMAIN), content))
          return await light({ type: 'open-folder', value: { content, key: reader.signing.publicKey, signature } })
        }),
    },
  ]
}

function isOf(names: readonly Uint8Array[], name: Uint8Array): boolean {
  return names.some(one => equalBytes(one, name))
}
