/**
 * What must hold in every scenario at every moment, watched while it runs: no two blocks at a height, no two signatures for a place, nothing
 * given to a reader whose consent is revoked. What breaks ends the scenario at once.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { revokeConsent } from '../../src/client/consents.ts'
import type { LightPeer } from '../../src/client/light-peer.ts'
import { openSession, type Session } from '../../src/client/session.ts'
import type { Witness } from '../faults/witness.ts'
import { witnessOf } from '../faults/witness-of.ts'
import { grantTo } from '../load/world.ts'
import { Chains } from './chains.ts'
import { openChart, readAll } from './chart.ts'
import { forbiddenLines } from './forbidden.ts'
import type { Scene } from './scene.ts'

const LOOK_MS = 1_000
/** A node's blocks that are compared in one look. */
const MAX_BLOCKS = 500

export interface InvariantReport {
  name: string
  held: boolean
  /** What broke it, or how much was looked at. */
  note: string
}

/** A reader whose consent was revoked before the scenario begins, and who goes on trying. */
interface Canary {
  peer: LightPeer
  session: Session
}

export class Invariants {
  readonly #scene: Scene
  readonly #witness: Witness
  readonly #chains: Chains
  readonly #canary: Canary | null
  readonly #liars: readonly string[]
  readonly #stop = new AbortController()
  readonly #broken: { name: string; note: string }[] = []
  readonly #onBroken: (cause: string) => void
  #running: Promise<void> | undefined
  #tries = 0

  private constructor(scene: Scene, parts: { witness: Witness; chains: Chains; canary: Canary | null; onBroken: (cause: string) => void }) {
    this.#scene = scene
    this.#witness = parts.witness
    this.#chains = parts.chains
    this.#canary = parts.canary
    this.#liars = scene.liars
    this.#onBroken = parts.onBroken
  }

  /** @param options.onBroken told of what broke, once for each */
  static async watch(scene: Scene, options: { onBroken: (cause: string) => void }): Promise<Invariants> {
    const witness = witnessOf(scene.net)
    const chains = await Chains.open(scene.net, witness)
    const invariants = new Invariants(scene, { ...options, witness, chains, canary: await canaryOf(scene) })
    witness.start()
    invariants.#running = invariants.#watch()
    return invariants
  }

  /** Ends the watch with a last look at everything, the logs too. */
  async finish(): Promise<InvariantReport[]> {
    this.#stop.abort()
    await this.#running
    await this.#witness.stop()
    for (const [index, node] of this.#scene.net.nodes.filter(({ validator }) => validator).entries()) {
      if (!this.#liars.includes(node.id)) await this.#witness.look(index)
    }
    await this.#look()
    for (const note of await forbiddenLines(this.#scene.net, { except: this.#liars })) this.#broken.push({ name: 'logs', note })
    await this.#chains.stop()
    const { statements } = this.#witness.counts
    const heights = this.#scene.net.nodes.map(({ id }) => `${id} ${this.#chains.compared(id)}`).join(', ')
    return [
      this.#report('one block at a height', 'chains', `blocks compared: ${heights}`),
      this.#report('no validator signs twice', 'signatures', `${statements} signed statements seen`),
      this.#report('a revoked consent gives nothing', 'canary', `${this.#tries} tries of a reader whose consent was revoked`),
      this.#report('nothing in the logs that no fault excuses', 'logs', 'read to their ends'),
    ]
  }

  /** Ends it without a last look. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
    await this.#witness.stop()
    await this.#chains.stop()
  }

  #report(name: string, key: string, seen: string): InvariantReport {
    const broken = this.#broken.filter(each => each.name === key)
    return {
      name,
      held: broken.length === 0,
      note:
        broken.length === 0
          ? seen
          : broken
              .slice(0, 3)
              .map(({ note }) => note)
              .join('; '),
    }
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      await this.#look()
      await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined)
    }
  }

  async #look(): Promise<void> {
    const heights = await this.#scene.heights([...this.#scene.net.nodes.keys()])
    for (const [index, { id }] of this.#scene.net.nodes.entries()) {
      if (this.#liars.includes(id)) continue
      const tip = Math.min(heights[index] ?? 0, this.#chains.compared(id) + MAX_BLOCKS)
      // Who does not answer is compared when it does again.
      for (const note of await this.#chains.compare(index, tip).catch(() => [])) this.#break('chains', note)
    }
    const conflicts = this.#witness.findings.filter(
      finding => !this.#liars.some(id => finding.startsWith(`${id} `) || finding.startsWith(`${id}:`)),
    )
    for (const note of conflicts) if (!this.#broken.some(each => each.note === note)) this.#break('signatures', note)
    await this.#tryCanary()
  }

  async #tryCanary(): Promise<void> {
    if (this.#canary === null) return
    const { peer, session } = this.#canary
    this.#tries++
    const bytes = await readAll(peer, session).catch(() => 0)
    if (bytes > 0)
      this.#break('canary', `A revoked consent was honoured: ${bytes} bytes came to a reader whose consent had been revoked before.`)
  }

  #break(name: string, note: string): void {
    this.#broken.push({ name, note })
    this.#onBroken(note)
  }
}

async function canaryOf(scene: Scene): Promise<Canary | null> {
  const peer = await scene.anyPeer()
  const { folder, reader } = await openChart(scene, peer)
  const { share, consent } = await grantTo(peer, folder, reader)
  const session = await openSession(peer, reader, share)
  const { height } = await revokeConsent(peer, folder.wallet, folder.owned, consent)
  const all = [...scene.net.nodes.keys()]
  await scene.until(async () => (await scene.heights(all)).every(each => each >= height), {
    within: 30_000,
    late: async () => `Not every node came to height ${height}: ${(await scene.heights(all)).join(', ')}.`,
  })
  return { peer, session }
}
