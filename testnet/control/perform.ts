/** Carries out acts on a testnet, one after the other. */
import { EpioneError } from '../../src/encoding/errors.ts'
import type { Links } from '../faults/links.ts'
import type { Testnet } from '../launcher/testnet.ts'
import type { Act } from './acts.ts'

export class Performer {
  readonly #net: Testnet
  readonly #links: Links
  readonly #paused = new Set<number>()
  #last: Promise<unknown> = Promise.resolve()

  constructor(net: Testnet) {
    if (net.links === null) throw new EpioneError('internal', 'the testnet was opened without links')
    this.#net = net
    this.#links = net.links
  }

  get paused(): ReadonlySet<number> {
    return this.#paused
  }

  /** Does one act when those before are done. @throws EpioneError `invalid-argument`, `node-stopped`, `node-failed`, `port-in-use` */
  async perform(act: Act): Promise<void> {
    const turn = this.#last.then(async () => await this.#perform(act))
    this.#last = turn.catch(() => undefined)
    await turn
  }

  async #perform(act: Act): Promise<void> {
    switch (act.verb) {
      case 'up':
        for (const index of this.#net.nodes.keys()) await this.#net.launch(index)
        return
      case 'start':
        await this.#net.launch(this.#index(act.node))
        return
      case 'stop':
      case 'kill':
      case 'restart':
        await this.#end(this.#index(act.node), act.verb)
        return
      case 'pause':
      case 'resume':
        await this.#pause(this.#index(act.node), act.verb === 'pause')
        return
      case 'partition': {
        const named = act.groups.flat()
        if (new Set(named).size !== named.length) throw new EpioneError('invalid-argument', 'A node can be in one group alone.')
        this.#links.part(this.#groups(act.groups), act.silent ? 'silent' : 'cut')
        return
      }
      case 'heal':
        this.#links.heal()
        return
      case 'delay':
        this.#links.setWeather({ delayMs: act.ms, jitterMs: act.jitterMs }, this.#groups(act.groups))
        return
      case 'drop':
        this.#links.setWeather({ loss: act.share }, this.#groups(act.groups))
        return
      case 'clock':
        await this.#net.setFaults(this.#index(act.node), { clockMs: act.ms })
        return
      case 'disk-full':
        await this.#net.setFaults(this.#index(act.node), { diskFull: act.full })
        return
      case 'slow-disk':
        await this.#net.setFaults(this.#index(act.node), { syncMs: act.ms })
        return
      case 'byzantine':
        await this.#net.setFaults(this.#index(act.node), { lie: act.mode })
        return
      default:
        act satisfies never
    }
  }

  async #end(index: number, verb: 'stop' | 'kill' | 'restart'): Promise<void> {
    if (verb === 'kill') await this.#net.kill(index)
    else await this.#net.end(index)
    this.#paused.delete(index)
    if (verb === 'restart') await this.#net.launch(index)
  }

  async #pause(index: number, pauses: boolean): Promise<void> {
    const { id, pid } = this.#net.nodes[index] as Testnet['nodes'][number]
    if (pid === null) throw new EpioneError('node-stopped', `${id} does not run; start it with: epione testnet start ${id}`)
    await this.#net.kill(index, pauses ? 'SIGSTOP' : 'SIGCONT')
    if (pauses) this.#paused.add(index)
    else this.#paused.delete(index)
  }

  #groups(groups: readonly (readonly string[])[] = []): number[][] {
    return groups.map(group => group.map(id => this.#index(id)))
  }

  #index(id: string): number {
    const index = this.#net.nodes.findIndex(node => node.id === id)
    if (index >= 0) return index
    throw new EpioneError('invalid-argument', `There is no ${id}; there are ${this.#net.nodes.map(node => node.id).join(', ')}.`)
  }
}
