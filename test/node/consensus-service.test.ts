import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Certificate } from '../../src/ledger/certificate.ts'
import type { Header } from '../../src/ledger/header.ts'
import { type ConsensusDependencies, ConsensusService } from '../../src/node/consensus-service.ts'
import { genesis, headerOn, testKeys, validatorSet } from '../consensus/network.ts'

const test = suite('consensus service')

interface World {
  service: ConsensusService
  header: Header
  /** Synchronisation stores the decided block. */
  store(): void
  /** How often synchronisation was asked to look. */
  asked: number
}

/** A service on a chain at genesis, whose pool holds no batch and whose peers hold none any more. */
function world(): World {
  const keys = testKeys(1)
  const validators = validatorSet(keys)
  const start = genesis(validators)
  const header = headerOn(start, keys[0]!.publicKey, start.header.time + 1, [])
  const tipOf = (of: Header) => ({
    header: of,
    hash: start.hash,
    validators: { current: validators, next: validators, decided: validators },
  })
  let stored: (() => void) | undefined
  const chain = {
    tip: tipOf(start.header),
    waitAbove: (_height: number, { signal }: { signal: AbortSignal }) =>
      new Promise<void>(resolve => {
        stored = resolve
        signal.addEventListener('abort', () => resolve())
      }),
    commit: () => assert.unreachable('there is nothing to commit'),
  }
  const gather = (_digests: unknown, { signal }: { signal: AbortSignal }) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  const made: World = {
    header,
    asked: 0,
    service: new ConsensusService({ key: null }, {
      chain,
      sync: () => ({ catchUp: () => made.asked++ }),
      transactions: () => ({ pool: { batch: () => undefined }, gather }),
    } as unknown as ConsensusDependencies),
    store: () => {
      chain.tip = tipOf(header)
      stored?.()
    },
  }
  return made
}

const certificate = {} as Certificate

test('a decided block whose batches nobody has any more comes by synchronisation, and nothing waits longer than that', async () => {
  const { service, header, store } = world()
  const committed = service.commit(header, [new Uint8Array(32)], certificate)
  store()
  assert.is((await committed).header.height, header.height)
})

test('synchronisation is asked at once, and not left to its rhythm', async () => {
  const made = world()
  const committed = made.service.commit(made.header, [new Uint8Array(32)], certificate)
  assert.is(made.asked, 1)
  made.store()
  await committed
})

test.run()
