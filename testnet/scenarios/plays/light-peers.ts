/** Light peers that come all at once. */
import { createLightPeer, type LightPeer } from '../../../src/client/light-peer.ts'
import { errorCode } from '../../../src/encoding/errors.ts'
import { ScenarioFailure, type Scene } from '../scene.ts'
import type { Plays } from './schema.ts'

export async function lightPeers(scene: Scene, { peers: count, on, for: ms, within }: Plays['light_peers']): Promise<string> {
  const nodes = scene.indices(on)
  const peers: LightPeer[] = []
  const codes = new Map<string, number>()
  const began = performance.now()
  const signal = AbortSignal.any([scene.signal, AbortSignal.timeout(within)])
  const come = async (i: number): Promise<void> => {
    const addresses = nodes.map((_, j) => scene.net.nodes[nodes[(i + j) % nodes.length] as number]?.addresses[0] as string)
    try {
      const peer = await createLightPeer({ nodes: addresses, genesis: scene.net.genesis, signal })
      peers.push(peer)
      await peer.head({ signal })
    } catch (error) {
      const code = errorCode(error)
      codes.set(code, (codes.get(code) ?? 0) + 1)
    }
  }
  try {
    await Promise.all(Array.from({ length: count }, async (_, i) => await come(i)))
    scene.signal.throwIfAborted()
    const tookMs = Math.round(performance.now() - began)
    if (codes.size > 0) {
      const told = [...codes].map(([code, n]) => `${n} ${code}`).join(', ')
      throw new ScenarioFailure(`Of ${count} light peers not all had a verified header within ${within / 1000} s: ${told}.`)
    }
    const end = performance.now() + ms
    let seen = 0
    const follow = async (peer: LightPeer): Promise<void> => {
      let { header } = await peer.head({ signal: scene.signal })
      while (performance.now() < end) {
        const next = await peer.waitAbove(header.height, { signal: scene.signal })
        if (next.height > header.height) seen++
        header = next
      }
    }
    await Promise.all(peers.map(follow))
    if (seen === 0) throw new ScenarioFailure(`${count} light peers followed the chain for ${ms / 1000} s and none saw a block.`)
    return `${count} light peers verified from genesis within ${tookMs} ms, and followed ${seen} headers`
  } finally {
    await Promise.all(peers.map(async peer => await peer.stop()))
  }
}
