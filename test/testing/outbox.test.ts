/** The outbox against real nodes: whatever breaks off and wherever, each entry is in the ledger once, and in order. */
import {
  EpioneError,
  grantConsent,
  listConsents,
  listVersions,
  memoryOutboxStore,
  Outbox,
  type OutboxStore,
  openOwnSession,
  readRecord,
} from 'epione/client'
import { createTestNetwork, enrolPatient, permitFor, textRecord } from 'epione/testing'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MAX_OUTBOX_ENTRIES } from '../../src/client/outbox.ts'
import { toHex, utf8 } from '../../src/encoding/bytes.ts'

const test = suite('outbox')
const KEY = new Uint8Array(32).fill(9)
const code = (error: unknown): string => (error instanceof EpioneError ? error.code : String(error))

/** A store of which one operation breaks off, as the power does: before it has happened, or after. */
function breaking(
  inner: OutboxStore,
): OutboxStore & { next: { operation: 'save' | 'remove'; name: RegExp; after: boolean } | null; broke: number } {
  const store = {
    ...inner,
    next: null as { operation: 'save' | 'remove'; name: RegExp; after: boolean } | null,
    broke: 0,
    async save(name: string, sealed: Uint8Array) {
      await guarded('save', name, async () => await inner.save(name, sealed))
    },
    async remove(name: string) {
      await guarded('remove', name, async () => await inner.remove(name))
    },
  }
  const guarded = async (operation: 'save' | 'remove', name: string, act: () => Promise<void>): Promise<void> => {
    const breaks = store.next?.operation === operation && store.next.name.test(name) ? store.next : null
    if (breaks !== null && !breaks.after) fall()
    await act()
    if (breaks !== null) fall()
  }
  const fall = (): never => {
    store.next = null
    store.broke++
    throw new Error('the power went')
  }
  return store
}

test('each entry is sent once, in order, wherever it breaks off; what is offline waits', async () => {
  await using net = await createTestNetwork({ seed: 11 })
  const peer = await net.connect()
  const [person, reader] = [await net.person('Dr Wanjiru'), await net.person('Dr Keller', { organisation: 1 })]
  const { wallet, owned, address } = await enrolPatient(peer, person)
  const { consent } = await grantConsent(peer, wallet, owned, { sealingKey: reader.sealing.publicKey, provision: permitFor(reader) })
  const inner = memoryOutboxStore()
  const store = breaking(inner)
  const outbox = new Outbox({ store, key: KEY })
  const sender = { person, wallet }
  const contents = async (): Promise<string[]> => {
    const session = await openOwnSession(peer, wallet, owned)
    const { versions } = await listVersions(peer, session)
    const texts: string[] = []
    for (const version of versions) texts.push(new TextDecoder().decode((await readRecord(peer, session, version)).bytes))
    return texts
  }

  // All hospitals are away: everything waits, sealed.
  for (const index of [0, 1, 2, 3]) await net.stopNode(index)
  const expected: string[] = []
  for (const text of ['one', 'two', 'three', 'four']) {
    await outbox.addRecords(address, [textRecord(text)])
    expected.push(text)
  }
  await outbox.addRevocation(owned.id, consent)
  for (const name of await inner.names()) assert.not.ok(toHex((await inner.load(name)) as Uint8Array).includes(toHex(utf8('three'))))
  const away = await outbox.flush(peer, sender, { timeoutMs: 1_000 })
  assert.equal([away.sent, away.parked, away.waiting], [[], [], 5])
  assert.ok(away.because !== null)
  assert.equal(
    (await outbox.list()).map(({ kind, parked }) => `${kind} ${parked}`),
    ['records null', 'records null', 'records null', 'records null', 'revoke null'],
  )
  for (const index of [0, 1, 2, 3]) await net.startNode(index)
  await net.ready()

  // Before the keys of an upload are kept, after that, after the ledger has it, and after half of the forgetting.
  for (const next of [
    { operation: 'save', name: /journal$/, after: false },
    { operation: 'save', name: /journal$/, after: true },
    { operation: 'remove', name: /^\d+$/, after: false },
    { operation: 'remove', name: /^\d+$/, after: true },
  ] as const) {
    store.next = next
    // What the store throws is no word of the network: the entry would be set aside. A process that died has not come to that.
    await outbox.flush(peer, sender).then(
      ({ parked }) => assert.equal(parked, [], 'nothing is set aside for it'),
      (error: unknown) => assert.match(String(error), 'the power went'),
    )
  }
  assert.is(store.broke, 4)
  const rest = await outbox.flush(peer, sender)
  assert.equal([rest.parked, rest.waiting, await outbox.list()], [[], 0, []])
  assert.equal(await contents(), expected)
  const [line] = await listConsents(peer, wallet, owned)
  assert.is(line?.line.status, 'revoked')
  // Sent before, and the answer lost: it is as good as sent.
  await outbox.addRevocation(owned.id, consent)
  assert.equal((await outbox.flush(peer, sender)).sent.length, 1)

  // What can never be sent is set aside with its code, and does not hold up the rest.
  const bad = await outbox.addRecords({ ...address, id: new Uint8Array(32).fill(1) }, [textRecord('nowhere')])
  await outbox.addRecords(address, [textRecord('five')])
  const flushed = await outbox.flush(peer, sender)
  assert.equal([flushed.sent.length, flushed.parked], [1, [{ id: bad, code: 'not-found' }]])
  assert.equal(
    (await outbox.list()).map(({ id, parked }) => [id, parked]),
    [[bad, 'not-found']],
  )
  await outbox.cancel(bad)
  assert.equal(await outbox.list(), [])
  assert.equal(await contents(), [...expected, 'five'])
})

test('it is bounded, and opens under its own key alone', async () => {
  const store = memoryOutboxStore()
  const outbox = new Outbox({ store, key: KEY })
  for (let i = 0; i < MAX_OUTBOX_ENTRIES; i++) await store.save(String(i + 1).padStart(12, '0'), new Uint8Array(1))
  assert.is(code(await outbox.addRevocation(new Uint8Array(32), new Uint8Array(32)).catch((error: unknown) => error)), 'outbox-full')
  assert.is(code(await outbox.list().catch((error: unknown) => error)), 'outbox-damaged')
  const own = memoryOutboxStore()
  await new Outbox({ store: own, key: KEY }).addRevocation(new Uint8Array(32), new Uint8Array(32))
  const other = new Outbox({ store: own, key: new Uint8Array(32) })
  assert.is(code(await other.list().catch((error: unknown) => error)), 'outbox-damaged')
})

test.run()
