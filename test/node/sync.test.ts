/** Catching up from peers of whom one lies. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { blockCodec } from '../../src/ledger/block.ts'
import { commitResponseCodec } from '../../src/network/light-messages.ts'
import type { Network } from '../../src/network/network.ts'
import { PROTOCOL } from '../../src/network/protocols.ts'
import { syncRequestCodec, syncResponseCodec } from '../../src/network/validator-messages.ts'
import { SyncService } from '../../src/node/sync.ts'
import { eventually, genesisOf, seedOf } from './cluster.ts'
import { nextBlock, openTestChain, temporary } from './ledger-fixture.ts'

const test = suite('sync')

test('a peer that claims a height and repeats an old block is reported, and an honest one is asked', async () => {
  using behind = temporary()
  using ahead = temporary()
  const genesis = genesisOf()
  await using own = await openTestChain(behind.dir, genesis)
  await using theirs = await openTestChain(ahead.dir, genesis)
  const blocks: Uint8Array[] = []
  for (let height = 1; height <= 5; height++) {
    const block = nextBlock(theirs.chain)
    await theirs.chain.accept(block)
    blocks.push(blockCodec.encode(block))
  }
  const [liar, honest] = [seedOf('liar'), seedOf('honest')]
  const asked = { liar: 0, honest: 0 }
  const reports: string[] = []
  const { header, certificate, validators } = theirs.chain.tip
  const network = {
    handle: async () => undefined,
    subscribe: () => undefined,
    onPeer: () => () => undefined,
    peers: () => [liar, honest].map(networkKey => ({ networkKey, member: true, connected: true })),
    report: (peer: Uint8Array, offence: string) => reports.push(`${peer === liar ? 'liar' : 'honest'}: ${offence}`),
    request: async (peer: Uint8Array, protocol: string, request: Uint8Array) => {
      const lies = peer === liar
      if (protocol === PROTOCOL.light) {
        const claimed = lies ? { ...header, height: 1000 } : header
        return commitResponseCodec.encode({ header: claimed, certificate, validators: validators.current })
      }
      asked[lies ? 'liar' : 'honest']++
      // Gives the event loop back, so that an endless exchange ends this test and not the machine.
      await new Promise(resolve => setImmediate(resolve))
      const { from, limit } = syncRequestCodec.decode(request)
      return syncResponseCodec.encode({ blocks: lies ? blocks.slice(0, 1) : blocks.slice(from - 1, from - 1 + limit) })
    },
  } as unknown as Network
  const silent = () => undefined
  const logger = { debug: silent, info: silent, warn: silent, error: silent }
  const sync = new SyncService({ chain: own.chain, network, logger, onSynced: async () => undefined })
  await sync.start()
  try {
    sync.catchUp()
    await eventually(() => own.chain.tip.header.height === 5, 'the node has caught up')
    assert.equal(reports, ['liar: lie'])
    assert.ok(asked.liar <= 3, `the liar was asked ${asked.liar} times`)
  } finally {
    await sync.stop()
  }
})

test.run()
