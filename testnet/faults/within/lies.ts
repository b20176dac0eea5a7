/** What a lying node does, called from the places that edits.ts names. While it is honest, everything passes as it is. */
import type { Datastore, Query } from 'interface-datastore'
import { consensusMessageCodec, signVote, type Vote } from '../../../src/consensus/messages.ts'
import type { SigningKey } from '../../../src/crypto/signature.ts'
import { EpioneError } from '../../../src/encoding/errors.ts'
import { sha256 } from '../../../src/encoding/hash.ts'
import { commitResponseCodec, type LightRequest, queryResponseCodec } from '../../../src/network/light-messages.ts'
import type { Lie } from '../modes.ts'

/** How long those who got the one vote do not see the other, in ms. */
const LATER_MS = 50
/** A node that shows the past does so at its ease, as an honest one waits for a block, in ms. */
const STALE_WAIT_MS = 1_000

interface Channel {
  broadcast(bytes: Uint8Array): void
  send(peer: Uint8Array, bytes: Uint8Array): void
  open(): Uint8Array[]
}

export class Lies {
  readonly #mode: () => Lie | null
  /** What was newest when the node began to show the past. */
  #past: Uint8Array | undefined

  constructor(mode: () => Lie | null) {
    this.#mode = mode
  }

  /** Of consensus: a message for all validators. */
  broadcast(bytes: Uint8Array, channel: Channel, { chainId, key }: { chainId: Uint8Array; key: SigningKey | null }): void {
    const mode = this.#mode()
    if ((mode !== 'equivocate' && mode !== 'withhold') || key === null) {
      channel.broadcast(bytes)
      return
    }
    const message = consensusMessageCodec.decode(bytes)
    if (mode === 'withhold') {
      if (message.type !== 'proposal') channel.broadcast(bytes)
      return
    }
    if (message.type !== 'vote') {
      channel.broadcast(bytes)
      return
    }
    const { signature: _, ...vote } = message.value
    const other = signVote(chainId, { ...vote, block: vote.block === null ? sha256(bytes) : null } as Vote, key)
    const forged = consensusMessageCodec.encode({ type: 'vote', value: other })
    // Half of them get the one vote and half of them the other; what each did not get comes when the height is long decided.
    const peers = channel.open()
    for (const [i, peer] of peers.entries()) channel.send(peer, i % 2 === 0 ? bytes : forged)
    setTimeout(() => {
      for (const [i, peer] of peers.entries()) channel.send(peer, i % 2 === 0 ? forged : bytes)
    }, LATER_MS).unref()
  }

  /** Of the light protocol: one request and its honest answer. */
  async light(request: LightRequest, answer: (request: LightRequest) => Promise<Uint8Array>): Promise<Uint8Array> {
    const mode = this.#mode()
    if (mode !== 'stale') this.#past = undefined
    if (mode === 'stale') return await this.#stale(request, answer)
    const bytes = await answer(request)
    if (mode !== 'forge') return bytes
    if (request.type === 'commit' || request.type === 'wait') {
      const { header, ...rest } = commitResponseCodec.decode(bytes)
      return commitResponseCodec.encode({ ...rest, header: { ...header, stateRoot: sha256(header.stateRoot) } })
    }
    if (request.type === 'query') {
      const { commit, proofs } = queryResponseCodec.decode(bytes)
      return queryResponseCodec.encode({
        commit: { ...commit, header: { ...commit.header, stateRoot: sha256(commit.header.stateRoot) } },
        proofs,
      })
    }
    return bytes
  }

  async #stale(request: LightRequest, answer: (request: LightRequest) => Promise<Uint8Array>): Promise<Uint8Array> {
    this.#past ??= await answer({ type: 'commit', value: { height: null } })
    const { height } = commitResponseCodec.decode(this.#past).header
    switch (request.type) {
      case 'wait':
        await new Promise(resolve => setTimeout(resolve, STALE_WAIT_MS))
        return this.#past
      case 'commit':
        return request.value.height === null ? this.#past : await answer(request)
      case 'query':
        return await answer({ type: 'query', value: { ...request.value, height: request.value.height ?? height } })
      case 'prefix':
        return await answer({ type: 'prefix', value: { ...request.value, height: request.value.height ?? height } })
      default:
        return await answer(request)
    }
  }

  /** Of a custodian: before a release. */
  release(): void {
    if (this.#mode() === 'withhold') throw new EpioneError('not-found', 'There is nothing here under this name.')
  }

  /** Of a custodian: a piece of a fragment that goes out. */
  chunk(chunk: Uint8Array): Uint8Array {
    if (this.#mode() !== 'lie-fragments' || chunk.length === 0) return chunk
    const wrong = chunk.slice()
    wrong[0] = (wrong[0] as number) ^ 1
    return wrong
  }

  /** Of the DHT: the records of who holds what. */
  records(datastore: Datastore, members: () => { toString(): string }[]): Datastore {
    const query = (asked: Query, options?: Parameters<Datastore['query']>[1]): ReturnType<Datastore['query']> => {
      const prefix = asked.prefix ?? ''
      if (this.#mode() !== 'poison-dht' || !/^\/dht\/provider\/[^/]+$/.test(prefix)) return datastore.query(asked, options)
      return everybody(datastore, prefix, members())
    }
    return Object.create(datastore, { query: { value: query } }) as Datastore
  }
}

async function* everybody(
  _: Datastore,
  prefix: string,
  members: readonly { toString(): string }[],
): AsyncGenerator<{ key: import('interface-datastore').Key; value: Uint8Array }> {
  const { Key } = await import('interface-datastore')
  for (const member of members) yield { key: new Key(`${prefix}/${member.toString()}`), value: varint(Date.now()) }
}

/** A number as protobuf writes it. */
function varint(value: number): Uint8Array {
  const bytes: number[] = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Uint8Array.from([...bytes, rest])
    bytes.push((rest % 128) | 128)
  }
}
