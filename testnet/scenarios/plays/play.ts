/** Each play by its name; it tells in words what came of it. */
import type { Scene } from '../scene.ts'
import { breakGlass } from './break-glass.ts'
import { lightPeers } from './light-peers.ts'
import { revocationRace } from './revocation-race.ts'
import type { PlayName, Plays } from './schema.ts'

const PLAYS: { readonly [Name in PlayName]: (scene: Scene, options: Plays[Name]) => Promise<string> } = {
  light_peers: lightPeers,
  revocation_race: revocationRace,
  break_glass: breakGlass,
}

/** @throws ScenarioFailure with the cause */
export async function play(scene: Scene, what: Partial<Plays>): Promise<string> {
  const [name, options] = Object.entries(what)[0] as [PlayName, never]
  return await PLAYS[name](scene, options)
}
