/** Members that help with a repair, as played by a test: what they hold and what they send. */
import { versionLeafHash } from '../../src/fragments/formats.ts'
import { CHUNK_BYTES } from '../../src/fragments/layout.ts'
import type { Network } from '../../src/network/network.ts'
import { type RepairReply, type RepairRequest, repairReplyCodec, repairRequestCodec } from '../../src/network/repair-messages.ts'
import { type Held, INDEX, LABEL_SALT } from './custodian-world.ts'

/** What is sent for a question. `nth` counts the questions of its type, from 0. */
export type Answer = (request: RepairRequest, nth: number) => AsyncGenerator<RepairReply>

/** The part of a network that a repair talks to. */
export function playedNetwork(answer: Answer): Network {
  const asked = new Map<string, number>()
  const openStream = async (peer: Uint8Array) => {
    let request: Uint8Array
    const frames = async function* (): AsyncGenerator<Uint8Array> {
      const question = repairRequestCodec.decode(request)
      const nth = asked.get(question.type) ?? 0
      asked.set(question.type, nth + 1)
      for await (const reply of answer(question, nth)) yield repairReplyCodec.encode(reply)
      yield repairReplyCodec.encode({ type: 'end', value: {} })
    }
    const nothing = async (): Promise<void> => undefined
    return {
      peer,
      frames,
      send: async (bytes: Uint8Array) => {
        request = bytes
      },
      ...{ closeWrite: nothing, close: nothing, abort: () => undefined },
    }
  }
  return { openStream, report: () => undefined } as unknown as Network
}

/** The parts of two helpers: one sends the fragment itself, and the other nothing but zeros. */
export async function* part({ dispersed }: Held, leaf: number, helper: number): AsyncGenerator<RepairReply> {
  const fragment = dispersed[leaf]?.fragments[INDEX] as Uint8Array
  yield { type: 'version', value: { leaf } }
  for (let at = 0; at < fragment.length; at += CHUNK_BYTES) {
    const chunk = fragment.subarray(at, at + CHUNK_BYTES)
    yield { type: 'chunk', value: helper === 0 ? chunk : new Uint8Array(chunk.length) }
  }
}

/** What a member that holds a submission says of it; those at `erased` are hidden. */
export async function* metas(held: Held, erased: readonly number[] = []): AsyncGenerator<RepairReply> {
  yield { type: 'submission', value: { versions: held.metas.length, label: 'normal', labelSalt: LABEL_SALT } }
  yield {
    type: 'versions',
    value: held.metas.map((meta, i) =>
      erased.includes(i)
        ? { type: 'hidden', value: { leafHash: versionLeafHash(meta.leaf) } }
        : { type: 'held', value: { meta, fragmentRoots: held.dispersed[i]?.fragmentRoots as Uint8Array[] } },
    ),
  }
}
